"""Computes the q-values of a family of tests.

q is Benjamini and Hochberg's (1995) adjusted p over every requested pair that could be tested. Pairs that are linked by
construction are left out by the caller: they would come out significant whatever the model does, and would make room
for others.

Guarded by tests/core/test_statistics_multiple_testing.py.
"""

from __future__ import annotations

import numpy as np
from scipy import stats


def q_values(p: np.ndarray, family: np.ndarray | None = None) -> np.ndarray:
    """Returns Benjamini-Hochberg q with the shape of ``p``; NaN outside ``family`` (bool, default all) and for NaN."""
    p = np.asarray(p, float)
    inside = np.isfinite(p) if family is None else np.isfinite(p) & family
    q = np.full(p.shape, np.nan)
    if inside.any():
        q[inside] = stats.false_discovery_control(p[inside], method="bh")
    return q
