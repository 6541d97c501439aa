"""Draws permutations of whole units, the same in all strata, and computes p-values from them.

Two models that answer the same prompts do not give two independent correlations, so prompts are moved jointly: one
permutation of a block's units serves all its strata. Where a unit has no observation in a stratum (a run failed, a
metric is undefined) one follows the permutation on until a unit that has one ("first return"): of a uniformly random
permutation that is again a uniformly random one of the units at hand, so each stratum's test stays exact, and units
that all strata share keep moving together.

p = (b + 1) / (m + 1) with b of m permutations at least as extreme (Phipson and Smyth 2010): never 0, and exact. A
family of 1,000 pairs needs a p of 5e-5 before one of them can be found, so pairs with b below ``FEW_EXTREME`` continue
with ten times as many permutations, while that could still decide anything. Stopping at b >= FEW_EXTREME keeps p valid
(Besag and Clifford 1991): a p below FEW_EXTREME / m can only come from a pair that continued. No tail is fitted: its
error is unknown.

Guarded by tests/core/test_statistics_permutation.py and by ``make calibrate``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

FEW_EXTREME = 10
LEAST_PERMUTATIONS, MANY_PERMUTATIONS = 9_999, 60
"""Least permutations of the pairs with b below FEW_EXTREME, unless there are more than MANY_PERMUTATIONS such pairs."""
MOST_PERMUTATIONS = 99_999
"""Most permutations of one pair."""
RESOLUTION = 40
"""Permutations for each pair of the family, so that a pair alone may reach q = 0.05 with room to spare (20 suffice)."""


def draw_permutations(block: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Returns int [count, U]: permutations of the U units, each inside its ``block`` int [U]."""
    keys = rng.random((count, len(block)))
    if not block.any():
        return np.argsort(keys, axis=1).astype(np.int32)
    order = np.argsort(block, kind="stable").astype(np.int32)
    found = np.empty((count, len(block)), np.int32)
    found[:, order] = order[np.argsort(keys + block[order], axis=1)]
    return found


def induced_permutations(moves: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Returns int [count, n]: for each of ``units`` [n] the index in it that ``moves`` [count, U] first returns to."""
    place = np.full(moves.shape[1], -1, np.int32)
    place[units] = np.arange(len(units))
    to = moves[:, units]
    if len(units) == moves.shape[1]:
        return np.asarray(place[to])
    row, column = np.nonzero(place[to] < 0)
    while len(row):
        to[row, column] = moves[row, to[row, column]]
        away = place[to[row, column]] < 0
        row, column = row[away], column[away]
    return np.asarray(place[to])


def chunk_sizes(count: int, width: int, limit: int = 2_000_000) -> Iterator[int]:
    """Divides ``count`` into parts, so that part x ``width`` numbers stay below ``limit``."""
    step = max(1, limit // max(width, 1))
    while count > 0:
        yield min(step, count)
        count -= step


def p_value(extreme: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    """Returns (extreme + 1) / (count + 1): the p-value of so many extreme among ``count`` permutations."""
    return (extreme + 1.0) / (np.asarray(count) + 1.0)


def next_count(count: int, pairs: int, undecided: int) -> int:
    """Returns how many permutations in all the ``undecided`` pairs of a family of ``pairs`` need; ``count``: enough.

    If all of them are real, Benjamini-Hochberg needs p <= q x undecided / pairs of the largest one only.
    """
    wanted = max(LEAST_PERMUTATIONS if undecided <= MANY_PERMUTATIONS else 0, RESOLUTION * pairs / max(undecided, 1))
    if not undecided or count >= MOST_PERMUTATIONS or count + 1 >= wanted:
        return count
    return min(MOST_PERMUTATIONS, 10 * (count + 1) - 1)
