"""What one kind of instruction is made of: a ``Check``, and the plain ways to make one.

A check has two readings of an answer. ``function`` says whether a whole answer follows it. ``settled`` is for an
answer that was cut off by the token limit: True or False only where no further text could change the verdict, else
None. Most instructions count something that only grows, so one ``counted`` makes both readings of them: "at least 3"
that is met stays met, "at most 3" that is passed stays failed. Guarded by tests/core/test_quality_instructions.py.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

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
    """What a person reads."""
    function: Follows
    """(answer, kwargs, prompt) -> whether this answer, which is not blank, follows it."""
    settled: Settled
    """(answer, kwargs, prompt) -> the verdict that no further text can change, or None."""
    needs: str = ""
    """What a verdict needs that a truncated answer has not: "length" (all of it), "end" (its last words) or ""."""
    params: tuple[tuple[str, str], ...] = ()
    """(name, kind) of its kwargs; the kinds are in ``core.study.quality.instructions.check_settings``."""
    goes_with_length: bool = False
    """Whether it is followed is decided by how long the answer is, or goes with that by construction."""
    asked_as: tuple[str, ...] = ()
    """Regular expressions for the words with which a prompt asks for it, the surest first; what SPAN_PATTERNS says
    goes before."""


def count_check(
    label: str,
    count: Count,
    relation: str,
    number: str,
    certain: Count | None = None,
    params: tuple[tuple[str, str], ...] = (),
    goes_with_length: bool = False,
) -> Check:
    """A check that compares a count with a number.

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
    return Check(label, function, settled, "length", params or own, goes_with_length)


def growing_count(count: int, relation: str, number: int) -> bool | None:
    """The verdict on a count that can only grow, where it is settled."""
    if relation == "at least":
        return True if count >= number else None
    if relation == "less than":
        return False if count >= number else None
    return False if count > number else None


def until_broken(function: Follows) -> Settled:
    """For what holds until it is broken: a break is settled, holding so far is not."""
    return lambda answer, kwargs, prompt: None if function(answer, kwargs, prompt) else False


def once_there(function: Follows) -> Settled:
    """For what has to come once: there is settled, not yet there is not."""
    return lambda answer, kwargs, prompt: True if function(answer, kwargs, prompt) else None


def only_at_end(answer: str, kwargs: Kwargs, prompt: str) -> None:
    """For what only the end can tell."""
    return


@lru_cache(maxsize=1024)
def keyword_pattern(text: str, before: str = "", after: str = "", flags: int = re.IGNORECASE) -> re.Pattern[str]:
    """``text`` as a regular expression, as IFEval reads keywords; word by word where it is none, as in ``:(``."""
    try:
        return re.compile(before + text + after, flags)
    except re.error:
        return re.compile(before + re.escape(text) + after, flags)
