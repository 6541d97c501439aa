"""Computes a grid of features x metrics: correlation, interval, p-value and heterogeneity of every pair.

Steps: divide the grid into blocks that share their runs (``grid_blocks``); Spearman by stratum, pooled; the cluster
bootstrap for the interval; permutations for p, more of them where p is small.

Interval: pooled z plus and minus its bootstrap standard error (with tau2, if there are strata) times a quantile
(``Pooled.reach``), turned back into a correlation. Where strata differ or controls are held, p is the larger one of the
permutations' and the interval's: permutations ask whether any stratum has a correlation, and strata that differ around
0 have some; and they take residuals to scatter alike everywhere, which those of ranks do not.
Coverage measured with 30, 60 and 120 prompts, planted 0 to 0.9, over 1,000 to 4,000 studies each:
normal columns 94.6 to 96.7 %, tails of t with 3 degrees of freedom 93.5 to 96.5 %, yes/no quality 94.4 to 95.9 % (91.4
to 92.8 % where the planted one is 0.9). Percentiles of the same samples do as well (93.6 to 97.4 %), but ignore tau2.
Bonett and Wright's formula (2000), without a bootstrap, goes from 88.7 % in long tails to 98.9 % for yes/no. Guarded by
tests/core/test_statistics_correlation.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from . import permutation, power
from .blocks import (
    GridBlock,
    PermutationTest,
    block_correlations,
    block_variances,
    draw_clusters,
    grid_blocks,
    resample_block,
)
from .observations import RunArrays
from .pooling import Pooled, fisher_z, pool_strata, z_to_correlation

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Effort:
    """Numbers of resamples and permutations; 0: no interval or no p."""

    permutations: int = 999
    resamples: int = 999
    seed: int = 0


@dataclass(eq=False)
class Grid:
    """Results for each feature and metric, each array [F, M]."""

    rho: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    n: np.ndarray
    strata: np.ndarray
    i2: np.ndarray
    tau: np.ndarray
    why: np.ndarray
    least_p: np.ndarray
    """The p of the interval where strata differ (tau2 above 0) or controls are held, else 0."""
    pieces: list[GridBlock] = field(default_factory=list)

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Grid:
        """Returns a grid of this shape with nothing computed."""
        rho, low, high, p, i2, tau = (np.full(shape, np.nan) for _ in range(6))
        n, strata = np.zeros(shape, int), np.zeros(shape, int)
        return cls(rho, low, high, p, n, strata, i2, tau, np.full(shape, "", object), np.zeros(shape))


def correlate_grid(
    runs: RunArrays,
    features: Sequence[int],
    metrics: Sequence[int],
    controls: Sequence[int],
    effort: Effort,
    family: np.ndarray,
) -> Grid:
    """Correlates the columns ``features`` x ``metrics`` of ``runs.values``.

    ``family`` bool [F, M]: the pairs that are tested together.
    """
    grid = Grid.empty((len(features), len(metrics)))
    grid.pieces = list(grid_blocks(runs, features, metrics, controls))
    rng = np.random.default_rng([effort.seed, 1])
    drawn = draw_clusters(runs.group, effort.resamples, rng) if effort.resamples else None
    for piece in grid.pieces:
        _describe(grid, piece, metrics)
        for block in piece.blocks(effort.resamples):
            _estimate(grid, block, drawn)
    if effort.permutations:
        _test(grid, runs, effort, family)
    return grid


def _describe(grid: Grid, piece: GridBlock, metrics: Sequence[int]) -> None:
    """Fills in the number of prompts, and the sample gate's reason for no verdict."""
    at = np.ix_(piece.features, piece.metrics)
    used = piece.rows.copy()
    if piece.parts:
        used &= np.isin(piece.runs.stratum, [s for s, _ in piece.parts])
    if piece.runs.estimand == "within":
        used &= np.isin(piece.runs.cluster, piece.cells.cluster)
    for m in piece.metrics:
        passed = power.judge_sample(np.where(used, piece.runs.values[:, metrics[m]], np.nan), piece.runs.cluster)
        grid.why[piece.features, m] = passed.why
    grid.n[at] = len(np.unique(piece.runs.cluster[used]))


def _estimate(grid: Grid, piece: GridBlock, drawn: np.ndarray | None) -> None:
    at = np.ix_(piece.features, piece.metrics)
    rho = block_correlations(piece)
    v = block_variances(piece, rho)
    grid.strata[at] = np.isfinite(v).sum(0)
    samples = None if drawn is None or not len(rho) else resample_block(piece, drawn)
    found = pool_strata(fisher_z(rho), v, samples)
    fine = np.isfinite(v).any(0)
    grid.rho[at] = np.where(fine, z_to_correlation(found.z), np.nan)
    controlled = piece.cells.values.shape[1] > piece.split
    grid.least_p[at] = np.where((found.tau2 > 0) | controlled, found.p(), 0.0)
    grid.tau[at], grid.i2[at] = np.where(fine, np.sqrt(found.tau2), np.nan), found.i2
    if samples is not None:
        low, high = pooled_interval(found)
        grid.low[at], grid.high[at] = np.where(fine, low, np.nan), np.where(fine, high, np.nan)
    grid.why[at] = np.where(~fine & (grid.why[at] == ""), why_constant(piece), grid.why[at])


def why_constant(piece: GridBlock) -> str:
    """Returns why a pair with enough prompts has no correlation."""
    if piece.runs.estimand == "within":
        return "The feature or the metric does not change within any prompt."
    return "The feature or the metric is the same for all prompts of a stratum."


def pooled_interval(found: Pooled) -> tuple[np.ndarray, np.ndarray]:
    """Returns (low, high) of the pooled correlation."""
    reach = found.reach(CONFIDENCE)
    return z_to_correlation(found.z - reach), z_to_correlation(found.z + reach)


def _test(grid: Grid, runs: RunArrays, effort: Effort, family: np.ndarray) -> None:
    """Fills ``grid.p``: tests all pairs that pass the gate, then the undecided ones with more permutations."""
    open_ = np.isfinite(grid.rho) & (grid.why == "")
    count, extreme, done = effort.permutations, np.zeros(grid.rho.shape, np.int64), np.zeros(grid.rho.shape, np.int64)
    asked, block = open_.copy(), runs.block
    rng = np.random.default_rng([effort.seed, 2])
    while asked.any():
        tests = _tests(grid.pieces, asked)
        fresh = count - int(done[asked].min())
        for part in permutation.chunk_sizes(fresh, len(block), 20_000_000):
            moves = permutation.draw_permutations(block, part, rng)
            for test, at in tests:
                extreme[at] += np.where(asked[at], test.exceeding(moves), 0)
        done[asked] = count
        asked = open_ & (done == count) & (extreme < permutation.FEW_EXTREME)
        more = permutation.next_count(count, int((open_ & family).sum()), int((asked & family).sum()))
        if more == count:
            break
        count = more
    grid.p = np.where(open_, np.maximum(permutation.p_value(extreme, done), grid.least_p), np.nan)


def _tests(cut: list[GridBlock], asked: np.ndarray) -> list[tuple[PermutationTest, tuple[np.ndarray, ...]]]:
    """Returns a test for each block that has pairs in ``asked``, and the pairs' indices in the grid."""
    found = []
    for piece in cut:
        here = asked[np.ix_(piece.features, piece.metrics)]
        f, m = np.flatnonzero(here.any(1)), np.flatnonzero(here.any(0))
        if len(f):
            found.append((PermutationTest(piece, f, m), np.ix_(piece.features[f], piece.metrics[m])))
    return found
