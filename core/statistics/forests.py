"""The correlation of one feature with one metric stratum by stratum, and pooled: never the pooled number alone.

The pooled row is the number of ``correlate`` for the same pair. Guarded by tests/core/test_statistics_forests.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from core.errors import StudyError
from core.statistics import cells, columns, gates
from core.statistics.grids import LEVEL, constant, interval
from core.statistics.pieces import Piece, draw, pieces, point, resampled, weights
from core.statistics.pooling import Pooled, back, fisher, pool

POOLED = "pooled"
Row = dict[str, object]


def forest(
    table: pd.DataFrame,
    feature: str,
    metric: str,
    cluster: str = "prompt_id",
    strata: str | Sequence[str] | None = None,
    *,
    estimand: str = "between",
    over: str = "structure",
    resamples: int = 999,
    seed: int = 0,
) -> pd.DataFrame:
    """A row a stratum, then the pooled one. Raises StudyError for unknown columns.

    Columns: ``stratum`` its label ("pooled" in the last row), the strata columns themselves, ``rho``, ``low``,
    ``high`` (95 %), ``n`` prompts, ``weight`` share of the pooled number, ``gate`` true if a verdict is due, ``why``
    not; in the pooled row also ``Q``, ``i2``, ``tau2`` and ``low_next``, ``high_next``: where a further stratum
    would lie with 95 % (Higgins, Thompson and Spiegelhalter 2009; three strata at least).
    """
    columns.table_of(table)
    names = [*columns.chosen(table, feature, "features")[:1], *columns.chosen(table, metric, "metrics")[:1]]
    if len(names) < 2:
        raise StudyError("A forest plot needs the name of one feature and of one metric.")
    runs = cells.read(table, names, cluster, strata, estimand=estimand, over=over)
    piece = next(pieces(runs, [0], [1], []))
    rho = point(piece)
    samples = resampled(piece, draw(runs.group, max(resamples, 2), np.random.default_rng([seed, 1])))
    found = pool(fisher(rho), weights(piece, rho), samples)
    rows = [_row(runs, runs.stratum == s) for s in range(len(runs.strata))]
    for k, (stratum, _) in enumerate(piece.parts):
        rows[stratum].update(_one(piece, k, rho, samples, found.weight))
    counted = [s for s, _ in piece.parts] or range(len(runs.strata))
    used = np.isin(runs.stratum, list(counted))
    rows.append({**_row(runs, used), **_all(piece, rho, found)})
    labels = [*columns.labels(runs.strata), POOLED]
    levels = runs.strata.reindex(range(len(rows)))
    return pd.concat([pd.Series(labels, name="stratum", dtype=object), levels, pd.DataFrame(rows)], axis=1)


def _row(runs: cells.Runs, used: np.ndarray) -> Row:
    """How many prompts, and what the gate says."""
    known = used & np.isfinite(runs.values).all(1)
    judged = gates.judge(np.where(known, runs.values[:, 1], np.nan), runs.cluster)
    nothing: Row = {"rho": np.nan, "low": np.nan, "high": np.nan, "n": judged.prompts, "weight": 0.0}
    return {**nothing, "gate": judged.passed, "why": judged.why}


def _one(piece: Piece, k: int, rho: np.ndarray, samples: np.ndarray, share: np.ndarray) -> Row:
    if not np.isfinite(rho[k, 0, 0]):
        return {"gate": False, "why": constant(piece)}
    here = slice(k, k + 1)
    low, high = interval(pool(fisher(rho[here]), weights(piece, rho)[here], samples[:, here]))
    return {"rho": rho[k, 0, 0], "low": low[0, 0], "high": high[0, 0], "weight": share[k, 0, 0]}


def _all(piece: Piece, rho: np.ndarray, found: Pooled) -> Row:
    k = int(np.isfinite(rho).sum())
    if not k:
        return {"gate": False, "why": constant(piece)} if len(rho) else {"gate": False}
    low, high = interval(found)
    row: Row = {"rho": back(found.z)[0, 0], "low": low[0, 0], "high": high[0, 0], "weight": 1.0}
    row.update(Q=found.q[0, 0], i2=found.i2[0, 0], tau2=found.tau2[0, 0])
    if k >= 3:
        reach = stats.t.isf((1 - LEVEL) / 2, k - 2) * np.sqrt(found.tau2 + found.se**2)
        row.update(low_next=back(found.z - reach)[0, 0], high_next=back(found.z + reach)[0, 0])
    return row
