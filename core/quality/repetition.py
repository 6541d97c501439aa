"""Descriptors of the text itself: how long it is, how much of it is said again, how much is copied from the prompt.

Lengths are counted as the instructions about length count them (core.quality.instructions.counting), so that "exactly
ten words" and ``words`` agree. What is said again is told by Unicode's words (UAX 29), without regard to case.
Lengths are undefined where the token limit stopped the answer; what describes the text as far as it goes (loops,
distinct-n, zlib, copies) is defined there too, since an endless loop is always stopped by the limit.
Guarded by tests/core/test_quality_repetition.py.
"""

from __future__ import annotations

import zlib

from core.quality.instructions import counting
from core.quality.plain import word_list
from core.quality.value import EMPTY, TRUNCATED, Value, defined, undefined
from core.records import Answered

LONGEST_LOOP = 32
"""Words in the longest block that is looked for."""


def word_count(answered: Answered) -> Value:
    """Words in the answer; a word may hold hyphens and apostrophes."""
    return _length(answered, counting.words(answered.answer))


def character_count(answered: Answered) -> Value:
    """Characters as a reader sees them (grapheme clusters), without the whitespace around the answer."""
    return _length(answered, counting.characters(answered.answer))


def sentence_count(answered: Answered) -> Value:
    """Sentences with at least one word; every line break ends one."""
    return _length(answered, counting.sentences(answered.answer))


def token_count(answered: Answered) -> Value:
    """Tokens of the answer itself (no thinking, no end token)."""
    if not len(answered.token_ids) and answered.answer:
        return undefined("no model has read the answer")
    return _length(answered, len(answered.token_ids))


def distinct(answered: Answered, n: int) -> Value:
    """Different n-grams of words, divided by all of them (Li et al. 2016): 1 = nothing is said twice."""
    words = word_list(answered.answer)
    grams = list(zip(*(words[i:] for i in range(n)), strict=False))
    if not grams:
        return undefined(EMPTY if not words else f"the answer has fewer than {n} words")
    return defined(len(set(grams)) / len(grams))


def loop_share(answered: Answered) -> Value:
    """Share of the words that only go round: they repeat the block of words right before them.

    A block of up to LONGEST_LOOP words is a loop where it stands three times in a row, from four words on twice.
    Its first round does not count, a last unfinished one does.
    """
    words = word_list(answered.answer)
    if not words:
        return undefined(EMPTY)
    again: set[int] = set()
    for lag in range(1, min(LONGEST_LOOP, len(words) // 2) + 1):
        again |= _rounds(words, lag, lag if lag >= 4 else 2 * lag)
    return defined(len(again) / len(words))


def _rounds(words: list[str], lag: int, least: int) -> set[int]:
    """Places of the words that equal the one ``lag`` before them, in stretches of at least ``least``."""
    found: set[int] = set()
    start = lag
    for i in range(lag, len(words) + 1):
        if i < len(words) and words[i] == words[i - lag]:
            continue
        if i - start >= least:
            found |= set(range(start, i))
        start = i + 1
    return found


def zlib_ratio(answered: Answered) -> Value:
    """Bytes of the answer (UTF-8) after zlib at level 9, divided by those before: low means repetitive.

    Short texts lie above 1, since the format itself takes 8 bytes and more: compare like lengths.
    """
    data = answered.answer.encode("utf-8", "replace")
    return defined(len(zlib.compress(data, 9)) / len(data)) if answered.answer.strip() else undefined(EMPTY)


def copy_share(answered: Answered) -> Value:
    """Share of the answer's words that also occur in the user's own text."""
    words, known = word_list(answered.answer), set(word_list(answered.prompt))
    return defined(sum(w in known for w in words) / len(words)) if words else undefined(EMPTY)


def _length(answered: Answered, count: int) -> Value:
    return undefined(TRUNCATED) if answered.truncated else defined(count)
