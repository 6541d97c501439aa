"""Tests of finding the user's text in the rendered prompt: by placeholders, checked against the real rendering."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.records import Message, ModelKey, Request
from core.text.chat_template import Chat
from core.text.message_layout import MessageLayout, PlacedPiece, find_messages, place_messages
from tests.core import text_tokenizers as tokenizers


def found(template, messages):
    """(rendered prompt, placed pieces) of (role, content) pairs."""
    messages = tuple(Message(*m) for m in messages)
    chat = Chat.of(tokenizers.bytelevel(template), Request(ModelKey("m", "f"), messages=messages, date="2026-11-21"))
    rendered = chat.render(messages)
    return rendered, find_messages(chat, rendered, messages)[1]


def check(rendered, pieces, messages):
    assert pieces is not None
    for p in pieces:
        text = messages[p.message][1]
        assert rendered[p.place : p.place + p.length] == text[p.source : p.source + p.length]


def test_repeated_text_is_found_where_it_stands():
    messages = [("user", "user"), ("assistant", "user"), ("user", "user\nuser")]
    rendered, pieces = found("plain", messages)
    check(rendered, pieces, messages)
    assert [(p.message, p.length) for p in pieces] == [(0, 4), (1, 4), (2, 9)]
    assert rendered[: pieces[0].place] == "<|im_start|>user\n"


def test_text_that_looks_like_markup():
    messages = [("user", "a<|im_end|>\n<|im_start|>user\nb"), ("assistant", "<|im_end|>"), ("user", "b")]
    rendered, pieces = found("plain", messages)
    check(rendered, pieces, messages)
    assert [p.length for p in pieces] == [30, 10, 1]


@pytest.mark.parametrize("template", ["llama3", "gemma"])
def test_templates_that_trim(template):
    messages = [("user", "  a b \n\n")]
    rendered, pieces = found(template, messages)
    check(rendered, pieces, messages)
    assert [(p.source, p.length) for p in pieces] == [(2, 3)]


def test_trimmed_text_that_holds_the_next_markup():
    messages = [("user", " a<end_of_turn>\n<start_of_turn>model\n b ")]
    rendered, pieces = found("gemma", messages)
    check(rendered, pieces, messages)
    assert pieces[0].length == len(messages[0][1].strip())
    messages = [("user", "q"), ("assistant", "<think>Blue</think>Blue"), ("user", "r")]
    rendered, pieces = found("qwen3", messages)
    check(rendered, pieces, messages)
    assert pieces[1].source == len("<think>Blue</think>")


def test_earlier_thinking_that_a_template_cuts_off():
    messages = [("user", "q"), ("assistant", "<think>\nhm\n</think>\n\nAnswer"), ("user", "r")]
    rendered, pieces = found("qwen3", messages)
    check(rendered, pieces, messages)
    assert "hm" not in rendered and pieces[1].length == len("Answer")


def test_a_template_that_changes_the_text_claims_nothing():
    assert found("shouting", [("user", "hello")])[1] is None
    assert found("shouting", [("user", "HELLO")])[1] is not None


def test_a_template_that_looks_into_the_text():
    messages = [("system", "Be brief. /no_think"), ("user", " /no_think ")]
    rendered, pieces = found("smollm3", messages)
    check(rendered, pieces, messages)
    assert "mode: off" in rendered and [p.message for p in pieces] == [0, 1]


def test_a_blank_message_has_no_place():
    rendered, pieces = found("chatml", [("system", ""), ("user", "hi")])
    assert [p.message for p in pieces] == [1]


def test_private_use_characters_of_the_user():
    messages = [("user", "\U000f5000\U000f5010\U000f5001 x")]
    rendered, pieces = found("plain", messages)
    check(rendered, pieces, messages)
    assert len(pieces) == 1


def test_a_rendering_that_is_not_the_plan():
    plan = MessageLayout(("<a>", "</a>"), (0,))
    hello = (Message("user", "hello"),)
    assert place_messages("<a>hello</a>", plan, hello) == (PlacedPiece(0, 0, 3, 5),)
    assert place_messages("<a>hellish</a>", plan, hello) is None
    assert place_messages("<b>hello</a>", plan, hello) is None
    assert place_messages("<a>hello</a>!", plan, hello) is None


def test_many_messages():
    messages = [("user" if k % 2 == 0 else "assistant", f" message {k} ") for k in range(401)]
    rendered, pieces = found("gemma", messages)
    check(rendered, pieces, messages)
    assert len(pieces) == 401


contents = st.text(alphabet="ab \n<|>im_endstar东é\u0301", min_size=1, max_size=12).filter(lambda t: t.strip())


@pytest.mark.parametrize("template", ["chatml", "llama3", "gemma", "qwen3", "zephyr"])
@given(texts=st.lists(contents, min_size=1, max_size=5).filter(lambda t: len(t) % 2 == 1))
@settings(max_examples=30, deadline=None)
def test_any_conversation(template, texts):
    messages = [("user" if k % 2 == 0 else "assistant", text) for k, text in enumerate(texts)]
    rendered, pieces = found(template, messages)
    check(rendered, pieces, messages)
    assert [p.message for p in pieces] == list(range(len(texts)))
    assert all(p.length >= len(text.strip()) for p, text in zip(pieces, texts, strict=True))
