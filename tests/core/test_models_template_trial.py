"""Tests that a chat template that does not end, or grows, is ended in a process of its own and refused in words."""

import json

import pytest

from core.errors import ModelError, PromptError
from core.models import template_trial
from core.models.template_trial import (
    LONGEST_RENDERED,
    LONGEST_TEMPLATE,
    check_chat_template,
    render_talks,
    try_template,
)
from core.records import Message
from core.text import chat_template
from core.text.chat_template import Chat, inspect_template

PLAIN = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """The templates that a child was started for."""
    monkeypatch.setenv("HEED_MODELS", str(tmp_path))
    template_trial._tried.cache_clear()
    seen = []

    def trial(template):
        seen.append(template)
        return "does not come to an end" if template == ENDLESS else ""

    monkeypatch.setattr(template_trial, "try_template", trial)
    yield seen
    template_trial._tried.cache_clear()


def test_a_child_ends_a_loop_and_passes_a_plain_template():
    assert try_template(PLAIN) == ""
    assert try_template(ENDLESS, seconds=0.2) == "does not come to an end"


def test_a_child_has_little_memory():
    assert try_template("{{ ('a' * (2 ** 32)) | length }}", memory=1 << 29) == "takes more memory than it may"


def test_a_template_that_writes_without_bound_is_stopped_at_the_limit():
    assert render_talks("{% for a in range(9999) %}" + "x" * 999 + "{% endfor %}") > LONGEST_RENDERED
    assert 0 < render_talks(PLAIN) < 2000


@pytest.mark.parametrize(
    "template", ["{% oops", "{{ raise_exception('no system') }}", "{{ 1 / 0 }}", "{{ open('x') }}"]
)
def test_a_template_that_refuses_is_told_when_it_is_asked_not_here(template):
    assert render_talks(template) == 0


def test_what_passed_is_not_tried_again_also_after_a_restart(asked, tmp_path):
    check_chat_template(PLAIN, "a model")
    check_chat_template(PLAIN, "a model")
    template_trial._tried.cache_clear()
    check_chat_template(PLAIN, "another model")
    check_chat_template(None, "a model without one")
    assert asked == [PLAIN]
    (note,) = (tmp_path / "templates").iterdir()
    assert json.loads(note.read_text()) == {"passed": template_trial.TRIAL_VERSION}


def test_a_refusal_is_one_sentence_and_is_not_kept(asked, tmp_path):
    with pytest.raises(ModelError, match="template of Odd does not come to an end, so it is not used"):
        check_chat_template(ENDLESS, "Odd")
    assert not (tmp_path / "templates").exists()
    with pytest.raises(ModelError, match="500,001 characters"):
        check_chat_template("x" * (LONGEST_TEMPLATE + 1), "Odd")
    assert asked == [ENDLESS]


def test_a_huge_template_is_not_parsed():
    assert inspect_template("{{ thinking }}").switches
    assert not inspect_template("{{ thinking }}" + " " * chat_template.LONGEST_PARSED).variables
    assert not inspect_template("{{ " + "(" * 5000 + "thinking" + ")" * 5000 + " }}").variables


def test_what_a_template_writes_is_bounded_whatever_it_is_asked(monkeypatch):
    class Echo:
        chat_template = PLAIN

        def apply_chat_template(self, messages, **_):
            return "x" * 100

    monkeypatch.setattr(chat_template, "LONGEST_RENDERED_TEXT", 50)
    chat = Chat(Echo(), PLAIN, inspect_template(PLAIN))
    with pytest.raises(PromptError, match="makes 100 characters"):
        chat.render([Message("user", "hello")])
    assert chat.render([Message("user", "hello, hello, hello")]) == "x" * 100
