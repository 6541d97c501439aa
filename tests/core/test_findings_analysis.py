"""Tests of the findings of a made-up study: planted effects are reported, absent ones not, and no causes claimed."""

import re

import numpy as np
import pandas as pd
import pytest

from core.errors import Cancelled, StudyError
from core.study.findings import correlations
from core.study.findings.analysis import cells_of, compute_findings
from core.study.findings.correlations import add_verdicts, holm_p, relate_columns
from core.study.findings.outcome_prediction import correct_verdicts
from core.study.findings.structure_effects import ALL_TASKS, EFFECT_COLUMNS, ValueDescription, compare_structures
from core.study.plan import Plan
from tests.core import study_made_up as made_up

pytestmark = pytest.mark.slow

FEATURES = ["share_instruction", "lookback", "sink", "masked_instruction"]
METRICS = ["followed", "chrf", "mean_logprob", "words"]
PRIMARY = (("lookback", "chrf"), ("share_instruction", "chrf"))

TABLES = ("quality", "attention", "effects", "correlations_between", "correlations_within", "prediction", "cells")


def table(prompts=34, **planted):
    runs = made_up.runs_table(
        prompts, tasks=("fact", "context_qa"), models=("smollm2-135m-instruct",), **{"truncated": 0.05, **planted}
    )
    other = [c for c in (*made_up.FEATURES, *made_up.METRICS) if c not in FEATURES + METRICS]
    return runs.drop(columns=other)


def plan(**more):
    return Plan("made up", models=("smollm2-135m-instruct",), suites=("fact",), primary=PRIMARY, **more)


def heads(rows, part="all"):
    return made_up.heads_array(rows, 2.0 if part == "all" else 0.0)


@pytest.fixture(scope="module")
def found():
    seen = []
    got = compute_findings(
        table(26, step=1.2, between=0.7),
        None,
        heads,
        plan(),
        entropies=heads,
        permutations=19,
        resamples=19,
        progress=lambda fraction, text, _: seen.append(fraction),
    )
    assert seen == sorted(seen) and 0 <= seen[0] and seen[-1] <= 1
    return got


def only(rows, **where):
    for name, value in where.items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1, where
    return rows.iloc[0]


def test_the_planted_structure_is_better_and_the_baseline_is_named(found):
    row = only(found.quality, value="followed", task=ALL_TASKS, structure="instruction_last")
    assert row["verdict"] == "higher" and 0 < row["low"] < row["difference"] and row["q"] < 0.05
    base = only(found.quality, value="followed", task=ALL_TASKS, structure="instruction_first")
    assert base["verdict"] == "baseline" and np.isnan(base["difference"]) and base["mean_low"] < base["mean"]
    assert (
        tuple(found.quality.columns) == EFFECT_COLUMNS == tuple(found.attention.columns) == tuple(found.effects.columns)
    )


def test_a_planted_negative_correlation_is_found_in_enough_prompts():
    """Four strata whose correlations differ by chance: 26 prompts of each task were too few for a verdict."""
    runs = table(60, step=1.2, between=0.7)
    runs = runs[~runs["control"] & (runs["error"] == "")].reset_index(drop=True)
    found = relate_columns(runs, FEATURES, METRICS[:3], "between", permutations=99, resamples=99)
    row = only(add_verdicts(found, found.iloc[:0], PRIMARY)[0], feature="sink", metric="chrf")
    assert row["verdict"] == "negative" and row["rho"] < -0.2


def test_a_share_that_only_moved_with_its_place_is_no_claim(found):
    row = only(found.attention, value="share_instruction", task=ALL_TASKS, structure="instruction_last")
    assert row["low"] > 0.05 and row["q"] < 0.05, "the share itself is higher"
    assert row["verdict"] == "no difference found" and row["net_low"] < 0 < row["net_high"]


