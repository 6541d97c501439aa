"""Tests of display text: readable labels, whole characters, streams without half characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text.display_text import and_list, decode_stream, graphemes, visible_text
from tests.core import text_tokenizers as tokenizers

FAMILY = "👨\u200d👩\u200d👧"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("sky", "sky"),
        (" sky", "␣sky"),
        ("a b", "a b"),
        ("  ", "␣␣"),
        ("\n", "⏎"),
        ("\r\n\t", "⏎⇥"),
        ("a\nb", "a⏎b"),
        ("", ""),
        ("\ufffd", "\ufffd"),
        (" \ufffd", "␣\ufffd"),
        ("\u202eevil", "⟨U+202E⟩evil"),
        ("a\u200bb", "a⟨U+200B⟩b"),
        ("\x00", "⟨U+0000⟩"),
        ("\ue000", "⟨U+E000⟩"),
        (FAMILY, FAMILY),
        ("❤\ufe0f", "❤\ufe0f"),
        (
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        ),
        ("\u0301", "\u25cc\u0301"),
        ("שלום", "\u2068שלום\u2069"),
        (" مرحبا", "\u2068␣مرحبا\u2069"),
        ("<b>", "<b>"),
    ],
)
def test_labels(text, label):
    assert visible_text(text) == label


@given(st.text())
def test_a_label_is_one_line_and_turns_nothing_around(text):
    label = visible_text(text)
    assert len(label.splitlines()) <= 1
    assert not set(label) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u200e\u200f\u061c\x00\x1b\x7f")
    assert (label == "") == (text == "")
    assert label.count("\u2068") == label.count("\u2069") <= 1


def test_graphemes():
    text = f"e\u0301{FAMILY}\r\n🇩🇪🇫🇷"
    assert [text[a:b] for a, b in graphemes(text)] == ["e\u0301", FAMILY, "\r\n", "🇩🇪", "🇫🇷"]
    assert graphemes("") == []


@pytest.mark.parametrize("name", ["smollm2", "qwen"])
def test_a_stream_only_grows_and_never_shows_half_a_character(name):
    tokenizer, text = tokenizers.real(name), f"Blue 東京 {FAMILY} é 🇩🇪 ok"
    ids = tokenizer(text)["input_ids"]
    shown = [decode_stream(tokenizer, ids[:k]) for k in range(len(ids) + 1)]
    assert shown[0] == "" and shown[-1] == text
    for before, after in zip(shown, shown[1:], strict=False):
        assert after.startswith(before)
        assert "\ufffd" not in after and not after.endswith("\u200d")


def test_a_stream_leaves_control_tokens_out():
    tokenizer = tokenizers.real("qwen")
    assert decode_stream(tokenizer, tokenizer("Hi<|im_end|>")["input_ids"]) == "Hi"


def test_a_list_in_a_sentence_has_and_before_its_last_part():
    assert [and_list(list("abc"[:n])) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
