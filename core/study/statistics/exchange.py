"""Tests whether a value changes with an ordered condition by exchanging the conditions' labels within each prompt.

Every prompt was run under several conditions with a score each (the logarithm of a dose). Under the null its values
could have come in any order, so labels are exchanged inside a prompt, never between prompts; undefined values stay
where they are. Two statistics: the mean over prompts of the covariance of value and score, two-sided, which sees a
rise or a fall; and how far the conditions' means lie apart (the sum over conditions of n x squared mean of the values
centred within their prompts, as Friedman's test does for ranks), which also sees an optimum in the middle.

p = (b + 1) / (m + 1), see ``permutation.p_value``; where fewer than FEW_EXTREME of the first permutations are as
extreme, ten times as many are drawn (Besag and Clifford 1991). ``scipy.stats.permutation_test`` exchanges two samples,
or pairs, not several labels within each of many prompts. Guarded by tests/core/test_statistics_exchange.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .permutation import FEW_EXTREME, chunk_sizes, p_value

ROUNDING = 1e-9
"""Relative: permutations whose statistic differs by less are as extreme as the observed one."""


@dataclass(frozen=True)
class ExchangeTest:
    """The result for one value."""

    prompts: int
    """Number of prompts with a value under two conditions or more."""
    covariance: float
    """Mean over these prompts of the covariance of value and score (divided by the number of conditions)."""
    p: float
    """Of the covariance, two-sided; NaN without prompts."""
    p_apart: float
    """Of the conditions' means lying apart, in whatever order."""


def exchange_labels(values: np.ndarray, scores: np.ndarray, *, permutations: int = 9999, seed: int = 0) -> ExchangeTest:
    """Returns the test of ``values`` float [prompt, condition] (NaN: undefined) against ``scores`` float [condition].

    ``permutations``: the most that are drawn; a tenth of them first.
    """
    known = np.isfinite(values)
    rows = known.sum(1) > 1
    values, known = values[rows], known[rows]
    if not len(values):
        return ExchangeTest(0, np.nan, np.nan, np.nan)
    count = known.sum(1, keepdims=True)
    centred = _centred(values, known)
    weights = _centred(np.broadcast_to(scores, values.shape), known) / count
    seen = np.maximum(known.sum(0), 1)

    def statistics(moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.abs(np.einsum("tnk,nk->t", moved, weights)), (moved.sum(1) ** 2 / seen).sum(1)

    own = np.array([float(s[0]) for s in statistics(centred[None])])
    bar = own - ROUNDING * np.array([float(np.abs(centred * weights).sum()), float((centred**2).sum())])
    rng = np.random.default_rng([seed, *values.shape])
    extreme, drawn = np.zeros(2), 0
    for wanted in (permutations // 10, permutations):
        for moved in _exchanged(centred, known, wanted - drawn, rng):
            extreme += [(s >= b).sum() for s, b in zip(statistics(moved), bar, strict=True)]
        drawn = max(drawn, wanted)
        if (extreme >= FEW_EXTREME).all():
            break
    p = p_value(extreme, drawn)
    return ExchangeTest(len(values), float((centred * weights).sum() / len(values)), float(p[0]), float(p[1]))


def _centred(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Returns values minus their prompt's mean over what is ``known``; 0 elsewhere."""
    held = np.where(known, values, 0.0)
    return np.where(known, held - held.sum(1, keepdims=True) / known.sum(1, keepdims=True), 0.0)


def _exchanged(
    centred: np.ndarray, known: np.ndarray, permutations: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yields float [some, prompt, condition]: the known values of each prompt in a random order."""
    packed = np.argsort(~known, axis=1, kind="stable")  # the places of known values, then the others
    whole = bool(known.all())
    for size in chunk_sizes(permutations, centred.size):
        keys = rng.random((size, *centred.shape))
        if not whole:
            keys[:, ~known] = np.inf
        drawn = np.take_along_axis(np.broadcast_to(centred, keys.shape), np.argsort(keys, axis=2), axis=2)
        if whole:
            yield drawn
        else:
            moved = np.empty_like(drawn)
            np.put_along_axis(moved, np.broadcast_to(packed, drawn.shape), drawn, axis=2)
            yield moved
