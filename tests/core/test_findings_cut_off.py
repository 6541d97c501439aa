"""Tests of the bounds for cut-off answers: by hand, and on studies where the long answers are the bad ones."""

import json

import numpy as np
import pandas as pd
import pytest

from core.study.findings.analysis import compute_findings
from core.study.findings.correlations import add_verdicts, relate_columns
from core.study.findings.cut_off import (
    add_cut_off,
    correlations_with_cut_off,
    count_cut_off,
    cut_off_rows,
    cut_off_values,
)
from core.study.findings.structure_effects import ValueDescription, compare_structures

pytestmark = pytest.mark.slow

CORRECT = {"correct": ValueDescription("Correct", "0 or 1", "outcome")}


def runs(correct, structure=None, truncated=None, **more):
    """One run for each prompt and structure; ``correct`` NaN where undefined."""
    n = len(correct)
    structure = ["instruction_first"] * n if structure is None else structure
    number = pd.Series(structure).groupby(structure).cumcount()
    return pd.DataFrame(
        {
            "prompt_id": [f"p{i}" for i in number],
            "task": "fact",
            "model": "m",
            "structure": structure,
            "control": False,
            "truncated": np.isnan(correct) if truncated is None else truncated,
            "error": "",
            "correct": np.asarray(correct, float),
            **more,
        }
    )


def compared(table):
    def compare(counted):
        return compare_structures(counted, CORRECT, "instruction_first", resamples=199)

    found = add_cut_off(compare(table), table, cut_off_values(table, CORRECT), "instruction_first", compare)
    return found[(found["task"] == "fact") & (found["structure"] == "instruction_last")].iloc[0]


def test_only_what_the_limit_left_undefined_is_cut_off():
    why = [
        json.dumps({"correct": w}) for w in ("the answer was stopped by the token limit", "there is no reference", "")
    ]
    table = runs(np.array([np.nan, np.nan, 1.0]), truncated=[True, True, True], why=why)
    assert cut_off_rows(table, "correct").tolist() == [True, False, False]
    assert cut_off_rows(table.drop(columns="why"), "correct").tolist() == [True, True, False]
    assert cut_off_rows(table.assign(why=["no json", None, 3]), "correct").tolist() == [False, False, False]
    counted = count_cut_off(table, cut_off_values(table, CORRECT), 0.0)
    assert counted["correct"].tolist()[::2] == [0.0, 1.0] and np.isnan(counted["correct"][1])
    assert np.isnan(table["correct"][0]), "the table itself stays"


def test_bounds_by_hand():
    """40 prompts: first has 20 right, 20 wrong; last has 10 cut off, 24 right and 6 wrong."""
    first = [1.0] * 20 + [0.0] * 20
    last = [np.nan] * 10 + [1.0] * 24 + [0.0] * 6
    row = compared(runs(np.array(first + last), ["instruction_first"] * 40 + ["instruction_last"] * 40))
    left_out = (24 - 10) / 30  # of the 30 prompts with both
    assert row["difference"] == pytest.approx(left_out) and row["pairs"] == 30
    assert row["cut_difference"] == pytest.approx((24 - 20) / 40) and row["cut_pairs"] == 40
    assert (row["least"], row["most"]) == pytest.approx(((24 - 20) / 40, (34 - 20) / 40))
    assert row["cut_off"] == pytest.approx(0.25)
    assert row["q"] < 0.05 <= row["cut_q"] and row["verdict"] == "no difference found"
    assert "depends on the cut-off answers" in row["why"] and "it is +0.1" in row["why"]


def test_without_cut_off_answers_nothing_is_added():
    table = runs(
        np.array(([1.0, 0.0] * 20) + ([1.0] * 36 + [0.0] * 4)), ["instruction_first"] * 40 + ["instruction_last"] * 40
    )
    row = compared(table)
    assert row["verdict"] == "higher" and np.isnan(row["cut_difference"]) and np.isnan(row["least"])


def long_and_bad(seed, prompts=290, planted=0.0):
    """Long answers are the bad ones and are cut off, more of them under one structure; structures do nothing."""
    rng = np.random.default_rng(seed)
    structure = np.repeat(["instruction_first", "instruction_last"], prompts)
    length = np.tile(rng.normal(size=prompts), 2) + 0.5 * rng.normal(size=2 * prompts)
    good = (rng.normal(size=2 * prompts) - 2 * length + planted * (structure == "instruction_last")) > 0
    gone = length > np.where(structure == "instruction_last", 0.3, 1.5)
    return runs(np.where(gone, np.nan, good), structure), good


def test_where_long_answers_are_the_bad_ones_a_difference_is_rarely_called_one():
    """With cut-off answers left out, nothing but selection shows up as a difference in half of the studies."""
    plain = called = inside = 0
    for seed in range(4):
        table, good = long_and_bad(seed)
        row = compared(table)
        plain += row["q"] < 0.05
        called += row["verdict"] in ("higher", "lower")
        true = good[290:].mean() - good[:290].mean()
        inside += row["least"] <= true <= row["most"]
    assert plain >= 1 and called == 0 and inside == 4


def test_correlations_have_bounds_too_and_a_finding_stands_with_both():
    """The feature goes with length, long answers are bad and cut off: what is left shows less than there is."""
    rng = np.random.default_rng(0)
    length = rng.normal(size=120)
    feature, good = length + rng.normal(size=120), (rng.normal(size=120) - 2 * length) > 0
    table = runs(np.where(length > 0.3, np.nan, good), lookback=feature, prompt_tokens=10, output_tokens=20)
    cut = cut_off_values(table, CORRECT)

    def relate(counted, features, metrics):
        return relate_columns(counted, features, metrics, "between", permutations=199, resamples=199, plain=True)

    found = relate(table, ["lookback"], ["correct"])
    row = correlations_with_cut_off(found, table, cut, relate).iloc[0]
    zero = relate(count_cut_off(table, cut, 0.0), ["lookback"], ["correct"]).iloc[0]
    one = relate(count_cut_off(table, cut, 1.0), ["lookback"], ["correct"]).iloc[0]
    assert (row["rho_cut"], row["p_cut"]) == (zero["rho"], zero["p"])
    assert row["low_bound"] == min(row["low"], zero["low"], one["low"])
    assert row["high_bound"] == max(row["high"], zero["high"], one["high"])
    truth = table.assign(correct=good.astype(float))
    assert row["low_bound"] < relate(truth, ["lookback"], ["correct"]).iloc[0]["rho"] < row["high_bound"]
    told = add_verdicts(found.assign(p=0.001, p_cut=0.6, rho_cut=0.02, low_cut=-0.2, high_cut=0.2), found.iloc[:0], [])
    assert told[0].iloc[0]["verdict"] == "no correlation found"
    assert "does not stand with cut-off answers counted as not correct (rho = 0.02" in told[0].iloc[0]["why"]


def test_sentences_say_when_a_difference_depends_on_cut_off_answers():
    table, _ = long_and_bad(3, planted=-0.3)
    found = compute_findings(table, permutations=49, resamples=49, slow=False)
    (told,) = [s for s in found.sentences if "correct: " in s.lower()]
    assert "the cut-off answers" in told and "counted as not correct" in told and "at worst" in told
