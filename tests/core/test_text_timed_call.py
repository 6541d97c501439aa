"""Tests that code of a stranger ends at its limit, in the thread that called it, and that nothing arrives later."""

import copy
import threading

import pytest

from core.errors import PromptError
from core.records import Message, ModelKey, Request
from core.text import chat_template
from core.text.chat_template import Chat
from core.text.timed_call import call_within
from tests.core import text_tokenizers as tokenizers


def endless():
    while True:
        try:
            sum(range(100))
        except Exception:  # as a library might
            pass


def test_a_loop_ends_and_the_thread_goes_on():
    with pytest.raises(TimeoutError, match="it takes longer than 0.05 s"):
        call_within(0.05, endless)
    assert call_within(5, lambda: sum(range(10_000))) == 49_995_000


def test_results_and_exceptions_come_through():
    assert call_within(5, lambda: "done") == "done"
    with pytest.raises(ZeroDivisionError):
        call_within(5, lambda: 1 / 0)


def test_other_threads_are_not_interrupted():
    seen = []
    other = threading.Thread(target=lambda: seen.append(call_within(30, lambda: sum(i for i in range(300_000)))))
    other.start()
    with pytest.raises(TimeoutError):
        call_within(0.02, endless)
    other.join()
    assert seen == [sum(range(300_000))]


def test_work_that_ends_with_its_limit_ends_here_or_not_at_all():
    ended = []
    for _ in range(200):
        try:
            ended.append(call_within(0.0005, lambda: sum(range(20_000))))
        except TimeoutError:
            ended.append(None)
        sum(i for i in range(200))  # where a late exception would arrive
    assert len(ended) == 200 and set(ended) <= {None, sum(range(20_000))}


SEVENTH = (
    "{% if messages | length > 6 %}{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}"
    "{% endfor %}{% endfor %}{% endfor %}{% endif %}{{ messages[0].content }}"
)


def test_a_template_that_loops_on_one_talk_only_is_refused_in_a_sentence(monkeypatch):
    monkeypatch.setattr(chat_template, "RENDER_SECONDS", 0.1)
    talk = [Message(("user", "assistant")[i % 2], "Hi") for i in range(7)]
    tokenizer = copy.deepcopy(tokenizers.bytelevel("chatml"))
    tokenizer.chat_template = SEVENTH

    def rendered(messages):
        request = Request(ModelKey("m", "f"), messages=tuple(messages))
        return Chat.of(tokenizer, request).render(request.messages)

    assert rendered(talk[:1]) == "Hi"
    with pytest.raises(PromptError, match="it takes longer than 0.1 s"):
        rendered(talk)
