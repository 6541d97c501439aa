"""Tests that text of models and users in captions and labels is displayed literally by Markdown."""

import pytest

from pages.parts.markdown_escape import escape_markdown


@pytest.mark.parametrize("sign", list("\\`*_{}[]<>$~&"))
def test_every_sign_that_does_something_is_escaped(sign):
    assert escape_markdown(f"a{sign}b") == f"a\\{sign}b"


@pytest.mark.parametrize(
    "text", ["plain words", "東京", "Привет", "👩‍👩‍👧", "The prompt is empty: write something.", "× 1.5 a - b"]
)
def test_plain_text_stays(text):
    assert escape_markdown(text) == text


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
    assert escape_markdown(text).startswith(shown)


def test_a_number_does_not_begin_a_list():
    assert not escape_markdown("1. one")[0].isdigit()


def test_one_line_without_controls_and_arrows():
    assert escape_markdown("a\nb\tc") == "a b c"
    assert "\u202e" not in escape_markdown("x\u202ey")
    assert "->" not in escape_markdown("a -> b").replace("\\", "") and "-\u2060>" in escape_markdown("a -> b").replace(
        "\\", ""
    )
