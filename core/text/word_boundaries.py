"""Finds where words, sentences and paragraphs begin and end, by Unicode's rules (UAX 29), as spans of a text.

Words come from the ``regex`` module, which has the rules and is fast; ideographs and kana other than katakana come one
by one, as the standard says, so no dictionary is needed. Sentences follow the standard's rules (SB5 to SB11) in code
here, because the library that has them takes a second for 25,000 characters; the test compares with it instead. One
tailoring, which the standard asks for: a title such as "Mr." does not end a sentence. A paragraph ends at a blank line,
as in Markdown. Guarded by tests/core/test_text_word_boundaries.py.
"""

from __future__ import annotations

from itertools import pairwise

import regex

from ..records import Span

_MARKS = r"[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}]"
_X = rf"{_MARKS}*+(?:(?<=\u200D)\p{{Extended_Pictographic}}{_MARKS}*+)*+"
_AHL = r"[\p{WB=ALetter}\p{WB=Hebrew_Letter}]"
_QUOTE = r"\p{WB=Single_Quote}"
_ITEM = (
    rf"(?:\p{{WB=Hebrew_Letter}}{_X}\p{{WB=Double_Quote}}{_X}(?=\p{{WB=Hebrew_Letter}})"
    rf"|{_AHL}{_X}(?:[\p{{WB=MidLetter}}\p{{WB=MidNumLet}}{_QUOTE}]{_X}(?={_AHL}))?"
    rf"|\p{{WB=Numeric}}{_X}(?:[\p{{WB=MidNum}}\p{{WB=MidNumLet}}{_QUOTE}]{_X}(?=\p{{WB=Numeric}}))?)"
)
_KATAKANA = rf"(?:\p{{WB=Katakana}}{_X})"
_LINK = rf"(?:\p{{WB=ExtendNumLet}}{_X})"
_RUN = rf"(?:{_ITEM}+|{_KATAKANA}+)"
_FLAG = rf"\p{{WB=Regional_Indicator}}{_X}"
_WORD = regex.compile(
    rf"\r\n|[\p{{WB=CR}}\p{{WB=LF}}\p{{WB=Newline}}]|\p{{WB=WSegSpace}}+{_X}|{_FLAG}{_FLAG}"
    rf"|{_LINK}*(?:{_RUN}{_LINK}+)*{_ITEM}*\p{{WB=Hebrew_Letter}}{_X}{_QUOTE}{_X}(?!{_AHL})"
    rf"|{_LINK}*{_RUN}(?:{_LINK}+{_RUN})*{_LINK}*|{_LINK}+|{_MARKS}{_X}|.{_X}",
    regex.S,
)
_SKIP = r"[\p{SB=Extend}\p{SB=Format}]*"
_SEPARATOR = r"(?:\r\n|[\p{SB=Sep}\p{SB=CR}\p{SB=LF}])"
_STOP = regex.compile(
    rf"(?:(?P<full>\p{{SB=ATerm}})|\p{{SB=STerm}}){_SKIP}(?:\p{{SB=Close}}{_SKIP})*(?P<spaces>(?:\p{{SB=Sp}}{_SKIP})*)"
    rf"(?P<end>{_SEPARATOR})?|(?P<line>{_SEPARATOR})"
)
_BLANK_LINES = regex.compile(rf"(?>{_SEPARATOR})\s*{_SEPARATOR}|\u2029")
_LOWER_FOLLOWS = regex.compile(
    r"[^\p{SB=OLetter}\p{SB=Upper}\p{SB=Lower}\p{SB=Sep}\p{SB=CR}\p{SB=LF}\p{SB=STerm}\p{SB=ATerm}]*+\p{SB=Lower}"
)
_GOES_ON = regex.compile(r"[\p{SB=SContinue}\p{SB=STerm}\p{SB=ATerm}]")
_ABBREVIATED = regex.compile(rf"[\p{{SB=Upper}}\p{{SB=Lower}}]{_SKIP}$")
_TITLE = regex.compile(r"(?<![\p{L}\p{N}])(?:Mr|Mrs|Ms|Dr|Prof|St|Fig|Eq|vs|cf|e\.g|i\.e)$")


def word_spans(text: str) -> list[Span]:
    """Returns (start, end) of every word, number or sign of ``text``; whitespace is left out."""
    return [m.span() for m in _WORD.finditer(text) if not m[0].isspace()]


def sentence_spans(text: str) -> list[Span]:
    """Returns (start, end) of every sentence: they tile ``text``, whitespace after a sentence belongs to it.

    Every line break ends one. Blank lines go to the sentence before (at the very start: to the one after).
    """
    out: list[Span] = []
    start = 0
    for end in [*_ends(text), len(text)]:
        if end <= start:
            continue
        blank = not text[start:end].strip() or (bool(out) and not text[slice(*out[-1])].strip())
        if out and blank:
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
        start = end
    return out


def paragraph_spans(text: str) -> list[Span]:
    """Returns (start, end) of every paragraph: they tile ``text``, and no sentence lies in two of them.

    Blank lines end one and belong to it; at the very start they belong to the first.
    """
    first, last = len(text) - len(text.lstrip()), len(text.rstrip())
    ends = [m.end() for m in _BLANK_LINES.finditer(text) if first < m.start() and m.end() <= last]
    return [(a, b) for a, b in pairwise([0, *ends, len(text)]) if a < b]


def _ends(text: str) -> list[int]:
    """Returns the places where a sentence ends, in order."""
    out, at = [], 0
    while m := _STOP.search(text, at):
        at = m.end()
        if m["line"] or m["end"] or not _held(text, m):
            out.append(m.end())
    return out


def _held(text: str, stop: regex.Match[str]) -> bool:
    """Returns whether the sentence goes on after this full stop (SB6, SB7, SB8, SB8a, and titles)."""
    after = stop.end()
    if after < len(text) and _GOES_ON.match(text, after):
        return True
    if not stop["full"]:
        return False
    place = stop.start("full")
    plain = not regex.search(r"[\p{SB=Close}\p{SB=Sp}]", text[place + 1 : after])
    if plain and regex.match(r"\p{SB=Numeric}", text, pos=after):
        return True
    if plain and regex.match(r"\p{SB=Upper}", text, pos=after) and _ABBREVIATED.search(text, max(0, place - 40), place):
        return True
    if _LOWER_FOLLOWS.match(text, after):
        return True
    return bool(stop["spaces"]) and bool(_TITLE.search(text, max(0, place - 12), place))
