"""Counts words, sentences, capital words, lines and characters for instructions; detects the language of a text.

Two families, kept apart on purpose. ``count_ifeval_words``, ``count_ifeval_sentences`` and ``count_capital_words``
count as the official IFEval checkers do, so that results agree with published ones: a word is a run of ``\\w``, a
sentence is one of NLTK's Punkt with its English model, and words in capitals are counted among NLTK's word tokens.
The others count as people do, for Heed's own instructions: a word may hold hyphens and apostrophes, a line break
ends a sentence, a character is what a reader sees as one. Languages come from ``langdetect``, data in a wheel, with a
fixed seed. Nothing is downloaded. Guarded by tests/core/test_quality_instructions.py with counts that NLTK gave.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import Any

import regex

from ....text.word_boundaries import word_spans as pieces
from .punkt_english import english_sentences

SEED = 0
"""Seed of language detection, which draws letters by chance; IFEval's own seed."""

_MARKER = re.compile(r"\W*(?:\d{1,3}|[A-Za-z])[.)]\W*")
_WIDE_STOP = re.compile(r"(?<=[。！？｡])(?![。！？｡」』）\"”’])")
_JOINS = ("-", "\u2010", "\u2011", "'", "\u2019")


def count_ifeval_words(text: str) -> int:
    """Counts runs of letters, digits and underscores: ``don't`` is two."""
    return len(re.findall(r"\w+", text))


def count_ifeval_sentences(text: str) -> int:
    """Counts sentences by Punkt's English model; a line break alone ends none."""
    return len(english_sentences(text))


_APART = re.compile(r"[«“‘„»”’`\";@#$%&?!*\[\](){}<>\u2012-\u2015]|''|\.{2,}|--|[:,](?!\d)")
_CLITICS = (
    re.compile(r"(?<=[^' ])('[sSmMdD])(?= )"),
    re.compile(r"(?<=[^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T)(?= )"),
)
_TWO_IN_ONE = re.compile(
    r"\b(?:(can)(not)|(d)('ye)|(gim)(me)|(gon)(na)|(got)(ta)|(lem)(me)|(more)('n))\b|\b(wan)(na)(?=\s)", re.IGNORECASE
)


def count_capital_words(text: str) -> int:
    """Counts word tokens with no small letter and at least one capital: ``I``, ``NASA``, ``WELL-KNOWN`` (one).

    Tokens by the conventions of the Penn Treebank, as NLTK cuts them: signs stand apart, and ``DON'T`` is two.
    """
    spaced = f" {' '.join(_APART.sub(' ', text).split())} "
    for clitic in _CLITICS:
        spaced = clitic.sub(r" \1 ", spaced)
    tokens = _TWO_IN_ONE.sub(lambda m: f" {' '.join(part for part in m.groups() if part)} ", spaced).split()
    return sum(token.isupper() for token in tokens)


def count_words(text: str) -> int:
    """Counts words as a reader does: ``well-known``, ``don't`` and ``3.14`` are one each, an ideograph is one."""
    spans = [(a, b) for a, b in pieces(text) if any(c.isalnum() for c in text[a:b])]
    joined = sum(text[b:a] in _JOINS for (_, b), (a, _) in pairwise(spans))
    return len(spans) - joined


def count_sentences(text: str) -> int:
    """Counts sentences as a reader does: by Punkt, at every line break and at 。！？; ``1.`` alone is none."""
    parts = [p for line in text.splitlines() for s in english_sentences(line) for p in _WIDE_STOP.split(s)]
    return sum(any(c.isalnum() for c in part) and not _MARKER.fullmatch(part) for part in parts)


def count_characters(text: str) -> int:
    """Counts characters as a reader sees them (grapheme clusters), with spaces inside, without those around."""
    return len(regex.findall(r"\X", text.strip()))


def count_lines(text: str) -> int:
    """Counts lines that are not blank."""
    return sum(bool(line.strip()) for line in text.splitlines())


def detect_language(text: str) -> str | None:
    """Returns the ISO 639-1 code (``zh-cn``, ``zh-tw`` for Chinese) of the likeliest language; None without letters."""
    from langdetect.lang_detect_exception import LangDetectException

    detector = _detectors().create()
    try:
        detector.append(text)
        return str(detector.detect())
    except LangDetectException:
        return None


@lru_cache(maxsize=1)
def _detectors() -> Any:
    from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    factory.set_seed(SEED)
    return factory
