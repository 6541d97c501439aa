"""Metrics of instruction following: whether all instructions of the prompt were followed, and what share of them.

A verdict that the rest of a stopped answer could not change counts; where one is undecided, the share is undefined, and
so is "all", unless another instruction has already failed. The checks are in core.study.quality.instructions. Guarded
by tests/core/test_quality_metrics.py.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ...records import Answered
from .metric_value import MetricValue, defined_value, undefined_value

NONE = "no instruction that can be verified is known"


def followed(answered: Answered) -> MetricValue:
    """Returns 1 where every instruction was followed, by the strict check."""
    verdicts = _verdicts(answered)
    if not verdicts:
        return undefined_value(NONE)
    if any(v.strict is False for v in verdicts):
        return defined_value(0)
    return _open(verdicts, [v.strict for v in verdicts]) or defined_value(1)


def strict_share(answered: Answered) -> MetricValue:
    """Returns the share of the instructions that were followed, by the strict check."""
    return _share(answered, "strict")


def loose_share(answered: Answered) -> MetricValue:
    """Returns the share as ``strict_share``, with answers also tried without first or last line or asterisks."""
    return _share(answered, "loose")


def _share(answered: Answered, mode: str) -> MetricValue:
    verdicts = _verdicts(answered)
    if not verdicts:
        return undefined_value(NONE)
    seen = [getattr(v, mode) for v in verdicts]
    return _open(verdicts, seen) or defined_value(sum(map(bool, seen)) / len(seen))


@lru_cache(maxsize=4)
def _verdicts(answered: Answered) -> list[Any]:
    """Returns the verdicts of this record, cached for the three metrics that use them."""
    if not answered.instructions:
        return []
    from .instructions import verdicts

    return list(verdicts(answered))


def _open(verdicts: list[Any], seen: list[bool | None]) -> MetricValue | None:
    """Returns undefined with the first reason, where a verdict is undecided; else None."""
    reasons = [v.why or "an instruction has no verdict" for v, s in zip(verdicts, seen, strict=True) if s is None]
    return undefined_value(reasons[0]) if reasons else None
