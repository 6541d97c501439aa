"""Tests means of paired differences: interval and p-value, for many columns at once.

One row is one prompt, the cluster: whatever was done several times with a prompt has been averaged before. So prompts
are resampled, never runs, and under the null hypothesis the two labels of a prompt are exchangeable, which flips the
sign of its difference. Not a t-test: scores are shares and yes / no, with many ties. Formulas:

- interval: bootstrap over prompts, percentiles widened by the t-quantile (Hesterberg 2015, "expanded percentile"),
  since plain percentiles are too narrow for some 20 prompts. Where every score is 0 or 1: adjusted Wald interval for
  matched pairs (Agresti and Min 2005, half a count in each cell): a bootstrap of zeros would have no width.
- p: sign flips, two-sided, (1 + as extreme) / (1 + flips); all 2^n where these are fewer. For 0 / 1 scores this is
  McNemar's exact test.

Guarded by tests/core/test_statistics_paired_differences.py (coverage, size of the test, equality with McNemar and
enumeration).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

FLIPS = 9999
"""Random sign flips: the smallest p is 1e-4, small enough to survive a family of some hundred comparisons."""

RESAMPLES = 1999


@dataclass(frozen=True, eq=False)
class MeanTest:
    """Test results, each float64 [column]; NaN with too few prompts (none; fewer than two for an interval)."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    n: np.ndarray
    """Number of prompts with a value."""


def mean_tests(
    differences: np.ndarray,
    *,
    binary: np.ndarray | None = None,
    flips: int = FLIPS,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
) -> MeanTest:
    """Returns mean, interval and sign-flip p of each column of ``differences`` [prompt, column]; NaN = undefined there.

    ``binary`` bool [column]: the scores behind the differences are all 0 or 1 (one per prompt).
    """
    d = np.asarray(differences, float)
    seen = np.isfinite(d)
    n, filled = seen.sum(0), np.where(seen, d, 0.0)
    mean = np.divide(filled.sum(0), n, out=np.full(d.shape[1], np.nan), where=n > 0)
    low, high = bootstrap_interval(d, resamples=resamples, level=level, seed=seed)
    if binary is not None and np.any(binary):
        a, b = matched_interval(filled[:, binary], n[binary], level)
        low[binary], high[binary] = a, b
    p = np.where(n > 0, flipped_p(filled, flips, seed), np.nan)
    return MeanTest(mean, low, high, p, n)


def bootstrap_interval(
    values: np.ndarray, *, resamples: int = RESAMPLES, level: float = 0.95, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (low, high), each [column], of the mean over prompts of ``values`` [prompt, column]; NaN below two."""
    seen = np.isfinite(values)
    n = seen.sum(0)
    low, high = np.full(values.shape[1], np.nan), np.full(values.shape[1], np.nan)
    able = np.flatnonzero(n > 1)
    if not able.size or resamples < 1:
        return low, high
    counts = draw_prompts(len(values), resamples, seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (counts @ np.where(seen, values, 0.0)[:, able]) / (counts @ seen[:, able].astype(float))
    for size in np.unique(n[able]):
        same = n[able] == size
        tail = expanded_tail(int(size), level)
        low[able[same]], high[able[same]] = np.nanquantile(means[:, same], (tail, 1 - tail), axis=0)
    return low, high


def expanded_tail(n: int, level: float = 0.95) -> float:
    """Returns the tail to cut off on each side so that percentiles of n values are as wide as a t-interval."""
    t = stats.t.ppf((1 + level) / 2, n - 1)
    return float(stats.norm.sf(t * np.sqrt(n / (n - 1))))


def matched_interval(d: np.ndarray, n: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Returns the adjusted Wald interval of each column of integers ``d`` [prompt, column], 0 where undefined."""
    z = stats.norm.ppf((1 + level) / 2)
    total, squares, more = d.sum(0), (d**2).sum(0) + 1.0, n + 2.0
    middle = total / more
    half = z * np.sqrt(np.maximum(squares - total**2 / more, 0)) / more
    bound = np.maximum(1.0, np.abs(d).max(0, initial=0.0))
    low, high = np.maximum(middle - half, -bound), np.minimum(middle + half, bound)
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


def flipped_p(d: np.ndarray, flips: int = FLIPS, seed: int = 0) -> np.ndarray:
    """Returns the two-sided sign-flip p of each column of ``d`` [prompt, column] (0 where undefined: no effect)."""
    observed, close = np.abs(d.sum(0)), 1e-9 * np.abs(d).sum(0)
    extreme, made = np.zeros(d.shape[1]), 0
    complete = 2 ** min(len(d), 40) <= flips
    for signs in _signs(len(d), 2 ** len(d) if complete else flips, complete, seed):
        extreme += (np.abs(signs @ d) >= observed - close).sum(0)
        made += len(signs)
    return extreme / made if complete else (1 + extreme) / (1 + made)


def share_interval(count: np.ndarray, n: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Returns Wilson's score interval of ``count`` successes among ``n``, each [column]; NaN where n is 0."""
    z, n = stats.norm.ppf((1 + level) / 2), np.where(n > 0, n, np.nan).astype(float)
    share = count / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


@lru_cache(maxsize=16)
def draw_prompts(n: int, resamples: int, seed: int) -> np.ndarray:
    """Returns float64 [resample, prompt]: how often each of n prompts was drawn, n draws with replacement."""
    counts = np.random.default_rng([seed, n]).multinomial(n, np.full(n, 1 / n), resamples).astype(float)
    counts.setflags(write=False)
    return counts


def _signs(n: int, count: int, complete: bool, seed: int) -> list[np.ndarray]:
    """Returns [flip, prompt] of -1 and 1 in blocks of at most some 30 MB: all 2^n, or ``count`` random ones."""
    if complete:
        return [1.0 - 2.0 * ((np.arange(count)[:, None] >> np.arange(n)) & 1)]
    block = max(1, 4_000_000 // max(n, 1))
    return [_random_signs(n, min(block, count - at), seed, at) for at in range(0, count, block)]


@lru_cache(maxsize=4)
def _random_signs(n: int, count: int, seed: int, at: int) -> np.ndarray:
    signs = np.random.default_rng([seed, n, at]).choice((-1.0, 1.0), (count, n))
    signs.setflags(write=False)
    return signs
