"""Computes correlations for one block of the grid: the pairs of features and metrics that have the same runs.

Pairs differ in which runs they are defined for (a metric may be undefined for truncated answers, a segment may not
exist in a task), and every pair is taken over its own complete runs. Columns that are missing in the same runs are
processed together: ranks once, then one matrix product for all their pairs, also for each permutation and resample.

``block_correlations`` gives the correlation by stratum, ``PermutationTest.exceeding`` how many permutations are as
extreme, ``resample_block`` Fisher's z by stratum in each bootstrap sample. The statistic of a permutation is |mean z| /
sqrt(its variance with tau2): with one stratum that orders as |rho| does; with several it takes heterogeneity into
account as the interval does. Its weights are those of ``pool_strata`` before tau2, so that it needs two sums over the
strata only. Guarded by tests/core/test_statistics_correlation.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from . import permutation
from .observations import Observations, RunArrays, select_observations
from .pooling import fisher_variance, fisher_z
from .ranks import control_curves, curve_count, drawn_midranks, midranks, rank_scores

FEWEST_PROMPTS = 5
"""Fewest prompts of a stratum that counts: with 4, Fisher's z has a variance of 1 and more."""


RESAMPLED_AT_ONCE = 24_000_000
"""Most correlations of resamples that are held at a time: 192 MB. The metrics are ranked anew for each such part."""
RARE = 10
"""Prompts of each kind that the bootstrap needs; the same number as the sample gate's."""


@dataclass(frozen=True, eq=False)
class GridBlock:
    """One block of the grid: f features x m metrics over the same runs, C controls, k strata with enough prompts."""

    runs: RunArrays
    features: np.ndarray
    """int [f]: their indices in the grid."""
    metrics: np.ndarray
    """int [m]"""
    cells: Observations
    """Columns: features, metrics, controls."""
    parts: tuple[tuple[int, slice], ...]
    """[k] (stratum, its observations)."""
    rows: np.ndarray
    """bool [R]: the runs."""

    @property
    def split(self) -> int:
        """Number of columns before the controls: features and metrics."""
        return len(self.features) + len(self.metrics)

    def at(self, part: slice) -> np.ndarray:
        """Returns the values of the observations in ``part``."""
        return self.cells.values[part]

    def within(self, part: slice) -> np.ndarray | None:
        """Returns the prompts of the observations in ``part``; None for the question between prompts."""
        return self.cells.cluster[part] if self.runs.estimand == "within" else None

    def blocks(self, resamples: int) -> Iterator[GridBlock]:
        """Yields the block with some of its features at a time, so that resampling them fits into memory."""
        width = resamples * max(len(self.parts), 1) * len(self.metrics)
        start, rest = 0, np.arange(len(self.features), self.cells.values.shape[1])
        for count in permutation.chunk_sizes(len(self.features), width, RESAMPLED_AT_ONCE):
            some = np.arange(start, start + count)
            cells = replace(self.cells, values=self.cells.values[:, np.r_[some, rest]])
            yield replace(self, features=self.features[some], cells=cells)
            start += count

    def free(self) -> np.ndarray:
        """Returns float64 [k]: independent pairs behind each stratum's rho (prompts, or changes within prompts)."""
        found = []
        for _, part in self.parts:
            count = part.stop - part.start
            curves = curve_count(count)
            held = sum(min(curves, len(np.unique(c)) - 1) for c in self.at(part)[:, self.split :].T)
            if self.runs.estimand == "within":
                count = count - len(np.unique(self.cells.cluster[part])) + 1
            found.append(max(count - held, 0))
        return np.array(found, float)


