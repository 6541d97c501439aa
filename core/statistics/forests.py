"""The correlation of one feature with one metric stratum by stratum, and pooled: never the pooled number alone.

The pooled row is the number of ``correlate`` for the same pair. Guarded by tests/core/test_statistics_forests.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from core.statistics import cells, columns, gates
from core.statistics.grids import LEVEL, Effort, interval
from core.statistics.pieces import Piece, draw, pieces, point, resampled, weights
from core.statistics.pooling import back, fisher, pool

POOLED = "pooled"


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
    runs = cells.read(table, names, cluster, strata, estimand=estimand, over=over)
    effort = Effort(0, resamples, seed)
    piece = next(pieces(runs, [0], [1], []))
    rows = [_missing(runs, s) for s in range(len(runs.strata))]
    if len(piece.parts):
        _fill(rows, piece, draw(runs.group, effort.resamples, np.random.default_rng([effort.seed, 1])))
    levels = runs.strata.reset_index(drop=True)
    found = pd.concat([pd.DataFrame({"stratum": columns.labels(levels)}), levels, pd.DataFrame(rows)], axis=1)
    last = _pooled(piece, runs, effort)
    return pd.concat([found, pd.DataFrame([{"stratum": POOLED, **last}])], ignore_index=True)


def _missing(runs: cells.Runs, stratum: int) -> dict[str, object]:
    known = np.isfinite(runs.values).all(1) & (runs.stratum == stratum)
    judged = gates.judge(np.where(known, runs.values[:, 1], np.nan), runs.cluster)
    nothing = {"rho": np.nan, "low": np.nan, "high": np.nan}
    return {**nothing, "n": judged.prompts, "weight": 0.0, "gate": judged.passed, "why": judged.why}


def _fill(rows: list[dict[str, object]], piece: Piece, drawn: np.ndarray) -> None:
    rho = point(piece)
    samples = resampled(piece, drawn)
    share = pool(fisher(rho), weights(piece, rho), samples).weight[:, 0, 0]
    for k, (stratum, _) in enumerate(piece.parts):
        if not np.isfinite(rho[k, 0, 0]):
            rows[stratum]["why"] = rows[stratum]["why"] or "The feature or the metric is the same for all prompts."
            rows[stratum]["gate"] = False
            continue
        one = pool(fisher(rho[k : k + 1]), weights(piece, rho)[k : k + 1], samples[:, k : k + 1])
        low, high = interval(one, np.array(rows[stratum]["n"]))
        rows[stratum].update(rho=rho[k, 0, 0], low=low[0, 0], high=high[0, 0], weight=share[k])


def _pooled(piece: Piece, runs: cells.Runs, effort: Effort) -> dict[str, object]:
    used = np.isin(runs.stratum, [s for s, _ in piece.parts]) & piece.rows
    judged = gates.judge(np.where(used, runs.values[:, 1], np.nan), runs.cluster)
    row: dict[str, object] = {"n": judged.prompts, "gate": judged.passed, "why": judged.why}
    rho = point(piece)
    if not np.isfinite(rho).any():
        return {"rho": np.nan, "low": np.nan, "high": np.nan, **row, "gate": False, "weight": 0.0}
    drawn = draw(runs.group, effort.resamples, np.random.default_rng([effort.seed, 1]))
    found = pool(fisher(rho), weights(piece, rho), resampled(piece, drawn))
    low, high = interval(found, np.array(judged.prompts))
    row.update(rho=back(found.z)[0, 0], low=low[0, 0], high=high[0, 0], weight=1.0)
    row.update(Q=found.q[0, 0], i2=found.i2[0, 0], tau2=found.tau2[0, 0])
    k = int(np.isfinite(rho).sum())
    if k >= 3:
        reach = stats.t.isf((1 - LEVEL) / 2, k - 2) * np.sqrt(found.tau2 + found.se**2)
        row.update(low_next=back(found.z - reach)[0, 0], high_next=back(found.z + reach)[0, 0])
    return row
