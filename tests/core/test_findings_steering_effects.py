"""Tests what turning reading up or down did: planted effects, nothing where nothing is, a length artefact, cut-off."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from core.seals import SEAL
from core.study.findings.analysis import compute_findings
from core.study.findings.cache import read_findings, write_findings
from core.study.findings.source import check_runs
from core.study.findings.steering_effects import (
    DOSE_COLUMNS,
    MOVE_COLUMNS,
    TREND_COLUMNS,
    control_part,
    laid_out,
    steering_effects,
)
from core.study.findings.structure_effects import ALL_TASKS, ValueDescription
from core.study.quality.metrics import METRICS
from core.study.unsteered_runs import steered_only, unsteered
from tests.core.steered_made_up import FACTORS, RIVALS, steered_instructions, steered_table

pytestmark = pytest.mark.slow


def computed(runs, instructions=None, **more):
    return compute_findings(runs, instructions, slow=False, **{"permutations": 39, "resamples": 39, **more})


@pytest.fixture(scope="module")
def runs():
    return check_runs(steered_table(60, seed=2))


@pytest.fixture(scope="module")
def found(runs):
    return computed(runs, steered_instructions(runs))


ABOUT = {v: ValueDescription(METRICS[v].label, METRICS[v].unit, "outcome") for v in ("followed", "correct")}


def effects(runs, resamples=399):
    """The tables of steered runs alone, without all other findings."""
    return steering_effects(unsteered(runs), steered_only(runs), None, ABOUT, "instruction_first", resamples=resamples)


def only(rows, **where):
    for name, value in where.items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1, where
    return rows.iloc[0]


def over_all(rows, **where):
    return only(rows, task=ALL_TASKS, **where)


def test_a_planted_effect_is_found_at_each_factor_and_called_reading(found):
    assert tuple(found.doses.columns) == DOSE_COLUMNS and tuple(found.dose_trends.columns) == TREND_COLUMNS
    for factor, truth in ((0.25, -0.24), (8.0, 0.36)):
        row = over_all(found.doses, value="followed", part="instruction", factor=factor)
        assert row["low"] < truth < row["high"] and row["net_low"] < truth < row["net_high"]
        assert row["verdict"] == ("higher" if truth > 0 else "lower")
    assert row["effect_of_reading"] and row["why_not"] == ""
    trend = over_all(found.dose_trends, value="followed", part="instruction", against="")
    assert trend["verdict"] == "rises" and trend["low"] < 0.12 < trend["high"]
    assert over_all(found.dose_trends, value="followed", part="instruction", against="question")["verdict"] == "rises"


def test_the_control_part_moves_nothing_and_has_no_control_of_its_own(found):
    rows = found.doses[(found.doses["role"] == "control") & (found.doses["kind"] == "outcome")]
    assert set(rows["part"]) == {"question"} and (rows["verdict"] == "no change found").all()
    assert rows["net_difference"].isna().all() and not rows["effect_of_reading"].any()


def test_rivals_stand_beside_with_the_same_difference(found):
    rows = found.doses[(found.doses["role"] == "rival") & (found.doses["value"] == "followed")]
    assert set(rows["part"]) == set(RIVALS) and rows["factor"].isna().all() and rows["pairs"].notna().all()


def test_outcomes_come_first_then_their_split_price_and_shares(found):
    kinds = list(dict.fromkeys(found.doses["kind"]))
    assert kinds == ["outcome", "split", "price", "reading"]
    outcomes = found.doses.loc[found.doses["kind"] == "outcome", "value"]
    assert next(iter(outcomes)) == "followed" and set(outcomes) == {"followed", "correct"}
    price = over_all(found.doses, value="plain_logprob", part="instruction", factor=8.0)
    assert price["verdict"] == "lower" and price["low"] < -0.6 < price["high"]
    share = over_all(found.doses, value="share_instruction", part="instruction", factor=8.0)
    assert share["mean"] == pytest.approx(0.47, abs=0.03)


def test_instructions_that_gain_from_short_answers_stand_apart(found):
    gaining = over_all(found.doses, value="followed_gaining", part="instruction", factor=8.0)
    others = over_all(found.doses, value="followed_others", part="instruction", factor=8.0)
    assert gaining["verdict"] == "higher" and others["verdict"] == "no change found"


def test_goes_with_stands_beside_moves(found):
    assert tuple(found.moves.columns) == MOVE_COLUMNS and len(found.moves) == 2 * 2 * len(FACTORS)
    row = only(found.moves, feature="share_instruction", metric="followed", factor=8.0)
    assert row["moves"] == "with it" and row["goes"] == "no correlation found" and row["share"] > 4 * row["share_plain"]
    down = only(found.moves, feature="share_instruction", metric="followed", factor=0.25)
    assert down["moves"] == "with it" and down["difference"] < 0, "less is read, less is followed"
    assert (found.moves.loc[found.moves["part"] == "question", "moves"] == "no change found").all()
    assert set(found.frames) >= {"doses", "dose_trends", "comparable", "moves"}


def test_nothing_planted_nothing_found():
    got = effects(check_runs(steered_table(60, step=0.0, seed=4)))
    rows = got["doses"][(got["doses"]["kind"] == "outcome") & (got["doses"]["role"] != "plain")]
    assert (rows["verdict"] == "no change found").all() and not rows["effect_of_reading"].any()
    assert (
        not got["dose_trends"].loc[got["dose_trends"]["value"] == "followed", "verdict"].isin(["rises", "falls"]).any()
    )


def test_a_gain_through_shortness_alone_is_no_effect_of_reading():
    """Following means fewer than 45 words here, and the factor shortens: it rises strongly and is never called so."""
    got = effects(check_runs(steered_table(100, step=0.0, artefact=True, shorter=0.2, seed=5)))
    rows = got["doses"][(got["doses"]["value"] == "followed") & (got["doses"]["part"] == "instruction")]
    clear = rows[(rows["task"] == ALL_TASKS) & (rows["factor"] > 1)]
    assert (clear["verdict"] == "higher").all() and (clear["net_q"] < 0.01).all()
    assert not rows["effect_of_reading"].any() and (clear["why_not"] != "").all()
    near = over_all(got["comparable"], value="followed", part="instruction", factor=2.0)
    assert 30 <= near["pairs"] < near["of_pairs"] and near["odds_low"] < 1 < near["odds_high"]


def test_without_a_control_part_nothing_is_called_reading(runs):
    alone = runs[~(runs["steered"] == "question")]
    got = effects(alone)
    rows = got["doses"][(got["doses"]["value"] == "followed") & (got["doses"]["role"] == "part")]
    assert (rows["verdict"].isin(["higher", "lower"])).any() and not rows["effect_of_reading"].any()
    assert "no other part was turned by the same factor" in set(rows["why_not"])


def test_a_gain_that_comes_from_leaving_out_cut_off_answers_is_none():
    """At x 8 answers that do not follow run into the limit and lose their verdict: counted as failed, nothing is left."""
    t = steered_table(60, step=0.0, seed=6)
    bad = (t["steered"] == "instruction") & (t["factor"] == 8.0) & (t["followed"] == 0)
    bad &= np.random.default_rng(0).random(len(t)) < 0.9
    why = np.where(bad, '{"followed": "the answer was cut off by the token limit"}', "")
    cut = t.assign(followed=t["followed"].where(~bad), truncated=bad, why=why)
    got = effects(check_runs(cut), 1999)
    row = over_all(got["doses"], value="followed", part="instruction", factor=8.0)
    assert row["q"] < 0.05 and row["difference"] > 0.2 and row["cut_low"] < 0 < row["cut_high"]
    assert row["verdict"] == "no change found" and "cut-off" in row["why"]


def test_few_prompts_give_numbers_and_no_verdict():
    got = effects(check_runs(steered_table(8, tasks=("fact",))))
    rows = got["doses"][got["doses"]["role"] == "part"]
    assert (rows["verdict"] == "too few prompts").all() and rows["difference"].notna().any()
    assert set(rows["task"]) == {"fact"}, "one task needs no row of all"


def test_only_prompts_that_were_steered_are_compared(runs):
    few = runs[(runs["steered"] == "") | (runs["prompt_id"].isin(sorted(runs["prompt_id"])[: 12 * 40]))]
    steered = steered_only(few)
    laid = laid_out(unsteered(few), steered, "instruction_first")
    assert set(laid["prompt_id"]) == set(steered["prompt_id"]) < set(runs["prompt_id"])
    assert set(laid["role"]) == {"plain", "part", "control", "rival"}
    assert laid.loc[laid["role"] == "plain", "structure"].unique().tolist() == ["instruction_first"]


@pytest.mark.parametrize(
    ("parts", "control"),
    [
        (["instruction"], ""),
        (["question", "instruction"], "question"),
        (["instruction", "context"], "context"),
        ([], ""),
    ],
)
def test_which_part_is_the_control(parts, control):
    assert control_part(parts) == control


def test_plain_runs_take_their_own_log_probability(runs):
    bare = unsteered(runs).assign(plain_logprob=np.nan, mean_logprob=-1.5)
    laid = laid_out(bare, steered_only(runs.assign(mean_logprob=-9.0)), "instruction_first")
    assert set(laid.loc[laid["role"] == "plain", "plain_logprob"]) == {-1.5}
    assert (laid.loc[laid["role"] == "part", "plain_logprob"] > -3).all()


def test_steered_runs_of_another_structure_are_compared_with_nothing(runs):
    away = steered_only(runs).assign(structure="instruction_last")
    assert steering_effects(unsteered(runs), away, None, {}, "instruction_first", resamples=99) == {}
    got = computed(pd.concat([unsteered(runs), away]), permutations=9, resamples=9)
    assert got.doses.empty and got.steering_sentences == ()


def test_findings_are_stored_and_older_ones_open(found, tmp_path):
    write_findings(found, tmp_path / "new")
    again = read_findings(tmp_path / "new")
    for name in ("doses", "dose_trends", "comparable", "moves"):
        assert_frame_equal(getattr(found, name), getattr(again, name))
    assert again.steering_sentences == found.steering_sentences
    bare = replace(found, **{n: pd.DataFrame() for n in ("doses", "dose_trends", "comparable", "moves")})
    write_findings(bare, tmp_path / "old")
    assert not list((tmp_path / "old").glob("dose*.parquet"))
    plain = tmp_path / "old" / "plain.json"
    older = json.loads(plain.read_text())
    del older["steering_sentences"], older[SEAL]  # what an older version wrote had neither
    plain.write_text(json.dumps(older))
    old = read_findings(tmp_path / "old")
    assert old.doses.empty and old.steering_sentences == () and "doses" not in old.frames
