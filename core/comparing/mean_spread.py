"""Computes mean and spread over several runs per cell, and bootstrap intervals of the mean.

Runs come one by one (Welford 1962), so that memory does not grow with their number. The interval is the percentile
bootstrap of the mean (Efron 1979, scipy), from ``ENOUGH`` runs on: with fewer, resampling says little. Guarded by
tests/core/test_comparing_run_stability.py (every resample of ten runs, coverage).
"""

from __future__ import annotations

import numpy as np

ENOUGH = 10
"""Fewest runs for an interval."""
SAMPLES = 5000
CELLS_AT_ONCE = 1_000_000
"""Numbers that are resampled together: some 30 MB."""


class RunningMoments:
    """Running mean and standard deviation of arrays that come one by one, per cell over the values that are not NaN."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.count = np.zeros(shape, np.int64)
        self._mean, self._squares = np.zeros(shape), np.zeros(shape)

    def add(self, values: np.ndarray) -> None:
        """Adds one array; NaN counts as missing."""
        known = np.isfinite(values)
        self.count += known
        away = np.where(known, values - self._mean, 0.0)
        self._mean += away / np.maximum(self.count, 1)
        self._squares += np.where(known, away * (values - self._mean), 0.0)

    @property
    def mean(self) -> np.ndarray:
        """Mean of what was added; NaN where nothing was."""
        return np.where(self.count > 0, self._mean, np.nan)

    @property
    def spread(self) -> np.ndarray:
        """Standard deviation, ddof 1; NaN below two values."""
        return np.where(self.count > 1, np.sqrt(self._squares / np.maximum(self.count - 1, 1)), np.nan)


def mean_and_spread(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (mean, standard deviation with ddof 1) [...] over the first axis of ``values``, NaN left out."""
    moving = RunningMoments(values.shape[1:])
    for row in values:
        moving.add(row)
    return moving.mean, moving.spread


def mean_interval(values: np.ndarray, seed: int = 0, samples: int = SAMPLES) -> tuple[np.ndarray, np.ndarray]:
    """Returns (low, high) float64 [unit]: 95 % percentile bootstrap of the mean over the runs of ``values[run, unit]``.

    Runs that lack a word (NaN) are left out for it; NaN where fewer than ``ENOUGH`` remain. Words that stand in the
    same runs are resampled together.
    """
    from scipy.stats import bootstrap  # slow to import, and only wanted here

    low, high = np.full((2, values.shape[1]), np.nan)
    patterns, which = np.unique(np.isfinite(values), axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        mine = np.flatnonzero(which.ravel() == number)
        if pattern.sum() < ENOUGH:
            continue
        data = (values[pattern][:, mine],)
        batch = max(1, CELLS_AT_ONCE // data[0].size)
        found = bootstrap(data, np.mean, axis=0, n_resamples=samples, batch=batch, method="percentile", rng=seed)
        low[mine], high[mine] = found.confidence_interval
    return low, high
