"""How alike two lists of shares are: seven measures, numpy only, every one symmetric to the last bit.

The same numbers as scipy's spearmanr, kendalltau and jensenshannon, which are the oracle of the test: importing
scipy.stats takes most of a second, which somebody who opens Compare would wait for. Kendall's pairs are counted bit by
bit of the ranks (a radix sort that counts its swaps), O(n log n) and no loop over words.

Ties at the edge of a top k count by their part: three words that tie for the last place have a third of it each, and
two lists share the smaller part of each word, so that nothing depends on the order of the words. To add a measure: a
function and a line in ``MEASURES``. Guarded by tests/core/test_compare_agreement.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Measure = Callable[[np.ndarray, np.ndarray], float]
TOPS = (3, 5, 10)


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Rank correlation (Spearman 1904), -1 to 1; ties have the mean of their ranks."""
    a, b = (r - r.mean() for r in map(_ranks, (x, y)))
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1, 1))


def kendall(x: np.ndarray, y: np.ndarray) -> float:
    """Kendall's tau-b (Kendall 1945), which allows for ties, -1 to 1."""
    a, b = (np.unique(v, return_inverse=True)[1] for v in (x, y))
    both = _tied(a * len(b) + b)
    pairs, tied_a, tied_b = len(a) * (len(a) - 1) // 2, _tied(a), _tied(b)
    turned = _inversions(b[np.lexsort((b, a))])
    more = pairs - tied_a - tied_b + both - 2 * turned  # pairs in the same order, less those in the other
    return float(np.clip(more / np.sqrt((pairs - tied_a) * (pairs - tied_b)), -1, 1))


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    """Cosine of the angle between both lists of shares, 0 to 1 for shares."""
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1, 1))


def jensen_shannon(x: np.ndarray, y: np.ndarray) -> float:
    """Jensen-Shannon distance (Endres and Schindelin 2003; base 2) of both lists scaled to 1: 0 same, 1 disjoint."""
    p, q = x / x.sum(), y / y.sum()
    middle = (p + q) / 2
    divergence = (_information(p, middle) + _information(q, middle)) / 2
    return float(np.sqrt(np.clip(divergence, 0, 1)))


def top(k: int) -> Measure:
    """Shared part of the ``k`` largest, 0 to 1."""

    def overlap(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.minimum(_member(x, k), _member(y, k)).sum() / k)

    return overlap


MEASURES: dict[str, Measure] = {
    "spearman": spearman,
    "kendall": kendall,
    "cosine": cosine,
    "jensen-shannon": jensen_shannon,
    **{f"top-{k}": top(k) for k in TOPS},
}


def _ranks(x: np.ndarray) -> np.ndarray:
    """float [unit] from 1, ties at their mean."""
    _, place, count = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place]


def _tied(x: np.ndarray) -> int:
    """Pairs of equal numbers."""
    count = np.unique(x, return_counts=True)[1]
    return int((count * (count - 1) // 2).sum())


def _inversions(x: np.ndarray) -> int:
    """Pairs of whole numbers (0 and up) of which the larger one stands first."""
    total = 0
    for bit in range(int(x.max()).bit_length()):
        order = np.argsort(x >> (bit + 1), kind="stable")
        group, ones = (x >> (bit + 1))[order], (x[order] >> bit) & 1
        before = np.cumsum(ones) - ones
        at_start = before[np.searchsorted(group, group)]
        total += int((before - at_start)[ones == 0].sum())
    return total


def _information(p: np.ndarray, q: np.ndarray) -> float:
    """Kullback-Leibler divergence in bits; what ``p`` does not have adds nothing."""
    some = p > 0
    return float((p[some] * np.log2(p[some] / q[some])).sum())


def _member(x: np.ndarray, k: int) -> np.ndarray:
    """float [unit]: how much each unit belongs to the ``k`` largest; ties at the edge share what is left."""
    edge = np.sort(x)[-k]
    above, level = x > edge, x == edge
    return above + level * (k - above.sum()) / level.sum()
