"""Were the instructions of the prompt followed: all of them, and what share of them (core.quality.instructions).

A verdict that the rest of a stopped answer could not change counts; where one is open, the share is undefined, and
so is "all", unless another instruction has already failed. Guarded by tests/core/test_quality_metrics.py.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from core.quality.value import Value, defined, undefined
from core.records import Answered

NONE = "no instruction that can be verified is known"


def followed(answered: Answered) -> Value:
    """1 where every instruction was followed, read strictly."""
    verdicts = _verdicts(answered)
    if not verdicts:
        return undefined(NONE)
    if any(v.strict is False for v in verdicts):
        return defined(0)
    return _open(verdicts, [v.strict for v in verdicts]) or defined(1)


def strict_share(answered: Answered) -> Value:
    """Share of the instructions that were followed, read strictly."""
    return _share(answered, "strict")


def loose_share(answered: Answered) -> Value:
    """As ``strict_share``, where the answer may also pass without its first or last line or its asterisks."""
    return _share(answered, "loose")


def _share(answered: Answered, mode: str) -> Value:
    verdicts = _verdicts(answered)
    if not verdicts:
        return undefined(NONE)
    seen = [getattr(v, mode) for v in verdicts]
    return _open(verdicts, seen) or defined(sum(map(bool, seen)) / len(seen))


@lru_cache(maxsize=4)
def _verdicts(answered: Answered) -> list[Any]:
    """Verdicts of this very record, which three metrics ask for one after another."""
    if not answered.instructions:
        return []
    from core.quality.instructions import verdicts

    return list(verdicts(answered))


def _open(verdicts: list[Any], seen: list[bool | None]) -> Value | None:
    """Undefined with the first reason, where a verdict is open."""
    reasons = [v.why or "an instruction has no verdict" for v, s in zip(verdicts, seen, strict=True) if s is None]
    return undefined(reasons[0]) if reasons else None
