"""Tests of correlations over a table of runs: known answers, and changes that must not affect them."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.study.statistics import blocks, correlate_table
from core.study.statistics.simulation import SimulatedStudy, simulate_runs

pytestmark = pytest.mark.slow

COLUMNS = ["feature", "metric", "rho", "low", "high", "p", "q", "n"]


def runs(rho=0.5, prompts=60, seed=0, **more):
    return simulate_runs(SimulatedStudy(prompts=prompts, rho=rho, **more), np.random.default_rng(seed))


def one(table, **more):
    more = {"resamples": 99, "permutations": 199} | more
    return correlate_table(table, "feature_0", "metric_0", **more).iloc[0]


def test_it_is_spearman_over_prompt_means():
    table = runs()
    mean = table.groupby("prompt_id")[["feature_0", "metric_0"]].mean()
    want = stats.spearmanr(mean.feature_0, mean.metric_0)
    got = one(table, permutations=9999, resamples=999)
    assert got.rho == pytest.approx(want.statistic) and got.n == 60
    assert got.p == pytest.approx(max(want.pvalue, 1e-4), abs=3e-3) and got.low < got.rho < got.high


def test_columns_and_order():
    table = runs(features=2, metrics=3)
    got = correlate_table(
        table, ["feature_1", "feature_0", "feature_1"], [f"metric_{i}" for i in range(3)], resamples=0
    )
    assert list(got.columns[:8]) == COLUMNS and len(got) == 6
    assert got.feature.tolist() == ["feature_1"] * 3 + ["feature_0"] * 3
    assert got.low.isna().all() and got.p.notna().all()
    assert list(correlate_table(table, [], ["metric_0"]).columns[:8]) == COLUMNS


@pytest.mark.parametrize(
    "change",
    [
        lambda t: pd.concat([t] * 4),
        lambda t: t.sample(frac=1, random_state=0),
        lambda t: t.set_index("model"),
        lambda t: t.assign(feature_0=t.feature_0 * 1e9 + 5, metric_0=t.metric_0 * 1e-9),
        lambda t: t.assign(other=np.nan, answer="text"),
        lambda t: pd.concat([t, t.assign(metric_0=np.nan), t.assign(prompt_id=None)]),
    ],
)
def test_what_changes_nothing(change):
    table = runs()
    before, after = one(table), one(change(table))
    assert after[COLUMNS[2:]].tolist() == pytest.approx(before[COLUMNS[2:]].tolist(), abs=0.1)
    assert after.rho == pytest.approx(before.rho) and after.n == before.n


def test_runs_of_a_prompt_are_no_evidence():
    table = runs(rho=0.0, prompts=12)
    got = one(pd.concat([table] * 30))
    assert got.n == 12 and np.isnan(got.p) and np.isnan(got.q) and "12 prompts" in got.why and np.isfinite(got.rho)


@pytest.mark.parametrize("prompts", [0, 1, 3, 4, 5, 8])
def test_few_prompts_are_told_and_break_nothing(prompts):
    table = runs(prompts=max(prompts, 1), runs=2)[: 2 * prompts]
    for more in ({}, {"strata": "task"}, {"estimand": "within", "over": "model"}):
        got = one(table, **more)
        assert np.isnan(got.p) and np.isnan(got.q) and "a verdict needs 30" in got.why
    assert one(table).n == prompts and np.isfinite(one(table).rho) == (prompts >= 5)


def test_strata_are_not_mixed():
    table = runs(rho=-0.6, prompts=90, tasks=3, shift=4.0, noise=0.1, seed=1)
    mixed = one(table)
    for strata in ("task", ["task"], ("task", "model")):
        within = one(table, strata=strata)
        assert within.rho < -0.3 and within.p < 0.02 and within.n == 90 and within.strata == 3
    assert mixed.rho > 0.2 and mixed.strata == 1


def test_no_verdict_on_strata_that_differ_stands_against_its_interval():
    """Permutations alone (p = 0.025 here) ask whether all strata are 0; the interval asks about strata like these."""
    parts = [runs(rho=rho, seed=seed).assign(task=f"t{seed}") for seed, rho in enumerate((0.7, 0.3, 0.1, 0.5))]
    table = pd.concat([part.assign(prompt_id=part.task + part.prompt_id.astype(str)) for part in parts])
    got = one(table, strata="task", permutations=999, resamples=999)
    assert got.rho > 0.3 and got.tau > 0.2 and got.low < 0 < got.high and got.p > 0.05
    alike = pd.concat([part.assign(prompt_id=f"{i} " + part.prompt_id.astype(str), task=f"t{i}")
                       for i, part in enumerate([runs(rho=0.4, seed=s) for s in range(4)])])  # fmt: skip
    got = one(alike, strata="task", permutations=999, resamples=999)
    assert got.low > 0 and got.p <= 0.002


def test_strata_on_the_same_prompts_are_not_independent():
    """Two copies of a model give the same interval and p as one."""
    table = runs(rho=0.3)
    twice = pd.concat([table, table.assign(model="copy")])
    alone, both = one(table, strata="model"), one(twice, strata="model")
    assert both.strata == 2 and both.n == alone.n
    assert both[["rho", "low", "high", "p", "tau"]].tolist() == pytest.approx(
        alone[["rho", "low", "high", "p", "tau"]].tolist()
    )


def test_runs_missing_in_one_stratum():
    table = runs(rho=0.7, models=2, seed=3)
    table.loc[(table.model == "m1") & (table.prompt_id.isin(["p1", "p2", "p3"])), "metric_0"] = np.nan
    got = one(table, strata="model")
    assert got.n == 60 and got.strata == 2 and got.p < 0.01


def test_strata_that_are_too_small_are_left_out():
    table = runs(rho=0.7)
    few = table[table.prompt_id.isin(["p0", "p1", "p2"])].assign(task="few", metric_0=-99.0)
    got = one(pd.concat([table, few.assign(prompt_id="q" + few.prompt_id)]), strata="task")
    assert got.strata == 1 and got.n == 60


def test_undefined_columns():
    table = runs(features=2, metrics=2)
    table["constant"], table["nothing"], table["yes"] = 1.0, np.nan, table.prompt_id.isin([f"p{i}" for i in range(5)])
    table.loc[table.index % 2 == 0, "metric_1"] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = correlate_table(
            table, ["feature_0", "constant"], ["metric_0", "metric_1", "nothing", "yes"], resamples=50
        )
    got = got.set_index(["feature", "metric"])
    assert "same for all" in got.why["constant", "metric_0"] and np.isnan(got.rho["constant", "metric_0"])
    assert got.n["feature_0", "nothing"] == 0 and np.isnan(got.rho["feature_0", "nothing"])
    assert "5 prompts with yes" in got.why["feature_0", "yes"] and np.isnan(got.p["feature_0", "yes"])
    tested = got.p.notna()
    assert tested.sum() == 2 and (got.q.notna() == tested).all() and (got.why[tested] == "").all()


def test_intervals_of_rare_answers_are_no_narrower_than_those_of_fisher():
    """Two right answers of 60, with middle ranks: the bootstrap can only draw these two again."""
    table = pd.DataFrame({"prompt_id": range(60), "feature_0": np.arange(60.0), "metric_0": 0})
    table.loc[[29, 30], "metric_0"] = 1
    got = one(table, resamples=499)
    assert got.high == pytest.approx(np.tanh(1.96 * np.sqrt(1.06 / 57)), abs=0.001)
    assert got.low == pytest.approx(-got.high)
    assert np.isnan(got.p) and "2 prompts with yes" in got.why


def test_a_pair_is_taken_over_its_own_runs():
    """Where quality is undefined for a run, that run's feature does not count for the pair either."""
    table = runs(noise=0.0)
    odd = table.groupby("prompt_id").cumcount() == 0
    table.loc[odd, "feature_0"], table.loc[odd, "metric_0"] = 1e6 * np.arange(odd.sum()), np.nan
    assert one(table).rho == pytest.approx(one(runs(noise=0.0)).rho)


