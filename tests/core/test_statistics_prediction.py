"""Tests of the regression on heads: planted heads, nulls, and leaks by prompts in two folds, tasks, structures."""

import numpy as np
import pytest

from core.errors import Cancelled, StudyError
from core.study.statistics.prediction import (
    BASE,
    IN_FOLDS,
    LEFT_OUT,
    OTHER,
    PredictionRuns,
    _base_rates,
    _donors,
    predict_outcome,
    regression_scores,
)

pytestmark = pytest.mark.slow

QUICK = {"grid": (1e-3, 1e-1), "folds": 3, "resamples": 99}


def study(prompts=90, columns=12, strength=0.0, seed=0, repeats=2, tasks=3, rates=None):
    rng = np.random.default_rng(seed)
    prompt = np.repeat(np.arange(prompts), repeats)
    task = prompt % tasks
    p = 0.5 if rates is None else np.array(rates)[task]
    y = rng.random(len(prompt)) < p
    x = rng.normal(size=(len(prompt), columns))
    x[:, :3] += strength * y[:, None]
    return x, y.astype(float), prompt, task, np.tile(np.arange(repeats), prompts)


def by_name(found, scheme=IN_FOLDS):
    return found[found["scheme"] == scheme].set_index("features")


def test_planted_heads_are_found_also_in_a_task_never_seen():
    x, y, prompt, task, structure = study(strength=1.3, columns=12)
    found = predict_outcome(
        x, y, prompt, task, structure, baselines={"noise": x[:, 5]}, single={"one": -x[:, 0]}, resamples=199
    )
    assert found["scheme"].iloc[0] == LEFT_OUT and set(found["n"]) == {90}
    for scheme in (LEFT_OUT, IN_FOLDS):
        rows = by_name(found, scheme)
        assert rows.loc["heads", "low"] > 0.7 and rows.loc["heads", "verdict"] == "above the base rates"
        assert rows.loc["heads", "within_low"] > 0.7
        assert rows.loc[OTHER, "low"] < 0.5 and rows.loc["noise", "low"] < 0.5
        assert rows.loc["one", "direction"] == "lower" and rows.loc["one", "auroc"] > 0.65


def test_heads_that_only_know_the_task_are_not_above_the_base_rates():
    x, y, prompt, task, structure = study(rates=(0.1, 0.5, 0.9), seed=1)
    x[:, 0] = task + 0.01 * x[:, 0]
    rows = by_name(predict_outcome(x, y, prompt, task, structure, schemes=[IN_FOLDS], **QUICK))
    assert rows.loc["heads", "auroc"] > 0.7 and rows.loc[BASE, "auroc"] > 0.7
    assert rows.loc["heads", "verdict"] == "not above the base rates"
    assert rows.loc["heads", "within_low"] < 0.5 and rows.loc[OTHER, "auroc"] > 0.7
    assert rows.loc[BASE, "over_base"] == 0 == rows.loc[BASE, "over_high"]


def test_a_prompt_seen_before_would_give_it_away():
    rng = np.random.default_rng(2)
    prompt = np.repeat(np.arange(60), 4)
    y = np.repeat(rng.random(60) < 0.5, 4).astype(float)
    x = np.repeat(rng.normal(size=(60, 150)), 4, axis=0)
    one = predict_outcome(x, y, prompt, prompt * 0, schemes=[IN_FOLDS], **QUICK).iloc[0]
    assert 0.3 < one["auroc"] < 0.7, "runs of a prompt in two folds would give 1.0"
    assert one["verdict"] == "no separation found" and one["c"] <= 1e-3


def test_scores_do_not_depend_on_the_units_of_a_column():
    x, y, prompt, task, _ = study(strength=1.0)
    tried = PredictionRuns(y == 1, prompt, task, task, task * 0)
    fold = tried.folds(IN_FOLDS, 2)
    scaled = x * np.geomspace(1e-6, 1e6, x.shape[1]) + 5
    assert regression_scores(x, tried, fold, [0.01])[0] == pytest.approx(
        regression_scores(scaled, tried, fold, [0.01])[0], abs=1e-2
    )


def test_what_is_undefined_is_the_mean_and_runs_without_heads_are_left_out():
    x, y, prompt, task, structure = study(strength=1.5)
    x[:10] = np.nan
    x[::3, 4], x[:, 7] = np.nan, np.nan
    y[10:14] = np.nan
    found = predict_outcome(x, y, prompt, task, structure, schemes=[IN_FOLDS], **QUICK)
    assert set(found["runs"]) == {180 - 14} and found.iloc[0]["auroc"] > 0.8


def test_base_rates_are_those_of_the_other_folds():
    good = np.array([1, 1, 0, 0, 1, 0], bool)
    strata = np.array([0, 0, 0, 1, 1, 1])
    tried = PredictionRuns(good, np.arange(6), strata, strata, np.zeros(6, int))
    got = _base_rates(tried, np.array([0, 1, 1, 0, 1, 1]))
    prior = (2 + 0.5) / 5
    assert got[0] == pytest.approx((1 + prior) / 3), "two other runs of its stratum, one good, and the prior"
    left_out = _base_rates(tried, strata)
    assert left_out[3] == pytest.approx((2 + 2 / 3) / 4), "a task never seen has the rate of its structure"


def test_a_donor_is_another_prompt_of_the_same_stratum_and_fold():
    _, y, prompt, task, structure = study(prompts=40)
    strata = task * 2 + structure
    tried = PredictionRuns(y == 1, prompt, task, strata, structure)
    fold = tried.folds(IN_FOLDS)
    donors = _donors(tried, fold)
    has = donors >= 0
    assert has.mean() > 0.9 and (prompt[donors[has]] != prompt[has]).all()
    assert (strata[donors[has]] == strata[has]).all() and (fold[donors[has]] == fold[has]).all()


def test_too_few_prompts_have_no_verdict_and_one_task_cannot_be_left_out():
    x, y, prompt, task, _ = study(prompts=20, strength=3)
    found = predict_outcome(x, y, prompt, task * 0, **QUICK)
    assert set(found["verdict"]) == {"too few prompts"} and set(found["scheme"]) == {IN_FOLDS}
    same = predict_outcome(x, y * 0, prompt, task, **QUICK)
    assert same["auroc"].isna().all() and set(same["verdict"]) == {"too few prompts"}


def test_it_can_be_watched_stopped_and_says_what_is_wrong():
    x, y, prompt, task, _ = study(prompts=12, columns=3)
    seen = []
    predict_outcome(x, y, prompt, task, **QUICK, progress=lambda f, text, _: seen.append((f, text)))
    assert seen == sorted(seen) or [f for f, _ in seen] == sorted(f for f, _ in seen)
    assert "heads" in seen[0][1]
    with pytest.raises(Cancelled):
        predict_outcome(x, y, prompt, task, cancelled=lambda: True)
    with pytest.raises(StudyError, match="0 and 1"):
        predict_outcome(x, y * 3, prompt, task)
    with pytest.raises(StudyError, match="23 and of 24"):
        predict_outcome(x[1:], y, prompt, task)
