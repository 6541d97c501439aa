"""Tests words and sentences by UAX 29 against the library uniseg, which follows the standard's rules one by one."""

from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uniseg import sentencebreak, wordbreak

from core.text import word_boundaries as module
from core.text.word_boundaries import paragraph_spans, sentence_spans, word_spans


def cut(text):
    return [text[a:b] for a, b in word_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("can't 3.14 hello-world", ["can't", "3.14", "hello", "-", "world"]),
        ("'apple' \"b\"", ["'", "apple", "'", '"', "b", '"']),
        ("1,000.50$ foo_bar", ["1,000.50", "$", "foo_bar"]),
        ("👨\u200d👩\u200d👧👍🏽 ❤\ufe0f", ["👨\u200d👩\u200d👧", "👍🏽", "❤\ufe0f"]),
        ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
        ("東京へ行く。", ["東", "京", "へ", "行", "く", "。"]),
        ("カタカナ 안녕하세요 세계", ["カタカナ", "안녕하세요", "세계"]),
        ('שלום ד"ר', ["שלום", 'ד"ר']),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("e\u0301te\u0301 a\u0308", ["e\u0301te\u0301", "a\u0308"]),
        (" \n\t ", []),
        ("", []),
    ],
)
def test_words(text, expected):
    assert cut(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is. Is it? Yes!", ["It is. ", "Is it? ", "Yes!"]),
        ("Mr. Smith paid 3.14 dollars. Fine.", ["Mr. Smith paid 3.14 dollars. ", "Fine."]),
        ("“Really?” he said. (No.) Ok", ["“Really?” ", "he said. ", "(No.) ", "Ok"]),
        ("e.g. this and U.S.A. too", ["e.g. this and U.S.A. too"]),
        ("東京は。大阪だ！", ["東京は。", "大阪だ！"]),
        ("one\ntwo\n\n\nthree", ["one\n", "two\n\n\n", "three"]),
        ("\n\nHello. You", ["\n\nHello. ", "You"]),
        ("Wait... what", ["Wait... what"]),
        ("   ", ["   "]),
        ("", []),
    ],
)
def test_sentences(text, expected):
    assert [text[a:b] for a, b in sentence_spans(text)] == expected


ALPHABET = "aBé.!? \n\r\t1,;:)(\"'”“\u0301。東かカ가\u2028-–C_🙂👩🇩🇪שאสวั\u00ad"
texts = st.text(alphabet=ALPHABET, max_size=14)


@given(texts)
@settings(max_examples=600, deadline=None)
def test_words_follow_the_standard(text):
    assert cut(text) == [w for w in wordbreak.words(text) if not w.isspace()]


@given(st.text(alphabet=[c for c in ALPHABET if c not in "_🙂👩🇩🇪"], max_size=14))
@settings(max_examples=600, deadline=None)
def test_sentence_ends_follow_the_standard(text):
    """Characters of no class of their own are left out: by SB8 "._a" goes on, the oracle breaks it."""
    ends = sorted({*module._ends(text), len(text)} - {0})
    assert ends == list(accumulate(len(s) for s in sentencebreak.sentences(text)))


@given(st.text())
def test_any_text_is_covered_in_order(text):
    at = 0
    for a, b in word_spans(text):
        assert a >= at and b > a and (a == at or text[at:a].isspace())
        at = b
    assert at == len(text) or text[at:].isspace()
    assert "".join(text[a:b] for a, b in sentence_spans(text)) == text
    assert all(text[a:b].strip() for a, b in sentence_spans(text)) or not text.strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One.\nStill one.\n\nTwo.", ["One.\nStill one.\n\n", "Two."]),
        ("\n\n  One\n \t\n\n\n  two\n", ["\n\n  One\n \t\n\n\n", "  two\n"]),
        ("A line\r\nand one\r\n\r\nTwo\u2029Three", ["A line\r\nand one\r\n\r\n", "Two\u2029", "Three"]),
        ("One alone. No blank line.", ["One alone. No blank line."]),
        ("  \n\n ", ["  \n\n "]),
        ("", []),
    ],
)
def test_a_blank_line_ends_a_paragraph(text, expected):
    assert [text[a:b] for a, b in paragraph_spans(text)] == expected


@given(st.text(alphabet="ab. \n\r\t\u2028\u2029\x85", max_size=24) | st.text())
@settings(max_examples=400)
def test_paragraphs_cover_any_text_and_divide_no_sentence(text):
    spans = paragraph_spans(text)
    assert "".join(text[a:b] for a, b in spans) == text
    assert all(text[a:b].strip() for a, b in spans) or not text.strip()
    assert {b for _, b in spans} <= {b for _, b in sentence_spans(text)}
