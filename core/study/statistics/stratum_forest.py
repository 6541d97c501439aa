"""Computes the correlation of one feature with one metric in every stratum, and pooled (a forest plot's table).

The pooled row is the number of ``correlate_table`` for the same pair; it is never given alone. Guarded by
tests/core/test_statistics_stratum_forest.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from ...errors import StudyError
from . import observations, power, table_columns
from .blocks import (
    GridBlock,
    block_correlations,
    block_variances,
    draw_clusters,
    grid_blocks,
    resample_block,
)
from .correlation_grid import CONFIDENCE, pooled_interval, why_constant
from .pooling import Pooled, fisher_z, pool_strata, z_to_correlation

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
    """Returns a row per stratum, then the pooled one. Raises StudyError for unknown columns.

    Columns: ``stratum`` its label ("pooled" in the last row), the strata columns themselves, ``rho``, ``low``, ``high``
    (95 %), ``n`` prompts, ``weight`` share of the pooled number, ``gate`` true if there are enough prompts for a
    verdict, ``why`` not; in the pooled row also ``Q``, ``i2``, ``tau2`` and ``low_next``, ``high_next``: the 95 %
    prediction interval of a further stratum (Higgins, Thompson and Spiegelhalter 2009; three strata at least).
    """
    table_columns.check_table(table)
    names = [
        *table_columns.check_columns(table, feature, "features")[:1],
        *table_columns.check_columns(table, metric, "metrics")[:1],
    ]
    if len(names) < 2:
        raise StudyError("A forest plot needs the name of one feature and of one metric.")
    runs = observations.read_runs(table, names, cluster, strata, estimand=estimand, over=over)
    piece = next(grid_blocks(runs, [0], [1], []))
    rho = block_correlations(piece)
    samples = resample_block(piece, draw_clusters(runs.group, max(resamples, 2), np.random.default_rng([seed, 1])))
    found = pool_strata(fisher_z(rho), block_variances(piece, rho), samples)
    rows = [_row(runs, runs.stratum == s) for s in range(len(runs.strata))]
    for k, (stratum, _) in enumerate(piece.parts):
        rows[stratum].update(_one(piece, k, rho, samples, found.weight))
    counted = [s for s, _ in piece.parts] or range(len(runs.strata))
    used = np.isin(runs.stratum, list(counted))
    rows.append({**_row(runs, used), **_all(piece, rho, found)})
    labels = [*table_columns.level_labels(runs.strata), POOLED]
    levels = runs.strata.reindex(range(len(rows)))
    return pd.concat([pd.Series(labels, name="stratum", dtype=object), levels, pd.DataFrame(rows)], axis=1)


def _row(runs: observations.RunArrays, used: np.ndarray) -> Row:
    """Returns the row of a stratum without its correlation: number of prompts, and the sample gate."""
    known = used & np.isfinite(runs.values).all(1)
    judged = power.judge_sample(np.where(known, runs.values[:, 1], np.nan), runs.cluster)
    nothing: Row = {"rho": np.nan, "low": np.nan, "high": np.nan, "n": judged.prompts, "weight": 0.0}
    return {**nothing, "gate": judged.passed, "why": judged.why}


def _one(piece: GridBlock, k: int, rho: np.ndarray, samples: np.ndarray, share: np.ndarray) -> Row:
    if not np.isfinite(rho[k, 0, 0]):
        return {"gate": False, "why": why_constant(piece)}
    here = slice(k, k + 1)
    low, high = pooled_interval(pool_strata(fisher_z(rho[here]), block_variances(piece, rho)[here], samples[:, here]))
    return {"rho": rho[k, 0, 0], "low": low[0, 0], "high": high[0, 0], "weight": share[k, 0, 0]}


def _all(piece: GridBlock, rho: np.ndarray, found: Pooled) -> Row:
    k = int(np.isfinite(rho).sum())
    if not k:
        return {"gate": False, "why": why_constant(piece)} if len(rho) else {"gate": False}
    low, high = pooled_interval(found)
    row: Row = {"rho": z_to_correlation(found.z)[0, 0], "low": low[0, 0], "high": high[0, 0], "weight": 1.0}
    row.update(Q=found.q[0, 0], i2=found.i2[0, 0], tau2=found.tau2[0, 0])
    if k >= 3:
        reach = stats.t.isf((1 - CONFIDENCE) / 2, k - 2) * np.sqrt(found.tau2 + found.se**2)
        row.update(low_next=z_to_correlation(found.z - reach)[0, 0], high_next=z_to_correlation(found.z + reach)[0, 0])
    return row
