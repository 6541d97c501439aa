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
class Value:
    """``value`` is None exactly where ``why`` says why it is undefined."""

    value: float | None
    why: str = ""


def defined(value: float) -> Value:
    """A value; NaN and infinity count as undefined."""
    return Value(float(value)) if math.isfinite(value) else Value(None, "it is no finite number")


def undefined(why: str) -> Value:
    """No value, with the reason as half a sentence."""
    return Value(None, why)
