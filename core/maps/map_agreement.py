"""How alike two attention maps are: rank correlation and cosine over the cells that both could read.

Guarded by tests/core/test_maps_map_agreement.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cosine
from scipy.stats import spearmanr

from ..records import AttentionMap


@dataclass(frozen=True)
class MapAgreement:
    """How alike two maps are; NaN where a measure is not defined, e.g. where one of them is constant."""

    spearman: float
    """Rank correlation over cells, -1 to 1."""
    cosine: float
    """Cosine of the angle between the two lists of cells, 0 to 1 for shares."""
    cells: int
    """Cells that both could read."""


def map_agreement(first: AttentionMap, second: AttentionMap) -> MapAgreement:
    """Returns Spearman's correlation and the cosine of two maps of one shape. Raises ValueError where shapes differ."""
    check_same_shape(first, second)
    both = first.readable & second.readable & np.isfinite(first.values) & np.isfinite(second.values)
    a, b = first.values[both].astype(float), second.values[both].astype(float)
    ranks = float(spearmanr(a, b).statistic) if len(a) > 1 and np.ptp(a) > 0 and np.ptp(b) > 0 else float("nan")
    angle = 1 - float(cosine(a, b)) if a.any() and b.any() else float("nan")
    return MapAgreement(ranks, angle, int(both.sum()))


def check_same_shape(first: AttentionMap, second: AttentionMap) -> None:
    """Raises ValueError where two maps do not have the same number of queries and keys."""
    if first.values.shape != second.values.shape:
        sizes = " and ".join(f"{a} x {b}" for a, b in (first.values.shape, second.values.shape))
        raise ValueError(f"Maps can be compared only if they have the same queries and keys; these have {sizes} cells.")