def test_linked_pairs_are_shown_and_left_out_of_the_family():
    table = runs(metrics=2).rename(columns={"feature_0": "share_output", "metric_0": "words"})
    named = {"linked": lambda feature, metric: "one counts the other" if metric == "words" else ""}
    got = correlate_table(table, "share_output", ["words", "metric_1"], **named).set_index("metric")
    assert got.linked.tolist() == [True, False] and got.why["words"].startswith("Linked:")
    assert np.isfinite(got.rho["words"]) and np.isfinite(got.p["words"]) and np.isnan(got.q["words"])
    assert got.q["metric_1"] == got.p["metric_1"]
    free = correlate_table(table, "share_output", ["words", "metric_1"]).set_index("metric")
    assert not free.linked.any() and free.q.notna().all()
    by_hand = correlate_table(table, "share_output", ["words", "metric_1"], linked={("share_output", "metric_1")})
    assert by_hand.linked.tolist() == [False, True]
    same = correlate_table(table, "words", "words", linked=()).iloc[0]
    assert same.linked and same.rho == same.low == same.high == 1, "a column is linked with itself whatever is asked"
    copy = correlate_table(table.assign(copy=table.words, half=table.index % 2), "words", "copy", strata="half").iloc[0]
    assert copy.rho == 1 and copy.i2 == 0 and copy.tau == pytest.approx(0, abs=1e-6)


def test_the_two_estimands_are_not_mixed():
    table = runs(rho=0.7, structures=3, runs=1, seed=2)
    between, within = one(table), one(table, estimand="within")
    assert between.rho < -0.1 and within.rho > 0.3 and within.p <= 0.005 and within.n == 60
    assert one(table[table.structure != "s0"], estimand="within").rho > 0.3
    alone = table[(table.structure == "s0") | (table.prompt_id < "p2")]
    assert one(alone, estimand="within").n == alone.prompt_id[alone.structure != "s0"].nunique()


