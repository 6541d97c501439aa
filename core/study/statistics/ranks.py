"""Computes ranks, also of bootstrap samples of prompts, as columns whose inner products are correlations.

Spearman's rho is the correlation of midranks. Here each column of ranks is centred and scaled to length 1 once, so that
all features against all metrics are one matrix product, and a permutation only reorders rows. A bootstrap sample is
given by how often each observation was drawn: midranks follow from cumulated counts, without sorting again. Ranks of
the *resample* are taken, not those of the whole sample; otherwise intervals come out too narrow.

With controls it is a partial Spearman correlation: ranks minus their fit on curves of the controls' ranks (cubic
splines, ``control_curves``). A straight line, as in the textbook's partial rank correlation, fails where the relation
bends: if feature and metric are both large for short and for long prompts, it holds nothing fixed. Within prompts,
ranks of the differences are centred by prompt once more, so that the mean over permutations is zero.

Guarded by tests/core/test_statistics_ranks.py (equal to scipy's spearmanr, also on repeated rows).
"""

from __future__ import annotations

import numpy as np
from scipy import stats

TINY = 1e-9
"""Relative to the length of a column: shorter ones after centring count as constant."""


def midranks(values: np.ndarray) -> np.ndarray:
    """Returns the midranks of each column of ``values`` [n, D]; ties share their mean rank (scipy)."""
    return np.asarray(stats.rankdata(values, axis=0)) if len(values) else values.astype(float)


def drawn_midranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns float64 [B, n, D]: midranks where observation i occurs ``counts[b, i]`` times in sample b."""
    out = np.empty((*counts.shape, values.shape[1]))
    below = np.zeros((len(counts), values.shape[0] + 1))
    for d in range(values.shape[1]):
        order = np.argsort(values[:, d], kind="stable")
        ordered = values[order, d]
        np.cumsum(counts[:, order], axis=1, out=below[:, 1:])
        first = np.searchsorted(ordered, values[:, d], "left")
        last = np.searchsorted(ordered, values[:, d], "right")
        out[:, :, d] = (below[:, first] + below[:, last] + 1) / 2
    return out


def curve_count(observations: int) -> int:
    """Returns how many curves of each control are fitted to so many observations: a line, a cubic, a spline."""
    return 1 if observations < FEW else 3 if observations < 2 * FEW else 6


FEW = 20
"""Observations below which a control is held fixed by a straight line only."""


def control_curves(ranks: np.ndarray, counts: np.ndarray, curves: int) -> np.ndarray:
    """Returns [B, n, C * curves]: the truncated power basis of a cubic spline of each control's ``ranks`` [B, n, C].

    Ranks are scaled to 0..1 first; the knots lie at the quarters. ``curves``: 1 (a line), 3 (no knot) or 6.
    """
    u = (ranks - 0.5) / np.maximum(counts.sum(1), 1)[:, None, None]
    basis = [u, u**2, u**3, *(np.maximum(u - knot, 0) ** 3 for knot in (0.25, 0.5, 0.75))]
    return np.concatenate(basis[:curves], axis=2)


def rank_scores(ranks: np.ndarray, counts: np.ndarray, controls: np.ndarray, within: np.ndarray | None) -> np.ndarray:
    """Returns scores [B, n, D] whose sum of ``counts`` x score x score is the correlation; NaN for a constant column.

    ``ranks`` [B, n, D], ``counts`` [B, n], ``controls`` [B, n, C] (C = 0: none), ``within`` int [n] (sorted): centre by
    these prompts, or None.
    """
    ranks, controls = _centre(ranks, counts, within), _centre(controls, counts, within)
    before = _length(ranks, counts)
    if controls.shape[2]:
        ranks = _residuals(ranks, counts, controls)
    after = _length(ranks, counts)
    scale = np.where(after > TINY * np.maximum(before, 1.0), after, np.nan)
    return ranks / scale[:, None, :]


def _length(ranks: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("bn,bnd,bnd->bd", counts, ranks, ranks))


def _centre(ranks: np.ndarray, counts: np.ndarray, within: np.ndarray | None) -> np.ndarray:
    if within is None:
        total = np.maximum(counts.sum(1), 1)[:, None]
        return ranks - (np.einsum("bn,bnd->bd", counts, ranks) / total)[:, None, :]
    first = np.flatnonzero(np.r_[True, np.diff(within) != 0])
    size = np.diff(np.r_[first, len(within)])
    return ranks - np.repeat(np.add.reduceat(ranks, first, axis=1) / size[:, None], size, axis=1)


def _residuals(ranks: np.ndarray, counts: np.ndarray, controls: np.ndarray) -> np.ndarray:
    """Returns least-squares residuals on the controls; repeated or constant ones change nothing (pseudo-inverse)."""
    length = _length(controls, counts)[:, None, :]
    z = np.divide(controls, length, out=np.zeros_like(controls), where=length > TINY * np.maximum(length.max(), 1.0))
    weighted = np.swapaxes(z * counts[:, :, None], 1, 2)
    inverse = np.linalg.pinv(weighted @ z, rcond=1e-8, hermitian=True)
    return ranks - z @ (inverse @ (weighted @ ranks))
