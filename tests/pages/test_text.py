"""Text of strangers in captions and labels: Markdown shows it, never carries it out."""

import pytest

from pages.parts.text import escape


@pytest.mark.parametrize("sign", list("\\`*_{}[]<>$~&"))
def test_every_sign_that_does_something_is_escaped(sign):
    assert escape(f"a{sign}b") == f"a\\{sign}b"


@pytest.mark.parametrize(
    "text", ["plain words", "東京", "Привет", "👩‍👩‍👧", "The prompt is empty: write something.", "× 1.5 a - b"]
)
def test_plain_text_stays(text):
    assert escape(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (":material/star:", "\\:material/star\\:"[:15]),
        ("# head", "\\# head"),
        ("- item", "\\- item"),
        (":red[x]", "\\:red\\[x\\]"),
    ],
)
def test_what_only_some_places_act_on(text, shown):
    assert escape(text).startswith(shown)


def test_a_number_does_not_begin_a_list():
    assert not escape("1. one")[0].isdigit()


def test_one_line_without_controls_and_arrows():
    assert escape("a\nb\tc") == "a b c"
    assert "\u202e" not in escape("x\u202ey")
    assert "->" not in escape("a -> b").replace("\\", "") and "-\u2060>" in escape("a -> b").replace("\\", "")
