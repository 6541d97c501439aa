"""The result of one metric: a number, or the reason why it is undefined. Undefined is never 0.

Guarded by tests/core/test_quality_metrics.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

TRUNCATED = "the answer was stopped by the token limit"
NO_REFERENCE = "there is no reference"
EMPTY = "the answer is empty"
UNRATED = "nobody has rated it"


@dataclass(frozen=True)
class MetricValue:
    """A metric's result: ``value`` is None exactly where ``why`` gives the reason."""

    value: float | None
    why: str = ""


def defined_value(value: float) -> MetricValue:
    """Makes a value; NaN and infinity become undefined."""
    return MetricValue(float(value)) if math.isfinite(value) else MetricValue(None, "it is no finite number")


def undefined_value(why: str) -> MetricValue:
    """Makes an undefined value, with the reason as half a sentence."""
    return MetricValue(None, why)
