"""Tests of what is said about a judge: always by whom, with n of each, corrected only where people rated enough."""

import numpy as np
import pandas as pd
import pytest

from core.study.findings.judge_summary import judge_sentences, judged_mean

RIGHT, GOOD = "judge:right@qwen2.5-coder-0.5b-instruct", "judge5:good@qwen2.5-coder-0.5b-instruct"


def runs(rated=0, count=40, **more):
    rng = np.random.default_rng(0)
    good = rng.integers(1, 6, count).astype(float)
    table = pd.DataFrame({"prompt_id": [f"p{i}" for i in range(count)], "model": "smollm2-135m-instruct", "error": ""})
    table["control"], table[RIGHT], table[GOOD] = False, np.clip(good / 5 + 0.1, 0, 1), np.minimum(good + 1, 5)
    table["rating"] = np.where(np.arange(count) < rated, good, np.nan)
    return table.assign(**more)


def test_without_ratings_it_says_that_scores_are_uncorrected():
    told = judge_sentences(runs())
    assert len(told) == 2 and all("(judged by Qwen2.5" in line and "; n = 40)" in line for line in told)
    assert all("Nobody rated these answers: the scores are uncorrected." in line for line in told)
    assert "95 %" not in "".join(told)


def test_few_ratings_stand_beside_it_and_correct_nothing():
    assert all("people" in line and "(n = 5)" in line and "uncorrected" in line for line in judge_sentences(runs(5)))


def test_ratings_correct_a_judge_that_is_too_kind():
    table = runs(30)
    found = judged_mean(table, GOOD)
    truth = np.random.default_rng(0).integers(1, 6, 40).mean()
    assert found.raw_mean > truth + 0.5 and found.low <= truth <= found.high
    assert found.rated == 30 and found.unrated == 10
    line = judge_sentences(table)[1]
    assert f"mean {found.raw_mean:.2f} as the judge gave it (of 1 to 5; n = 40)" in line and "(n = 30)" in line
    assert f"corrected by these ratings {found.estimate:.2f} (95 % {found.low:.2f} to {found.high:.2f})" in line


def test_for_yes_and_no_people_said_yes_from_four_on():
    found = judged_mean(runs(40), RIGHT)
    good = np.random.default_rng(0).integers(1, 6, 40)
    assert found.rated_mean == pytest.approx((good >= 4).mean())


def test_controls_failures_and_other_scales_do_not_count():
    table = runs(40, rating=73.0)
    assert all("uncorrected" in line for line in judge_sentences(table))
    assert judge_sentences(runs(control=True)) == [] == judge_sentences(runs(error="No memory."))


def test_a_judge_of_its_own_answers_is_said():
    table = runs(model="qwen2.5-coder-0.5b-instruct")
    assert all("The judge is the model that answered." in line for line in judge_sentences(table))
