"""Metrics that describe the text itself: length, repetition, and overlap with the prompt.

Lengths are counted as the instructions about length count them (``instructions.text_counts``), so that "exactly ten
words" and ``words`` agree. Repetition is measured on Unicode's words (UAX 29), without regard to case. Lengths are
undefined where the token limit stopped the answer; what describes the text as far as it goes (loops, distinct-n, zlib,
copies) is defined there too, since an endless loop is always stopped by the limit. Guarded by
tests/core/test_quality_text_descriptors.py.
"""

from __future__ import annotations

import zlib

from ...records import Answered
from .instructions import text_counts
from .metric_value import EMPTY, TRUNCATED, MetricValue, defined_value, undefined_value
from .normalise import word_list

LONGEST_LOOP = 32
"""Most words in a repeated block."""


def word_count(answered: Answered) -> MetricValue:
    """Counts the words in the answer; a word may hold hyphens and apostrophes."""
    return _length(answered, text_counts.count_words(answered.answer))


def character_count(answered: Answered) -> MetricValue:
    """Counts characters as a reader sees them (grapheme clusters), without whitespace around the answer."""
    return _length(answered, text_counts.count_characters(answered.answer))


def sentence_count(answered: Answered) -> MetricValue:
    """Counts sentences with at least one word; every line break ends one."""
    return _length(answered, text_counts.count_sentences(answered.answer))


def token_count(answered: Answered) -> MetricValue:
    """Counts the tokens of the answer itself (no thinking, no end token)."""
    if not len(answered.token_ids) and answered.answer:
        return undefined_value("no model has read the answer")
    return _length(answered, len(answered.token_ids))


def distinct(answered: Answered, n: int) -> MetricValue:
    """Returns different n-grams of words divided by all of them (Li et al. 2016): 1 = no repetition."""
    words = word_list(answered.answer)
    grams = list(zip(*(words[i:] for i in range(n)), strict=False))
    if not grams:
        return undefined_value(EMPTY if not words else f"the answer has fewer than {n} words")
    return defined_value(len(set(grams)) / len(grams))


def loop_share(answered: Answered) -> MetricValue:
    """Returns the share of the words in loops: those that repeat the block of words right before them.

    A block of up to LONGEST_LOOP words is a loop where it occurs three times in a row, from four words on twice. Its
    first round does not count, a last unfinished one does.
    """
    words = word_list(answered.answer)
    if not words:
        return undefined_value(EMPTY)
    again: set[int] = set()
    for lag in range(1, min(LONGEST_LOOP, len(words) // 2) + 1):
        again |= _rounds(words, lag, lag if lag >= 4 else 2 * lag)
    return defined_value(len(again) / len(words))


def _rounds(words: list[str], lag: int, least: int) -> set[int]:
    """Returns the indices of words that equal the one ``lag`` before them, in stretches of at least ``least``."""
    found: set[int] = set()
    start = lag
    for i in range(lag, len(words) + 1):
        if i < len(words) and words[i] == words[i - lag]:
            continue
        if i - start >= least:
            found |= set(range(start, i))
        start = i + 1
    return found


def zlib_ratio(answered: Answered) -> MetricValue:
    """Returns the bytes of the answer after zlib at level 9, divided by those before (UTF-8): low means repetitive.

    Short texts have more than 1, since the format itself takes 8 bytes and more: compare like lengths.
    """
    data = answered.answer.encode("utf-8", "replace")
    return defined_value(len(zlib.compress(data, 9)) / len(data)) if answered.answer.strip() else undefined_value(EMPTY)


def copy_share(answered: Answered) -> MetricValue:
    """Returns the share of the answer's words that also occur in the user's own text."""
    words, known = word_list(answered.answer), set(word_list(answered.prompt))
    return defined_value(sum(w in known for w in words) / len(words)) if words else undefined_value(EMPTY)


def _length(answered: Answered, count: int) -> MetricValue:
    return undefined_value(TRUNCATED) if answered.truncated else defined_value(count)