def test_planted_correlations_are_primary_and_told(found):
    row = only(found.correlations_between, feature="lookback", metric="chrf")
    assert row["primary"] and row["verdict"] == "positive" and row["p_primary"] >= row["p"]
    assert found.correlations_between["primary"].tolist()[:2] == [True, True]
    assert found.correlations_between["primary"].tolist()[:2] == [True, True]
    sink = only(found.correlations_between, feature="sink", metric="chrf")
    assert sink["rho"] < -0.2 and sink["p_controlled"] < 0.05, (
        "strata differ, so four of them are too few for a verdict"
    )
    assert not found.correlations_between["metric"].isin(["words"]).any(), "descriptors are no quality"
    assert set(found.forests) == set(PRIMARY)


def test_heads_are_tried_on_a_task_left_out_first_and_beside_baselines(found):
    assert found.prediction["scheme"].iloc[0] == "leave one task out"
    first = found.prediction[(found.prediction["scheme"] == "leave one task out")].set_index(["outcome", "features"])
    heads = first.loc["followed"]
    assert heads.loc["heads", "low"] > 0.5 and heads.loc["heads", "auroc"] > heads.loc["heads, first step", "auroc"]
    entropy = heads.loc["entropy of heads"]
    assert entropy["low"] > 0.5 and entropy["auroc"] > heads.loc["entropy of heads, first step", "auroc"]
    kinds = {"base rates", "other run", "length", "log-probability"}
    assert kinds <= set(first.loc["followed"].index) and first.loc[("followed", "lookback"), "direction"] == "higher"


def test_cells_count_what_failed_and_what_was_cut_off(found):
    assert found.cells["runs"].sum() == found.facts["runs"] == 208 and found.cells["failed"].sum() == 1
    assert found.cells["truncated"].sum() == found.facts["truncated"] > 0
    assert only(found.cells, failed=1)["reason"] == "The model gave no answer."
    assert set(found.frames) >= set(TABLES)


def test_sentences_begin_with_what_was_named_in_advance_and_claim_no_cause(found):
    told = list(found.sentences)
    named = [i for i, s in enumerate(told) if s.startswith("Named in advance, ")]
    assert named == list(range(1, 1 + len(named))), "right after the size"
    assert told[1].startswith("Named in advance, between prompts: “Lookback ratio” and “chrF”: go together")
    outcomes = told[1 + len(named)]
    assert "all instructions followed" in outcomes and "points" in outcomes
    assert not any("No difference was found" in s for s in told), "an interval may leave a large one open"
    tested = int(found.quality.loc[found.quality["kind"] == "outcome", "q"].notna().sum())
    assert f"after correction over {tested} comparisons" in " ".join(told) or "Against it" in outcomes
    assert "mask or move" in told[-1] and any("One model" in s for s in told)
    text = " ".join([*told, found.methods_text])
    banned = r"\b(because|causes|caused|leads? to|due to|architectures?|sizes?|nan|inf)\b"
    assert not re.search(banned, text.replace("size was not", "")), re.search(banned, text)
    assert "Lookback ratio with chrF" in found.methods_text and "Holm" in found.methods_text


def test_what_only_the_length_of_prompts_explains_is_no_finding():
    """Feature and metric follow the prompt's length and nothing else, also where they bend with it."""
    called = {"plain": 0, "controlled": 0}
    for seed in range(6):
        rng = np.random.default_rng(seed)
        runs = made_up.runs_table(40, tasks=("fact",))[[*table(2).columns]]
        runs = runs[~runs["control"] & (runs["structure"] == "instruction_first")].reset_index(drop=True)
        length = rng.uniform(-1, 1, len(runs))
        runs["prompt_tokens"] = 100 + 80 * length
        runs["lookback"], runs["chrf"] = length**2 + 0.1 * rng.normal(size=(2, len(runs)))
        between = relate_columns(runs, ["lookback"], ["chrf"], "between", permutations=199, resamples=99, seed=seed)
        row = add_verdicts(between, between.iloc[:0], [])[0].iloc[0]
        called["plain"] += row["q"] < 0.05
        called["controlled"] += row["verdict"] == "positive"
        if row["verdict"] != "positive":
            assert "does not stand with the length of the prompt held fixed (rho = " in row["why"]
    assert called["plain"] == 6 and called["controlled"] <= 1