def grid_blocks(
    runs: RunArrays, features: Sequence[int], metrics: Sequence[int], controls: Sequence[int]
) -> Iterator[GridBlock]:
    """Yields the grid ``features`` x ``metrics`` (columns of ``runs.values``) in blocks with the same complete runs."""
    known = np.isfinite(runs.values)
    base = known[:, list(controls)].all(1)
    for f in _alike(known[:, list(features)]):
        for m in _alike(known[:, list(metrics)]):
            names = np.array([*np.take(features, f), *np.take(metrics, m), *controls], int)
            rows = base & known[:, features[f[0]]] & known[:, metrics[m[0]]]
            cells = select_observations(runs, rows, names)
            yield GridBlock(runs, f, m, cells, tuple(p for p in cells.parts() if _enough(cells, p[1])), rows)


def _alike(known: np.ndarray) -> list[np.ndarray]:
    """Groups columns that are known in the same rows; returns the indices of each group."""
    groups: dict[bytes, list[int]] = {}
    for i in range(known.shape[1]):
        groups.setdefault(np.packbits(known[:, i]).tobytes(), []).append(i)
    return [np.array(g) for g in groups.values()]


def _enough(cells: Observations, part: slice) -> bool:
    return len(np.unique(cells.cluster[part])) >= FEWEST_PROMPTS


