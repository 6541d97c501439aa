"""Distinguishes content words from English function words and signs.

``function_words.txt`` holds the closed classes of English (articles, pronouns, prepositions, conjunctions, auxiliaries,
a few adverbs of degree), written down for Heed since lists of "stop words" differ and hold words such as "system". In
other languages every word counts as content. Guarded by tests/core/test_study_features.py.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def function_words() -> frozenset[str]:
    """Returns the words of the list, in lower case."""
    return frozenset(Path(__file__).with_suffix(".txt").read_text("utf-8").split())


def is_content(word: str) -> bool:
    """Returns whether a word or number is not an English function word."""
    plain = word.strip().lower().replace("’", "'")
    return any(c.isalnum() for c in plain) and plain not in function_words()