def test_a_finding_that_hangs_on_the_answers_own_length_says_so():
    row = {
        "linked": False, "primary": False, "why": "", "i2": 0.0, "p": 0.001, "q": 0.01, "rho": 0.4, "rho_controlled": 0.38,
        "q_controlled": 0.02, "p_controlled": 0.002, "rho_post": 0.1, "low_post": -0.1, "high_post": 0.3, "q_post": 0.4,
    }  # fmt: skip
    verdict, why = correlations._verdict(row)
    assert (
        verdict == "positive"
        and "length and log-probability of the answer held fixed too (rho = 0.10, -0.10 to 0.30, q = 0.4)" in why
    )
    assert correlations._verdict(row | {"rho_post": 0.3, "q_post": 0.03}) == ("positive", "")
    assert (
        correlations._verdict(row | {"rho_controlled": -0.3, "low_controlled": -0.5, "high_controlled": -0.1})[0]
        == "no correlation found"
    )
    named = row | {
        "primary": True,
        "p_primary": 0.01,
        "p_primary_controlled": 0.06,
        "low_controlled": 0,
        "high_controlled": 0.5,
    }
    assert correlations._verdict(named)[0] == "no correlation found"
    assert (
        correlations._verdict({k: v for k, v in row.items() if not k.endswith(("controlled", "post"))})[0] == "positive"
    )


def test_predictions_are_corrected_for_their_number():
    """200 predictions from noise: some 5 intervals clear 0.5 by themselves; one real one stays."""
    rng = np.random.default_rng(1)
    auroc = np.r_[0.5 + 0.05 * rng.normal(size=199), 0.85]
    rows = pd.DataFrame({"auroc": auroc, "low": auroc - 0.098, "high": auroc + 0.098})
    rows = rows.assign(over_base=auroc - 0.5, over_low=rows.low - 0.5, over_high=rows.high - 0.5, why="")
    rows = rows.assign(within=auroc, within_low=rows.low, within_high=rows.high)
    rows["verdict"] = np.where(rows.low > 0.5, "above the base rates", "no separation found")
    got = correct_verdicts(rows)
    before = (rows["verdict"] == "above the base rates").sum()
    assert before >= 3 and got.index[got["verdict"] == "above the base rates"].tolist() == [199]
    taken = got[(rows["verdict"] == "above the base rates") & (got.index < 199)]
    assert taken["why"].str.contains("after correction for the number of predictions").all()
    few = correct_verdicts(rows.assign(verdict="too few prompts", why="12 prompts"))
    assert few["q"].isna().all() and (few["why"] == "12 prompts").all()


def test_two_models_are_these_two_models():
    runs = made_up.runs_table(6, tasks=("fact",))[[*table(2).columns]]
    got = compute_findings(runs, permutations=9, resamples=9, slow=False)
    assert any("these two models" in s for s in got.sentences)
    assert got.prediction.empty and "verdict" in got.prediction.columns


def test_nothing_planted_nothing_found_and_no_verdict_below_the_gate():
    got = compute_findings(table(20, step=0, between=0, within=0), permutations=9, resamples=9, slow=False)
    by_task = got.quality[(got.quality["task"] != ALL_TASKS) & ~got.quality["baseline"]]
    assert set(by_task["verdict"]) == {"too few prompts"}
    assert not got.quality["verdict"].isin(["higher", "lower"]).any()
    assert not got.correlations_between["verdict"].isin(["positive", "negative"]).any()


def test_a_rare_class_has_no_verdict():
    runs = table(36, step=0).drop(columns=FEATURES)
    runs["followed"] = np.where(runs["prompt_id"].isin(["fact-001", "fact-002"]), 1.0, 0.0)
    got = compute_findings(runs, permutations=0, resamples=0, slow=False)
    row = only(got.quality, value="followed", task=ALL_TASKS, structure="instruction_last")
    assert row["verdict"] == "too few prompts" and "10 of each" in row["why"]
    assert row["low"] < 0 < row["high"], "no difference seen is no proof of none"