def _sides(piece: GridBlock, part: slice, counts: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Returns scores [B, n, f] and [B, n, m] of a stratum; B = 1 for the sample itself."""
    values = piece.at(part)
    if counts is None:
        counts, ranks = np.ones((1, len(values))), midranks(values)[None]
    else:
        ranks = drawn_midranks(values, counts)
    controls = control_curves(ranks[..., piece.split :], counts, curve_count(len(values)))
    found = rank_scores(ranks[..., : piece.split], counts, controls, piece.within(part))
    return found[..., : len(piece.features)], found[..., len(piece.features) :]


def block_correlations(piece: GridBlock) -> np.ndarray:
    """Returns float64 [k, f, m]: Spearman by stratum; NaN where a column is constant."""
    found = np.empty((len(piece.parts), len(piece.features), len(piece.metrics)))
    for k, (_, part) in enumerate(piece.parts):
        x, y = _sides(piece, part)
        found[k] = x[0].T @ y[0]
    return np.clip(found, -1, 1)


def block_variances(piece: GridBlock, rho: np.ndarray) -> np.ndarray:
    """Returns float64 [k, f, m]: the variance of each stratum's z; infinite where there is no correlation."""
    v = fisher_variance(piece.free())[:, None, None]
    return np.where(np.isfinite(rho), v, np.inf)


class PermutationTest:
    """The permutation test of some pairs of a block: ``f`` and ``m`` are indices in it."""

    def __init__(self, piece: GridBlock, f: np.ndarray, m: np.ndarray) -> None:
        self.piece, self.f, self.m = piece, f, m
        sides = [_sides(piece, part) for _, part in piece.parts]
        self.sides = [(np.nan_to_num(x[0][:, f]), np.nan_to_num(y[0][:, m])) for x, y in sides]
        v = block_variances(piece, block_correlations(piece))[:, f][:, :, m]
        self.w = np.where(np.isfinite(v), 1 / v, 0.0)
        self.units = [piece.cells.unit[part] for _, part in piece.parts]
        self.observed = self.statistic([(x.T @ y)[None] for x, y in self.sides])[0]

    def statistic(self, rho: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the statistic [B, f, m] from each stratum's ``rho`` [B, f, m]."""
        first, second = 0.0, 0.0
        for r, w in zip(rho, self.w, strict=True):
            z = fisher_z(r)
            first, second = first + w * z, second + w * z * z
        total, squares = self.w.sum(0), (self.w**2).sum(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            q = second - first * first / total
            tau2 = np.maximum(0, (q - ((self.w > 0).sum(0) - 1)) / (total - squares / total))
            tau2 = np.where((self.w > 0).sum(0) > 1, tau2, 0.0)
            return np.asarray(np.abs(first) / np.sqrt(total + tau2 * squares))

    def exceeding(self, moves: np.ndarray) -> np.ndarray:
        """Returns int [f, m]: how many of ``moves`` [count, U] are at least as extreme as the observed statistic."""
        bar = self.observed * (1 - 1e-9) - 1e-12
        found = np.zeros(self.observed.shape, np.int64)
        observations = sum(len(u) for u in self.units)
        width = max(observations * min(len(self.f), len(self.m)), len(self.f) * len(self.m) * len(self.units), 1)
        start = 0
        for count in permutation.chunk_sizes(len(moves), width):
            batch = moves[start : start + count]
            rho = [
                self._moved(x, y, permutation.induced_permutations(batch, u))
                for (x, y), u in zip(self.sides, self.units, strict=True)
            ]
            found += (self.statistic(rho) >= bar).sum(0)
            start += count
        return found

    @staticmethod
    def _moved(x: np.ndarray, y: np.ndarray, to: np.ndarray) -> np.ndarray:
        """Returns [B, f, m]; the side with fewer columns is permuted, and all permutations are one matrix product."""
        flip = x.shape[1] < y.shape[1]
        one, other = (y, x) if flip else (x, y)
        moved = other[to.T]
        found = (one.T @ moved.reshape(len(one), -1)).reshape(one.shape[1], *moved.shape[1:])
        return np.asarray(found.transpose(1, 2, 0) if flip else found.transpose(1, 0, 2))


def resample_block(piece: GridBlock, drawn: np.ndarray) -> np.ndarray:
    """Returns float64 [B, k, f, m]: Fisher's z where prompt p was drawn ``drawn[b, p]`` times (B x P).

    A sample in which a column is constant has no correlation: it takes the mean of the others.
    """
    shape = (len(drawn), len(piece.parts), len(piece.features), len(piece.metrics))
    found = np.empty(shape)
    for k, (_, part) in enumerate(piece.parts):
        start, width = 0, (part.stop - part.start) * piece.cells.values.shape[1]
        for count in permutation.chunk_sizes(len(drawn), width):
            counts = drawn[start : start + count][:, piece.cells.cluster[part]].astype(float)
            x, y = _sides(piece, part, counts)
            found[start : start + count, k] = fisher_z(np.swapaxes(x * counts[:, :, None], 1, 2) @ y)
            start += count
    mean = np.empty(shape[1:])
    for k in range(shape[1]):  # in place, stratum by stratum: this is the largest array of the analysis
        z = found[:, k]
        known = np.isfinite(z)
        mean[k] = np.where(known, z, 0.0).sum(0) / np.maximum(known.sum(0), 1)
        np.copyto(z, mean[k], where=~known)
    return _widened(piece, found, mean)


def _widened(piece: GridBlock, z: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Widens samples to Fisher's z variance where fewer than RARE prompts of a stratum differ from the others.

    E.g. two right answers among 38: what was not drawn cannot be drawn again, and the bootstrap's interval is too
    narrow.
    """
    every = fisher_variance(piece.free())
    for k, (_, part) in enumerate(piece.parts):
        rare, least = _rare(piece.at(part)), every[k]
        pairs = rare[: len(piece.features), None] | rare[None, len(piece.features) : piece.split]
        if pairs.any() and np.isfinite(least):
            short = np.sqrt(np.maximum(1, least / np.maximum(z[:, k].var(axis=0, ddof=1), 1e-12)))
            z[:, k] = np.where(pairs, mean[k] + (z[:, k] - mean[k]) * short, z[:, k])
    return z


def _rare(values: np.ndarray) -> np.ndarray:
    """Returns bool [D]: whether all but fewer than RARE values of the column are the same."""
    common = np.array([np.unique(column, return_counts=True)[1].max() for column in values.T])
    return (len(values) > RARE) & (common > len(values) - RARE)


def draw_clusters(group: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Returns int [count, P]: how often each prompt is drawn; each group of prompts (a task) keeps its size."""
    found = np.zeros((count, len(group)), np.int32)
    for g in np.unique(group):
        here = np.flatnonzero(group == g)
        which = rng.integers(len(here), size=(count, len(here))) + np.arange(count)[:, None] * len(here)
        found[:, here] = np.bincount(which.ravel(), minlength=which.size).reshape(which.shape)
    return found
