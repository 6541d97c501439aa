"""How far the cells of attention maps vary over samples: their mean, with the two ends of an interval.

Guarded by tests/core/test_maps_intervals.py.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.stats import t as student

from ..records import MapSeries

IntervalKind = Literal["t", "percentile"]
LEAST_SAMPLES: dict[str, int] = {"t": 2, "percentile": 3}


def interval_of(
    series: MapSeries, level: float = 0.95, kind: IntervalKind = "t"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (mean, low, high), each float64 [row, column], over the points of ``series`` taken as samples.

    ``kind="t"``: the interval that covers the *mean* of all samples to come with probability ``level``, if samples are
    independent and about normal: mean ± t(n - 1) · s / √n (Student 1908). ``kind="percentile"``: where the middle
    ``level`` of the *samples* lies; it does not narrow with their number. Samples without a value (NaN) are left out of
    a cell; a cell with too few (2 for t, 3 for percentiles) has NaN ends. Raises ValueError where the series has too
    few samples, and for an unknown kind or a level not between 0 and 1.
    """
    if kind not in LEAST_SAMPLES:
        raise ValueError(f"kind must be one of {', '.join(LEAST_SAMPLES)}, not {kind!r}.")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, such as 0.95, not {level!r}.")
    values = series.values.astype(float)
    least, samples = LEAST_SAMPLES[kind], len(values)
    if samples < least:
        found = f"there {'is' if samples == 1 else 'are'} {samples}"
        raise ValueError(f"An interval by {kind} needs at least {least} samples, and {found}: add more.")
    count = np.isfinite(values).sum(0)
    filled = np.where(np.isfinite(values), values, 0.0)
    mean = np.where(count > 0, filled.sum(0) / np.maximum(count, 1), np.nan)
    ends = _t_ends(values, mean, count, level) if kind == "t" else _middle(values, level)
    low, high = (np.where(count >= least, end, np.nan) for end in ends)
    return mean, low, high


def _t_ends(values: np.ndarray, mean: np.ndarray, count: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ends of the t interval of each cell's mean."""
    freedom = np.maximum(count - 1, 1)
    spread = np.sqrt(np.nansum((values - mean) ** 2, 0) / freedom)
    half = student.ppf((1 + level) / 2, freedom) * spread / np.sqrt(np.maximum(count, 1))
    return mean - half, mean + half


def _middle(values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the percentiles between which the middle ``level`` of each cell's samples lies."""
    empty = ~np.isfinite(values).any(0)
    filled = np.where(empty, 0.0, np.where(np.isfinite(values), values, np.nan))
    low, high = np.nanquantile(filled, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
