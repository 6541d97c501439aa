"""The result of one metric: a number, or why there is none. Undefined is never 0.

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
    """``value`` is None exactly where ``why`` says why it is undefined."""

    value: float | None
    why: str = ""


def defined_value(value: float) -> MetricValue:
    """A value; NaN and infinity count as undefined."""
    return MetricValue(float(value)) if math.isfinite(value) else MetricValue(None, "it is no finite number")


def undefined_value(why: str) -> MetricValue:
    """No value, with the reason as half a sentence."""
    return MetricValue(None, why)
