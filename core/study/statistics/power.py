"""Sample-size rules for verdicts, and the smallest correlation that a number of prompts can detect.

Runs are no independent evidence: 1,000 runs of 10 prompts are 10 prompts. So the gate counts prompts, and for a yes/no
metric those in which each of the two occurs. Guarded by tests/core/test_statistics_power.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, stats

from ...errors import StudyError

PROMPTS = 30
OF_EACH = 10


@dataclass(frozen=True)
class SampleGate:
    """Whether a metric has enough prompts for a verdict; usable as a bool."""

    passed: bool
    prompts: int
    """Number of prompts with a value."""
    no: int | None
    """Number of prompts with a run of value 0; None for a metric that is not yes/no."""
    yes: int | None
    why: str
    """What is missing, as a sentence; "" if passed."""

    def __bool__(self) -> bool:
        return self.passed


def judge_sample(values: np.ndarray, prompts: np.ndarray) -> SampleGate:
    """Returns the gate of ``values`` [run] of the ``prompts`` int [run] (-1: none)."""
    known = np.isfinite(values) & (prompts >= 0)
    values, prompts = values[known], prompts[known]
    n = len(np.unique(prompts))
    if n < PROMPTS:
        return SampleGate(False, n, None, None, f"{_prompts(n)} with a value: a verdict needs {PROMPTS}.")
    if not np.isin(values, (0.0, 1.0)).all():
        return SampleGate(True, n, None, None, "")
    no, yes = (len(np.unique(prompts[values == v])) for v in (0.0, 1.0))
    short = min(no, yes) < OF_EACH
    why = f"{_prompts(yes)} with yes and {no} with no: a verdict needs {OF_EACH} of each." if short else ""
    return SampleGate(not short, n, no, yes, why)


def _prompts(n: int) -> str:
    return f"{n} prompt{'' if n == 1 else 's'}"


def smallest_rho(n: Any, alpha: float = 0.05, power: float = 0.8) -> Any:
    """Returns the smallest |Spearman rho| that ``n`` prompts detect with this power in a two-sided test at ``alpha``.

    Fisher's z: detected if above the quantile of its null distribution, variance 1.06 / (n - 3) (Fieller, Hartley and
    Pearson 1957), where it has variance (1 + rho^2 / 2) / (n - 3) (Bonett and Wright 2000). Without ties; a yes/no
    metric needs more. A float for a number, an array for several; NaN below 5 prompts. Raises StudyError.
    """
    if not (0 < alpha < 1 and 0 < power < 1):
        raise StudyError(f"alpha and power must lie between 0 and 1, not {alpha} and {power}.")
    counts = np.asarray(n, float)
    found = np.array([_smallest(c, stats.norm.isf(alpha / 2), stats.norm.ppf(power)) for c in counts.ravel()])
    return float(found[0]) if counts.ndim == 0 else found.reshape(counts.shape)


def _smallest(n: float, bar: float, reach: float) -> float:
    if not n >= 5:
        return np.nan

    def gap(rho: float) -> float:
        return float(np.arctanh(rho) - (bar * np.sqrt(1.06) + reach * np.sqrt(1 + rho**2 / 2)) / np.sqrt(n - 3))

    return float(optimize.brentq(gap, 0.0, 1 - 1e-12))
