"""Defines ``Check``, one kind of instruction, and common ways to make one.

A check judges an answer in two ways. ``function`` decides whether a complete answer follows it. ``settled`` is for an
answer that was cut off by the token limit: True or False only where no further text could change the verdict, else
None. Most instructions count something that only grows, so one ``count_check`` makes both: "at least 3" that is met
stays met, "at most 3" that is passed stays failed. Guarded by tests/core/test_quality_instructions.py.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import regex

from ....text.timed_patterns import LARGEST_PATTERN, PATTERN_SECONDS, compile_bounded, within_time, written_out
from .patterns import SpanPatterns

Kwargs = Mapping[str, Any]
Follows = Callable[[str, Kwargs, str], bool]
Settled = Callable[[str, Kwargs, str], "bool | None"]
Count = Callable[[str, Kwargs], int]

RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "less than": operator.lt,
    "at least": operator.ge,
    "at most": operator.le,
    "exactly": operator.eq,
}


@dataclass(frozen=True)
class Check:
    """One kind of instruction."""

    label: str
    """Displayed name."""
    function: Follows
    """(answer, kwargs, prompt) -> whether this answer, which is not blank, follows it."""
    settled: Settled
    """(answer, kwargs, prompt) -> the verdict that no further text can change, or None."""
    needs: str = ""
    """What a verdict needs that a truncated answer lacks: "length" (all of it), "end" (its last words) or ""."""
    params: tuple[tuple[str, str], ...] = ()
    """(name, kind) of its kwargs; the kinds are in ``core.study.quality.instructions.check_settings``."""
    goes_with_length: bool = False
    """Whether following it is decided by the length of the answer, or goes with that by construction."""
    asked_as: SpanPatterns | tuple[str, ...] = ()
    """The words with which a prompt asks for it: regular expressions, the surest first, or SpanPatterns where they
    depend on its kwargs."""


def count_check(
    label: str,
    count: Count,
    relation: str,
    number: str,
    certain: Count | None = None,
    params: tuple[tuple[str, str], ...] = (),
    goes_with_length: bool = False,
    asked_as: SpanPatterns | tuple[str, ...] = (),
) -> Check:
    """Makes a check that compares a count with a number.

    ``relation`` is one of RELATIONS, or the name of the kwarg that holds one; ``number`` is the name of the kwarg.
    ``certain`` counts what further text cannot take away, where that is less than ``count``.
    """
    sure = certain or count

    def of(kwargs: Kwargs) -> str:
        return relation if relation in RELATIONS else str(kwargs[relation])

    def function(answer: str, kwargs: Kwargs, prompt: str) -> bool:
        return RELATIONS[of(kwargs)](count(answer, kwargs), int(kwargs[number]))

    def settled(answer: str, kwargs: Kwargs, prompt: str) -> bool | None:
        return growing_count(sure(answer, kwargs), of(kwargs), int(kwargs[number]))

    own = ((number, "count"),) if relation in RELATIONS else ((relation, "bound"), (number, "count"))
    return Check(label, function, settled, "length", params or own, goes_with_length, asked_as)


def growing_count(count: int, relation: str, number: int) -> bool | None:
    """Returns the verdict on a count that can only grow, or None where it is not settled."""
    if relation == "at least":
        return True if count >= number else None
    if relation == "less than":
        return False if count >= number else None
    return False if count > number else None


def until_broken(function: Follows) -> Settled:
    """Makes ``settled`` for what holds until it is broken: only a violation is settled."""
    return lambda answer, kwargs, prompt: None if function(answer, kwargs, prompt) else False


def once_there(function: Follows) -> Settled:
    """Makes ``settled`` for what must occur once: only its occurrence is settled."""
    return lambda answer, kwargs, prompt: True if function(answer, kwargs, prompt) else None


def only_at_end(answer: str, kwargs: Kwargs, prompt: str) -> None:
    """The ``settled`` of what only the end of the answer can decide: always None."""
    return


@dataclass(frozen=True)
class KeywordPattern:
    """A keyword as IFEval reads it: a regular expression, which may take PATTERN_SECONDS on one answer."""

    text: str
    known: Any
    """Compiled by ``re``, as IFEval does; by ``regex``, which has a time limit, where it holds a repetition or a
    choice, without which no search takes long."""

    def search(self, answer: str) -> bool:
        """Returns whether it occurs in ``answer``. Raises PromptError where that takes too long."""
        with within_time(self.text):
            return self.known.search(answer, **self._limit()) is not None

    def count(self, answer: str) -> int:
        """Returns how often it occurs in ``answer``. Raises PromptError where that takes too long."""
        with within_time(self.text):
            return sum(1 for _ in self.known.finditer(answer, **self._limit()))

    def pieces(self, answer: str) -> list[str]:
        """Returns ``answer`` split where it occurs. Raises PromptError where that takes too long."""
        with within_time(self.text):
            return list(self.known.split(answer, **self._limit()))

    def _limit(self) -> dict[str, float]:
        return {} if isinstance(self.known, re.Pattern) else {"timeout": PATTERN_SECONDS}


@lru_cache(maxsize=1024)
def keyword_pattern(text: str, before: str = "", after: str = "", flags: int = re.IGNORECASE) -> KeywordPattern:
    """Compiles ``text`` as a regular expression, as IFEval reads keywords; literally where it is none, as in ``:(``.

    Raises PromptError for a pattern that would be too large.
    """
    if not any(sign in text for sign in "*+?{|"):
        return KeywordPattern(text, _compiled(text, before, after, flags))
    if written_out(text) <= LARGEST_PATTERN:
        try:
            re.compile(before + text + after, flags)  # what IFEval takes for a pattern
        except (re.error, OverflowError, RecursionError):
            return KeywordPattern(text, re.compile(before + re.escape(text) + after, flags))
    multiline = regex.MULTILINE if flags & re.MULTILINE else 0
    kept = multiline | (regex.IGNORECASE if flags & re.IGNORECASE else 0)
    return KeywordPattern(text, compile_bounded(before + text + after, kept))


def _compiled(text: str, before: str, after: str, flags: int) -> re.Pattern[str]:
    try:
        return re.compile(before + text + after, flags)
    except (re.error, OverflowError, RecursionError):
        return re.compile(before + re.escape(text) + after, flags)