def test_a_difference_in_two_prompts_only_has_no_verdict():
    runs = table(36, step=0).drop(columns=FEATURES)
    last = (runs["structure"] == "instruction_last") & runs["prompt_id"].isin(["fact-001", "fact-002"])
    runs["chrf"] = np.where(last, 0.9, 0.5)
    got = compute_findings(runs, permutations=0, resamples=0, slow=False)
    row = only(got.quality, value="chrf", task=ALL_TASKS, structure="instruction_last")
    assert row["difference"] > 0 and np.isnan(row["low"]) and np.isnan(row["q"])
    assert (row["verdict"], row["why"]) == (
        "too few prompts",
        "Only three prompts or fewer differ: no interval can be trusted.",
    )


def test_without_controls_attention_claims_nothing():
    runs = table(34).drop(columns=METRICS)
    got = compute_findings(runs[~runs["control"]], permutations=0, resamples=0, slow=False)
    rest = got.attention[~got.attention["baseline"]]
    assert set(rest["verdict"]) == {"no position control"} and rest["net_p"].isna().all()


@pytest.mark.parametrize("drop", [METRICS, FEATURES, ["control", "truncated", "error"]])
def test_tables_from_elsewhere_may_lack_most(drop):
    runs = table(2).drop(columns=drop)
    got = compute_findings(runs, permutations=0, resamples=0, slow=drop is METRICS)
    assert len(got.cells) and got.sentences and got.methods_text
    for name, frame in got.frames.items():
        assert len(frame.columns), name


def test_one_structure_one_task():
    runs = table(3)
    got = compute_findings(
        runs[(runs["structure"] == "instruction_last") & (runs["task"] == "fact")], permutations=0, resamples=0
    )
    assert got.base == "instruction_last" and set(got.quality["verdict"]) == {"baseline"}


def test_it_says_what_is_missing_and_stops_when_told():
    with pytest.raises(StudyError, match="'model'"):
        compute_findings(table(2).drop(columns="model"))
    with pytest.raises(StudyError, match="no rows"):
        compute_findings(table(2).iloc[:0])
    with pytest.raises(Cancelled):
        compute_findings(table(2), cancelled=lambda: True)


def test_the_given_table_is_not_changed():
    runs = table(3)
    before = runs.copy()
    compute_findings(runs, permutations=0, resamples=0, slow=False)
    pd.testing.assert_frame_equal(runs, before)


def test_holm_is_over_both_tables():
    assert holm_p(np.array([0.01, 0.04, np.nan, 0.03])).tolist()[:2] == pytest.approx([0.03, 0.06])
    row = {"feature": "a", "metric": "b", "rho": 0.5, "p": 0.03, "q": 0.9, "linked": False, "why": "", "i2": 0.8}
    one, two = add_verdicts(pd.DataFrame([row]), pd.DataFrame([row]), [("a", "b")])
    assert one["p_primary"].tolist() == two["p_primary"].tolist() == [0.06]
    assert one["verdict"].tolist() == ["no correlation found"] and "I² = 80" in one["why"][0]
    assert (
        add_verdicts(pd.DataFrame([row]), pd.DataFrame([replace_row(row, linked=True)]), [("a", "b")])[0]["verdict"][0]
        == "positive"
    )


def replace_row(row, **changes):
    return {**row, **changes}


def test_cells_of_runs_that_all_failed():
    runs = table(1).assign(error="No.", truncated=False)
    got = cells_of(runs)
    assert got["truncated_share"].isna().all() and (got["failed_share"] == 1).all()


def test_comparing_structures_tells_how_far_it_is_and_can_be_stopped_inside_one_of_them():
    runs = made_up.runs_table(8)
    about = {"lookback": ValueDescription("Lookback", "", "attention")}
    seen = []
    compare_structures(runs, about, "instruction_first", resamples=9, check=lambda *told: seen.append(told))
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions) and len(seen) > 4 * len({text for _, text in seen})
    assert any("Instruction last" in text for _, text in seen)
