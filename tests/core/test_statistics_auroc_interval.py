"""Tests of the AUROC with its interval: scikit-learn's value, planted and null features, folds, clusters."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from core.errors import StudyError
from core.study.statistics.auroc_interval import auroc, auroc_area, percentile_interval, prompt_folds


def runs(n=60, strength=0.0, seed=0, repeats=1, tasks=2):
    rng = np.random.default_rng(seed)
    prompt = np.repeat(np.arange(n), repeats)
    y = rng.random(n * repeats) < 0.5
    x = rng.normal(size=n * repeats) + strength * y
    task = [f"t{i % tasks}" for i in prompt]
    return pd.DataFrame({"prompt_id": prompt, "task": task, "structure": "s", "x": x, "followed": y.astype(float)})


def test_one_block_is_the_librarys_number():
    t = runs(strength=0.7)
    t["x"] = t["x"].round(1)
    got = auroc_area(t["x"].to_numpy(), t["followed"].to_numpy() == 1, t["prompt_id"].to_numpy(), np.zeros(len(t)))
    assert got.auroc == pytest.approx(roc_auc_score(t["followed"], t["x"]))
    assert got.low < got.auroc < got.high and len(got.draws) == 999


def test_a_draw_equals_the_number_of_the_table_written_out():
    t = runs(strength=0.7, n=12)
    y, x, p = t["followed"].to_numpy() == 1, t["x"].to_numpy(), t["prompt_id"].to_numpy()
    from core.study.statistics.prompt_means import draw_prompts

    got = auroc_area(x, y, p, np.zeros(12), resamples=5, seed=3)
    rows = np.repeat(np.arange(12), draw_prompts(12, 5, 3)[2].astype(int))
    assert got.draws[2] == pytest.approx(roc_auc_score(y[rows], x[rows]))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_planted_feature_is_found_with_its_direction(sign):
    t = runs(strength=1.5 * sign, n=80)
    row = auroc(t, "x", "followed").iloc[0]
    assert row["auroc"] > 0.75 and row["low"] > 0.5 and row["verdict"] == "separates"
    assert row["direction"] == ("higher" if sign > 0 else "lower") and row["agreement"] == 1


def test_nothing_to_say_is_not_better_than_a_coin():
    got = [auroc(runs(seed=s, n=40), "x", "followed", resamples=0)["auroc"][0] for s in range(30)]
    assert 0.45 < np.mean(got) < 0.54, "max(a, 1 - a) would be 0.58 here"


def test_knowing_the_task_separates_nothing():
    t = runs(n=80, seed=1)
    t["followed"] = ((t["task"] == "t1") ^ (np.arange(80) % 10 == 0)).astype(float)
    t["x"] = (t["task"] == "t1") + np.random.default_rng(0).normal(size=80) * 0.01
    assert auroc(t, "x", "followed", strata=[]).iloc[0]["auroc"] > 0.85
    row = auroc(t, "x", "followed").iloc[0]
    assert row["auroc"] < 0.7 and row["verdict"] == "no separation found"


def test_copies_of_a_prompt_do_not_narrow_the_interval():
    once = runs(strength=0.6, n=50)
    copies = pd.concat([once] * 4, ignore_index=True)
    a, b = (auroc(t, "x", "followed").iloc[0] for t in (once, copies))
    assert (a["low"], a["high"], a["n"]) == pytest.approx((b["low"], b["high"], b["n"]), abs=0.02)


def test_below_the_gate_there_is_no_verdict():
    assert auroc(runs(n=20, strength=3), "x", "followed").iloc[0]["verdict"] == "too few prompts"
    rare = runs(n=80, strength=3)
    rare["followed"] = (np.arange(80) < 9).astype(float)
    assert auroc(rare, "x", "followed").iloc[0]["verdict"] == "too few prompts"


def test_folds_hold_whole_prompts():
    prompts = np.repeat(np.arange(11), 3)
    fold = prompt_folds(prompts, 5)
    assert all(len(set(fold[prompts == p])) == 1 for p in range(11)) and len(set(fold)) == 5
    assert len(set(prompt_folds(np.array([1, 2]), 5))) == 2 and set(prompt_folds(np.array([1, 1]))) == {0}


def test_one_class_has_no_area_and_undefined_rows_are_left_out():
    t = runs().assign(followed=1.0)
    row = auroc(t, "x", "followed").iloc[0]
    assert np.isnan(row["auroc"]) and np.isnan(row["low"]) and row["verdict"] == "too few prompts"
    t = runs(strength=2)
    t.loc[:9, "x"] = np.nan
    assert auroc(t, "x", "followed").iloc[0]["runs"] == 50
    assert auroc(t.iloc[:0], "x", "followed").iloc[0]["n"] == 0


def test_controls_are_left_out_and_errors_say_what_was_seen():
    t = runs(strength=2).assign(control=lambda d: d["prompt_id"] < 20)
    assert auroc(t, "x", "followed").iloc[0]["n"] == 40
    with pytest.raises(StudyError, match="other than 0 and 1"):
        auroc(t, "followed", "x")
    with pytest.raises(StudyError, match="no column 'nope'"):
        auroc(t, "nope", "followed")


def test_too_few_draws_have_no_interval():
    assert np.isnan(percentile_interval(np.array([0.5] * 8 + [np.nan] * 2))[0])
