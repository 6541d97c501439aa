"""Tests that a forest plot's rows are the strata's own correlations, and its last that of ``correlate``."""

import numpy as np
import pytest
from scipy import stats

from core.errors import StudyError
from core.study.statistics import correlate_table, forest
from core.study.statistics.simulation import SimulatedStudy, simulate_runs

TABLE = simulate_runs(
    SimulatedStudy(prompts=90, runs=1, rho=0.5, tasks=3, models=2, shift=1.0), np.random.default_rng(0)
)


def test_rows_are_the_strata_and_the_last_is_the_pooled_number():
    got = forest(TABLE, "feature_0", "metric_0", strata=["task", "model"])
    part = TABLE[(TABLE.task == "t1") & (TABLE.model == "m0")]
    row = got[(got.task == "t1") & (got.model == "m0")].iloc[0]
    assert row.stratum == "t1 · m0" and row.rho == pytest.approx(stats.spearmanr(part.feature_0, part.metric_0)[0])
    assert row.low < row.rho < row.high and row.n == 30 and row.gate
    last, want = got.iloc[-1], correlate_table(TABLE, "feature_0", "metric_0", strata=["task", "model"]).iloc[0]
    assert last.stratum == "pooled" and last.n == want.n == 90
    assert (last.rho, last.low, last.high, last.i2) == pytest.approx((want.rho, want.low, want.high, want.i2))
    assert last.tau2 == pytest.approx(want.tau**2) and got.weight[:-1].sum() == pytest.approx(1)
    assert last.low_next < last.low and last.high_next > last.high


def test_a_stratum_that_says_nothing_keeps_its_row():
    table = TABLE.copy()
    table.loc[table.task == "t0", "metric_0"] = 1.0
    table.loc[(table.task == "t1") & (table.prompt_id > "p3"), "metric_0"] = np.nan
    got = forest(table, "feature_0", "metric_0", strata="task").set_index("stratum")
    assert list(got.index) == ["t0", "t1", "t2", "pooled"]
    assert np.isnan(got.rho["t0"]) and not got.gate["t0"] and "same for all" in got.why["t0"]
    assert not got.gate["t1"] and "a verdict needs 30" in got.why["t1"]
    assert np.isfinite(got.rho["t2"]) and got.weight["t0"] == 0


def test_without_strata_or_without_anything():
    got = forest(TABLE, "feature_0", "metric_0")
    assert got.stratum.tolist() == ["all", "pooled"] and got.rho[0] == pytest.approx(got.rho[1]) and np.isnan(got.i2[1])
    nothing = forest(TABLE.assign(metric_0=np.nan), "feature_0", "metric_0", strata="task")
    assert nothing.rho.isna().all() and not nothing.gate.any()
    assert len(forest(TABLE.iloc[:0], "feature_0", "metric_0", strata="task")) == 1
    with pytest.raises(StudyError, match="one feature"):
        forest(TABLE, [], "metric_0")