def test_within_prompts_their_own_level_does_not_count():
    table = runs(rho=0.6, structures=3, runs=2)
    level = 1000 * table.prompt_id.str[1:].astype(int) ** 2
    moved = table.assign(feature_0=table.feature_0 + level, metric_0=table.metric_0 - level)
    before, after = (one(t, estimand="within") for t in (table, moved))
    assert after[COLUMNS[2:]].tolist() == pytest.approx(before[COLUMNS[2:]].tolist())
    mean = table.groupby(["prompt_id", "structure"])[["feature_0", "metric_0"]].mean()
    ranks = (mean - mean.groupby("prompt_id").transform("mean")).rank()
    ranks -= ranks.groupby("prompt_id").transform("mean")
    assert before.rho == pytest.approx(ranks.corr().iloc[0, 1])


def test_between_prompts_nothing_changes_within():
    table = runs(noise=0.0, structures=1).assign(structure=["a", "b", "c"] * 60)
    got = one(table, estimand="within")
    assert np.isnan(got.rho) and "does not change" in got.why


def test_a_structure_that_moves_both_is_taken_out_by_control():
    table = runs(rho=0.0, structures=2, runs=1, tilt=3.0, seed=0)
    table["metric_0"] += 3.0 * (table.structure == "s1")
    got = one(table, estimand="within", controls="structure", resamples=200)
    assert got.rho > 0.5 and abs(got.rho_controlled) < 0.25 and got.low_controlled < 0 < got.high_controlled


def test_controls_and_what_comes_after_the_answer():
    rng = np.random.default_rng(6)
    length, words, own = rng.normal(size=(3, 80))
    table = pd.DataFrame(
        {
            "prompt_id": np.arange(80),
            "prompt_tokens": length,
            "output_tokens": words,
            "task": ["a", "b"] * 40,
            "x": length + words + own,
            "y": length + words + rng.normal(size=80),
        }
    )
    got = correlate_table(table, "x", "y", controls=["prompt_tokens", "task"], post_treatment=["output_tokens"]).iloc[0]
    assert got.rho > got.rho_controlled > 0.3 and got.p_controlled < 0.01
    assert abs(got.rho_post) < 0.3 and got.low_post < 0 < got.high_post


def bent(prompts, seed):
    """Feature and metric are both large for short and for long prompts, and have nothing else in common."""
    rng = np.random.default_rng(seed)
    length = rng.uniform(-1, 1, prompts)
    x, y = length**2 + 0.15 * rng.normal(size=(2, prompts))
    return pd.DataFrame({"prompt_id": np.arange(prompts), "length": length, "feature_0": x, "metric_0": y})


@pytest.mark.parametrize("prompts", [60, 200])
def test_a_control_is_held_fixed_also_where_the_relation_bends(prompts, monkeypatch):
    """A straight line (the control below) leaves nearly all of it."""
    got = [one(bent(prompts, seed), controls="length") for seed in range(20)]
    assert all(row.p < 0.01 for row in got)
    assert np.mean([row.p_controlled <= 0.05 for row in got]) <= 0.15
    assert np.mean([row.low_controlled <= 0 <= row.high_controlled for row in got]) >= 0.85
    assert abs(np.mean([row.rho_controlled for row in got])) < 0.06
    monkeypatch.setattr(blocks, "curve_count", lambda observations: 1)
    assert one(bent(prompts, 0), controls="length").rho_controlled > 0.5


def test_few_observations_are_not_used_up_by_curves():
    """12 prompts and one control: a line is fitted, and the stratum still counts."""
    table = bent(12, 0)
    residuals = [table[c].rank() - np.poly1d(np.polyfit(table["length"].rank(), table[c].rank(), 1))(table["length"].rank())
                 for c in ("feature_0", "metric_0")]  # fmt: skip
    got = one(table, controls="length")
    assert got.rho_controlled == pytest.approx(np.corrcoef(*residuals)[0, 1])


def test_the_same_seed_gives_the_same_numbers():
    table = runs(features=3, metrics=2)
    first, again, other = (
        correlate_table(table, "feature_1", ["metric_0", "metric_1"], seed=seed) for seed in (3, 3, 4)
    )
    pd.testing.assert_frame_equal(first, again)
    assert (first.low != other.low).any()


def test_a_grid_gives_each_pair_what_it_gets_alone():
    table = runs(features=2, metrics=4, awkward=True, models=2)
    ask = {"strata": "model", "resamples": 50, "permutations": 199}
    grid = correlate_table(table, ["feature_0", "feature_1"], [f"metric_{i}" for i in range(4)], **ask)
    for row in grid.itertuples():
        alone = correlate_table(table, row.feature, row.metric, **ask).iloc[0]
        assert (alone.rho, alone.low, alone.high, alone.n) == pytest.approx((row.rho, row.low, row.high, row.n))
