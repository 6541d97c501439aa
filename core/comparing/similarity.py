"""Similarity measures of two lists of shares: seven, all symmetric.

Rank correlations and the Jensen-Shannon distance are scipy's. It is imported when a measure is first used (most of a
second), so that opening Compare does not wait for it: callers that show no agreement pass ``agreement=False``.

Ties at the edge of a top k count by their part: three words that tie for the last place have a third of it each, and
two lists share the smaller part of each word, so that nothing depends on the order of the words. To add a measure: a
function and a line in ``SIMILARITY_MEASURES``. Guarded by tests/core/test_comparing_agreement.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Measure = Callable[[np.ndarray, np.ndarray], float]
TOPS = (3, 5, 10)


DIGITS = 12
"""Decimals kept, so that both orders of a pair give the same number: what lies beyond is the rounding of sums."""


def spearman_similarity(x: np.ndarray, y: np.ndarray) -> float:
    """Returns Spearman's rank correlation (Spearman 1904), -1 to 1; ties have the mean of their ranks."""
    from scipy.stats import spearmanr

    return round(float(spearmanr(x, y).statistic), DIGITS)


def kendall_similarity(x: np.ndarray, y: np.ndarray) -> float:
    """Returns Kendall's tau-b (Kendall 1945), which allows for ties, -1 to 1."""
    from scipy.stats import kendalltau

    return round(float(kendalltau(x, y).statistic), DIGITS)


def cosine_similarity(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the cosine of the angle between both lists, 0 to 1 for shares."""
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1, 1))


def jensen_shannon_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the Jensen-Shannon distance of both lists scaled to 1: 0 same, 1 disjoint.

    Endres and Schindelin 2003; base 2.
    """
    from scipy.spatial.distance import jensenshannon

    with np.errstate(invalid="ignore"):  # for lists that hardly differ the divergence may round to below 0
        distance = float(jensenshannon(x, y, base=2))
    return 0.0 if np.isnan(distance) else round(min(distance, 1.0), DIGITS)


def top_overlap(k: int) -> Measure:
    """Returns the measure "shared part of the ``k`` largest", 0 to 1."""

    def overlap(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.minimum(_member(x, k), _member(y, k)).sum() / k)

    return overlap


SIMILARITY_MEASURES: dict[str, Measure] = {
    "spearman": spearman_similarity,
    "kendall": kendall_similarity,
    "cosine": cosine_similarity,
    "jensen-shannon": jensen_shannon_distance,
    **{f"top-{k}": top_overlap(k) for k in TOPS},
}


def _member(x: np.ndarray, k: int) -> np.ndarray:
    """Returns float [unit]: how much each unit belongs to the ``k`` largest; ties at the edge share what is left."""
    edge = np.sort(x)[-k]
    above, level = x > edge, x == edge
    return above + level * (k - above.sum()) / level.sum()
