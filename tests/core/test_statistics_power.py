"""Tests of the gate, which counts prompts, and of the power that follows from their number."""

import numpy as np
import pandas as pd
import pytest

from core.errors import StudyError
from core.study.statistics import smallest_rho
from core.study.statistics.power import judge_sample


def table(prompts, yes, runs=3):
    metric = np.repeat(np.arange(prompts) < yes, runs)
    return pd.DataFrame(
        {"prompt_id": np.repeat(np.arange(prompts), runs), "ok": metric, "x": np.arange(prompts * runs) / 7}
    )


def sample_gate(runs, metric):
    """The gate of a column of runs."""
    return judge_sample(runs[metric].to_numpy(float), pd.factorize(runs["prompt_id"])[0])


@pytest.mark.parametrize(
    ("prompts", "yes", "passed"), [(30, 15, True), (29, 15, False), (30, 9, False), (60, 51, False), (60, 50, True)]
)
def test_prompts_are_counted_not_runs(prompts, yes, passed):
    got = sample_gate(table(prompts, yes, 20), "ok")
    assert bool(got) is passed and got.prompts == prompts and bool(got.why) is not passed
    assert (
        sample_gate(table(prompts, yes), "x").passed is (prompts >= 30)
        and sample_gate(table(prompts, yes), "x").yes is None
    )


def test_what_is_missing_is_said():
    assert sample_gate(table(12, 6), "ok").why == "12 prompts with a value: a verdict needs 30."
    assert sample_gate(table(40, 4), "ok").why == "4 prompts with yes and 36 with no: a verdict needs 10 of each."


def test_a_prompt_counts_where_it_has_a_value():
    some = table(40, 20)
    some.loc[some.prompt_id < 12, "x"] = np.nan
    assert sample_gate(some, "x").prompts == 28
    some.loc[some.index[:9], "prompt_id"] = np.nan
    assert sample_gate(some, "ok").prompts == 37


def test_smallest_rho():
    assert smallest_rho(60) == pytest.approx(0.365, abs=0.001)
    assert smallest_rho(320) == pytest.approx(0.160, abs=0.002)
    got = smallest_rho(np.array([10, 30, 100, 1000]))
    assert (np.diff(got) < 0).all() and got.shape == (4,) and np.isnan(smallest_rho(4))
    assert smallest_rho(60, power=0.9) > smallest_rho(60) > smallest_rho(60, alpha=0.2)
    with pytest.raises(StudyError, match="between 0 and 1"):
        smallest_rho(60, power=80)
