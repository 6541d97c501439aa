"""Were the instructions of the prompt followed: all of them, and what share of them (core.study.quality.instructions).

A verdict that the rest of a stopped answer could not change counts; where one is open, the share is undefined, and
so is "all", unless another instruction has already failed. Guarded by tests/core/test_quality_metrics.py.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ...records import Answered
from .metric_value import MetricValue, defined_value, undefined_value

NONE = "no instruction that can be verified is known"


def followed(answered: Answered) -> MetricValue:
    """1 where every instruction was followed, read strictly."""
    verdicts = _verdicts(answered)
    if not verdicts:
        return undefined_value(NONE)
    if any(v.strict is False for v in verdicts):
        return defined_value(0)
    return _open(verdicts, [v.strict for v in verdicts]) or defined_value(1)


def strict_share(answered: Answered) -> MetricValue:
    """Share of the instructions that were followed, read strictly."""
    return _share(answered, "strict")


def loose_share(answered: Answered) -> MetricValue:
    """As ``strict_share``, where the answer may also pass without its first or last line or its asterisks."""
    return _share(answered, "loose")


def _share(answered: Answered, mode: str) -> MetricValue:
    verdicts = _verdicts(answered)
    if not verdicts:
        return undefined_value(NONE)
    seen = [getattr(v, mode) for v in verdicts]
    return _open(verdicts, seen) or defined_value(sum(map(bool, seen)) / len(seen))


@lru_cache(maxsize=4)
def _verdicts(answered: Answered) -> list[Any]:
    """Verdicts of this very record, which three metrics ask for one after another."""
    if not answered.instructions:
        return []
    from .instructions import verdicts

    return list(verdicts(answered))


def _open(verdicts: list[Any], seen: list[bool | None]) -> MetricValue | None:
    """Undefined with the first reason, where a verdict is open."""
    reasons = [v.why or "an instruction has no verdict" for v, s in zip(verdicts, seen, strict=True) if s is None]
    return undefined_value(reasons[0]) if reasons else None
