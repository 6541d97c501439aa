"""Estimates a mean from many cheap scores and a few trusted ones: prediction-powered inference.

Scores f of a judge exist for every row, trusted values y for some. The estimate is

    mean of y over the rated rows + lambda (mean of f over the unrated rows - mean of f over the rated rows)

and its interval is valid however wrong f is, since the rated rows show its error; a good f only makes it narrower
(Angelopoulos et al. 2023, Science 382, arXiv 2301.09633). lambda = cov(y, f) / ((1 + n / N) var(f)) makes the interval
as narrow as it can be, and never wider than that of the rated rows alone for many rows (PPI++, arXiv 2311.01453, with n
rated and N unrated rows). It takes rated rows that are a random sample of all. The standard error adds up the rows of a
cluster before squaring (Liang and Zeger 1986), also where a cluster has rated and unrated rows, and the interval takes
the t distribution with one less degree of freedom than there are rated clusters. The package ppi-python gives the same
estimate (up to degrees of freedom in lambda, which it cuts off at 1); it would bring numba and four more packages.
Guarded by tests/core/test_statistics_prediction_powered.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FEWEST_RATED = 10
"""Fewest clusters with a trusted value for an interval."""


@dataclass(frozen=True)
class PoweredMean:
    """A mean with its 95 % interval; NaN where there are too few trusted values."""

    estimate: float
    low: float
    high: float
    weight: float
    """lambda: how much of the cheap scores is taken; 0: nothing."""
    rated: int
    """Rows with both."""
    unrated: int
    """Rows with the cheap score alone."""
    rated_mean: float
    """Mean of the trusted values alone."""
    raw_mean: float
    """Mean of the cheap scores over all rows, uncorrected."""


def prediction_powered_mean(
    trusted: Sequence[float] | np.ndarray, cheap: Sequence[float] | np.ndarray, cluster: Sequence[Any] | np.ndarray
) -> PoweredMean:
    """Returns the mean of ``trusted`` over all rows, estimated with the help of ``cheap``.

    ``trusted`` float [row], NaN where there is none; ``cheap`` float [row], rows without it are left out; ``cluster``
    [row]: rows of one are not independent.
    """
    y, f = np.asarray(trusted, float), np.asarray(cheap, float)
    kept = np.isfinite(f)
    y, f = y[kept], f[kept]
    _, group = np.unique(np.asarray(cluster).astype(str)[kept], return_inverse=True)
    rated = np.isfinite(y)
    n, rest = int(rated.sum()), int((~rated).sum())
    raw = float(f.mean()) if len(f) else np.nan
    clusters = len(np.unique(group[rated]))
    own = float(y[rated].mean()) if n else np.nan
    if clusters < FEWEST_RATED:
        return PoweredMean(np.nan, np.nan, np.nan, 0.0, n, rest, own, raw)
    weight = _weight(y[rated], f[rated], f, rest)
    error = y[rated] - weight * f[rated]
    estimate = float(error.mean() + (weight * f[~rated].mean() if rest else 0.0))
    parts = np.zeros(len(f))
    parts[rated] = (error - error.mean()) / n
    if rest:
        parts[~rated] = weight * (f[~rated] - f[~rated].mean()) / rest
    sums = np.bincount(group, parts)
    spread = float(np.sqrt(clusters / (clusters - 1) * (sums**2).sum()))
    from scipy.stats import t

    half = float(t.ppf(0.975, clusters - 1)) * spread
    return PoweredMean(estimate, estimate - half, estimate + half, weight, n, rest, own, raw)


def _weight(y: np.ndarray, rated: np.ndarray, every: np.ndarray, rest: int) -> float:
    """Returns lambda of PPI++ for a mean; 0 where there is nothing to correct with."""
    spread = float(np.var(every))
    if not rest or spread < 1e-12:
        return 0.0
    together = float(np.cov(y, rated)[0, 1])
    return together / ((1 + len(y) / rest) * spread)
