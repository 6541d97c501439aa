"""Orders runs for inspection: by the feature, typical ones, extreme ones, or counter-examples.

Ranks and not values, so that one outlier does not decide; ranks are taken inside each stratum (task, model, structure)
like the correlations are, or the order would only list tasks. With ``u`` the rank of the feature (-1 .. 1, 0 the
middle) and ``v`` that of the metric, reversed where the correlation is negative:

    typical          near the middle of both: u² + v² is small
    extreme          far out, in line with the correlation: u + v is large, or very small
    counter-example  far out, against the correlation: u and v differ most

Guarded by tests/core/test_findings_run_ranking.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .record import STRATA

ORDERS = {
    "feature": "By the feature",
    "typical": "Typical",
    "extreme": "Extreme",
    "counter": "Counter-examples",
}
ORDER_DESCRIPTIONS = {
    "feature": "From the smallest value of the feature to the largest.",
    "typical": "Runs in the middle of both, within their task, model and structure, come first.",
    "extreme": "Runs far out in the way the correlation says come first.",
    "counter": "Runs far out the other way come first: high in one, low in the other.",
}


def order_runs(table: pd.DataFrame, feature: str, metric: str, rho: float, kind: str = "feature") -> list[str]:
    """Returns the cells of the runs that have both values, in the order ``kind`` (a key of ORDERS).

    ``rho``: the correlation; below 0 the metric's ranks are reversed. Raises ValueError for another ``kind``.
    """
    if kind not in ORDERS:
        raise ValueError(f"{kind!r} is no order: use one of {', '.join(ORDERS)}.")
    needed = list(dict.fromkeys(["cell", feature, metric, *(c for c in STRATA if c in table)]))
    there = table[needed].dropna(subset=[feature, metric])
    if kind == "feature":
        return list(there.sort_values([feature, "cell"], kind="stable")["cell"].astype(str))
    u, v = _ranks(there, feature), _ranks(there, metric) * (-1 if rho < 0 else 1)
    first = {"typical": -(u**2 + v**2), "extreme": np.abs(u + v), "counter": np.abs(u - v)}[kind]
    at = np.lexsort((there["cell"].astype(str).to_numpy(), -np.round(first, 12)))
    return list(there["cell"].astype(str).to_numpy()[at])


def _ranks(table: pd.DataFrame, column: str) -> np.ndarray:
    """Returns ranks -1 .. 1 inside each stratum, ties in the middle; 0 where a stratum has one value."""
    by = [c for c in STRATA if c in table]
    groups = table.groupby(by, sort=False, dropna=False)[column] if by else table[column].groupby(np.zeros(len(table)))
    rank, size = groups.rank(method="average").to_numpy(float), groups.transform("size").to_numpy(float)
    return np.divide(2 * (rank - 1), size - 1, out=np.ones(len(table)), where=size > 1) - 1


def neighbour_runs(cells: Sequence[str], cell: str) -> tuple[int, str, str]:
    """Returns (index of ``cell`` or -1, the one before, the one after); "" at the ends."""
    if cell not in cells:
        return -1, "", cells[0] if len(cells) else ""
    at = list(cells).index(cell)
    return at, cells[at - 1] if at else "", cells[at + 1] if at + 1 < len(cells) else ""
