"""Tests of differences by prompt: planted effects, nulls, hand-made tables, equality with exact tests."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.errors import StudyError
from core.study.statistics.cell_means import cell_means, design_levels, paired_design
from core.study.statistics.multiple_testing import q_values
from core.study.statistics.paired_differences import count_pairs, net_terms, signed_contrast
from core.study.statistics.prompt_means import (
    bootstrap_interval,
    draw_prompts,
    exact_flipped_p,
    matched_interval,
    mean_tests,
    share_interval,
)


def paired(table, value, base="base", by=("task", "model")):
    """Each level minus ``base``, by prompt, for each combination of ``by``; q over all rows."""
    values = [value] if isinstance(value, str) else list(value)
    design = paired_design(table, "structure", "prompt_id", by, None, resamples=9999)
    means = cell_means(table, values, design)
    found = [
        signed_contrast(means, design, [(level, False, 1), (base, False, -1)]).assign(level=level)
        for level in design_levels(means)
        if level != base
    ]
    if not found:
        return pd.DataFrame(columns=["level", "difference", "p"])
    out = pd.concat(found, ignore_index=True).rename(columns={"first": "mean", "rest": "base_mean"})
    return out.assign(q=q_values(out["p"].to_numpy(float)))


def against_control(table, value, base="base"):
    """{level: its difference to its own control}, {level: that minus the same of ``base``}, as two tables."""
    design = paired_design(table, "structure", "prompt_id", ("task", "model"), None, resamples=9999)
    means = cell_means(table, [value], design)
    tables = []
    for terms in (lambda level: [(level, False, 1), (level, True, -1)], lambda level: net_terms(level, base)):
        rows = [signed_contrast(means, design, terms(level)).assign(level=level) for level in design_levels(means)]
        tables.append(pd.concat(rows).set_index("level") if rows else pd.DataFrame())
    return tables


def runs(
    n=40, tasks=("t",), models=("m",), effect=0.0, seed=0, seeds=1, structures=("base", "s"), place=0.0, words=0.0
):
    """Runs of n prompts a task. ``effect``: what structure s adds; ``place``: the same added to its control too;
    ``words``: what an instruction adds over its filler, in every structure."""
    rng, rows = np.random.default_rng(seed), []
    for task, model, number in itertools.product(tasks, models, range(n)):
        own = rng.normal()
        for structure, control, k in itertools.product(structures, (False, True), range(seeds)):
            moved = structure != "base"
            y = own + place * moved + (0 if control else words + effect * moved) + 0.5 * rng.normal()
            rows.append((f"{task}-{number}", task, model, structure, control, k, y))
    return pd.DataFrame(rows, columns=["prompt_id", "task", "model", "structure", "control", "seed", "y"])


def test_by_hand():
    table = pd.DataFrame(
        {
            "prompt_id": ["a", "a", "a", "b", "b", "c"],
            "structure": ["base", "s", "s", "base", "s", "s"],
            "y": [1.0, 2.0, 4.0, 5.0, 6.0, 100.0],
        }
    )
    row = paired(table, "y", by=()).iloc[0]
    assert (row["difference"], row["n"], row["mean"], row["base_mean"]) == (1.5, 2, 4.5, 3.0)


def test_a_planted_difference_is_found_and_a_null_is_not():
    table = runs(effect=0.6, seed=1)
    row = paired(table, "y").iloc[0]
    assert row["low"] < 0.6 < row["high"] and row["p"] < 0.01 and row["low"] > 0
    row = paired(runs(seed=2), "y").iloc[0]
    assert row["low"] < 0 < row["high"] and row["p"] > 0.05


def test_only_what_is_more_than_place_is_a_claim_about_structure():
    table = runs(place=1.0, words=0.5, seed=3)
    assert paired(table, "y").iloc[0]["p"] <= 0.001, "place alone moves the value"
    own, net = against_control(table, "y")
    assert own.loc["s", "p"] < 0.01 and abs(own.loc["s", "difference"] - 0.5) < 0.3
    assert net.loc["s", "p"] > 0.05 and net.loc["s", "low"] < 0 < net.loc["s", "high"]
    assert abs(net.loc["base", "difference"]) < 1e-12 and own.loc["base", "n"] == 40
    _, real = against_control(runs(place=1.0, effect=0.8, seed=9), "y")
    assert real.loc["s", "low"] < 0.8 < real.loc["s", "high"] and real.loc["s", "p"] < 0.01


def test_a_structure_without_its_control_is_asked_nothing():
    table = runs()
    table = table[~(table["control"] & (table["structure"] == "s"))]
    own, net = against_control(table, "y")
    assert "s" not in {*own.index, *net.index} and own.loc["base", "n"] == 40


def test_means_of_the_terms_are_of_the_prompts_that_have_both():
    """Prompts that lack one level, in the middle and not only at the end, move neither mean."""
    table = runs(n=40, seed=6)
    gone = table["prompt_id"].isin([f"t-{i}" for i in range(0, 40, 3)]) & (table["structure"] == "base")
    table = table[~gone & ~table["control"]]
    wide = table.pivot(index="prompt_id", columns="structure", values="y").dropna()
    row = paired(table, "y").iloc[0]
    assert row["n"] == len(wide) == 26
    assert row["mean"] == pytest.approx(wide["s"].mean()) and row["base_mean"] == pytest.approx(wide["base"].mean())
    assert row["difference"] == pytest.approx(row["mean"] - row["base_mean"])


def test_pairs_are_counted_as_they_are_tested():
    table = runs(n=12, tasks=("t", "u"), seeds=2, seed=7)
    table.loc[table["prompt_id"].isin(["t-3", "u-5", "u-6"]), "y"] = np.nan
    design = paired_design(table, "structure", "prompt_id", ("task",), None, resamples=9)
    means, terms = cell_means(table, ["y"], design), [("s", False, 1), ("base", False, -1)]
    counted, tested = count_pairs(means, design, terms), signed_contrast(means, design, terms)
    assert counted["n"].tolist() == [11, 10]
    pd.testing.assert_frame_equal(counted, tested[["value", "task", "n"]])


def test_runs_of_the_control_never_stand_for_the_structure():
    table = runs()
    table.loc[table["control"], "y"] = 1000.0
    assert abs(paired(table, "y").iloc[0]["difference"]) < 1


def test_many_runs_of_a_prompt_are_no_more_prompts():
    once, thrice = runs(seeds=1, seed=5), runs(seeds=1, seed=5)
    thrice = pd.concat([thrice.assign(seed=k) for k in range(3)], ignore_index=True)
    a, b = (paired(t, "y").iloc[0] for t in (once, thrice))
    assert a[["difference", "low", "high", "p", "n"]].tolist() == pytest.approx(
        b[["difference", "low", "high", "p", "n"]].tolist()
    )


def test_runs_are_matched_by_model_where_it_is_not_held():
    table = runs(models=("a", "b"), seed=6)
    table.loc[table["model"] == "b", "y"] += 50
    lost = table[~((table["model"] == "b") & (table["structure"] == "s") & table["prompt_id"].isin(["t-0", "t-1"]))]
    row = paired(lost, "y", by=("task",)).iloc[0]
    assert row["n"] == 40 and abs(row["difference"]) < 1, "an unmatched run of another model would add 25"


def test_undefined_is_left_out_by_column():
    table = runs(seed=7).assign(z=np.nan)
    table.loc[table["prompt_id"] == "t-3", "y"] = np.nan
    got = paired(table, ["y", "z", "never made"])
    assert got["value"].tolist() == ["y"] and got["n"].tolist() == [39]


def test_strata_stay_apart_and_q_is_over_all_rows():
    table = runs(tasks=("t", "u"), models=("m", "k"), effect=1.0)
    got = paired(table, "y")
    assert len(got) == 4 and set(got["n"]) == {40}
    assert got["q"].tolist() == pytest.approx(q_values(got["p"].to_numpy()).tolist())
    assert (got["q"] >= got["p"] - 1e-12).all()


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(StudyError, match="no column 'task'.*prompt_id"):
        paired(runs().drop(columns="task"), "y")


def test_nothing_to_compare_is_an_empty_table():
    table = runs(structures=("s",))
    design = paired_design(table, "structure", "prompt_id", ("task", "model"), None)
    means = cell_means(table, ["y"], design)
    got = signed_contrast(means, design, [("s", False, 1), ("base", False, -1)])
    assert got.empty and "difference" in got.columns
    none = cell_means(table.iloc[:0], ["y"], design)
    assert design_levels(none) == []


@pytest.mark.parametrize("more, less, same", [(9, 2, 20), (30, 14, 250), (0, 5, 30), (7, 7, 1)])
def test_for_yes_and_no_it_is_mcnemars_exact_test(more, less, same):
    d = np.array([1] * more + [-1] * less + [0] * same, float)[:, None]
    exact = stats.binomtest(more, more + less).pvalue
    assert exact_flipped_p(d)[0] == pytest.approx(exact, rel=1e-9)
    assert mean_tests(d, binary=np.array([True]), resamples=99).p[0] == pytest.approx(exact, rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_the_exact_p_is_that_of_all_flips(d):
    d = np.array(d, float)
    sums = [abs(np.dot(s, d)) for s in itertools.product((-1, 1), repeat=len(d))]
    assert exact_flipped_p(d[:, None])[0] == pytest.approx(np.mean([s >= abs(d.sum()) - 1e-9 for s in sums]))


def test_no_difference_anywhere_has_a_width_for_yes_and_no():
    got = mean_tests(np.zeros((40, 1)), binary=np.array([True]))
    assert got.low[0] == pytest.approx(-0.0467, abs=0.001) and got.high[0] == -got.low[0] and got.p[0] == 1.0


def test_adjusted_wald_is_agresti_and_min():
    d = np.array([1] * 12 + [-1] * 3 + [0] * 25, float)
    n, b, c = 42, 12.5, 3.5
    middle, se = (b - c) / n, np.sqrt(b + c - (b - c) ** 2 / n) / n
    low, high = matched_interval(d[:, None], np.array([40]))
    assert (low[0], high[0]) == pytest.approx((middle - 1.959964 * se, middle + 1.959964 * se), abs=1e-6)


def test_wilson():
    low, high = share_interval(np.array([0, 8]), np.array([40, 10]))
    assert (low[0], high[0]) == pytest.approx((0, 0.0876), abs=1e-3)
    assert (low[1], high[1]) == pytest.approx((0.490, 0.943), abs=1e-3)


SKEWED = {
    "normal": (lambda rng, shape: rng.normal(size=shape), 0.0),
    "lognormal": (lambda rng, shape: rng.lognormal(size=shape), np.exp(0.5)),
    "exponential": (lambda rng, shape: rng.exponential(size=shape), 1.0),
    "long tails": (lambda rng, shape: rng.standard_t(3, size=shape), 0.0),
}


@pytest.mark.parametrize("kind", SKEWED)
@pytest.mark.parametrize("prompts", [30, 64])
def test_intervals_and_p_hold_what_they_promise_also_where_effects_are_skewed(kind, prompts):
    """Nominal 95 % and 5 %; 800 studies, so plus or minus 1.5 points. Percentiles: 87 % for lognormals, 30 prompts."""
    draw, mean = SKEWED[kind]
    d = draw(np.random.default_rng(prompts), (prompts, 800)) - mean
    got = mean_tests(d, resamples=999)
    held = ((got.low <= 0) & (got.high >= 0)).mean()
    assert 0.92 < held < 0.985
    assert 1 - held == pytest.approx((got.p <= 0.05).mean(), abs=0.004), "p and interval say the same"


def test_the_bootstrap_is_studentised_by_hand():
    """Against a slow loop over resamples, with a value that is undefined."""
    d = np.array([0.2, 1.0, -0.4, 3.0, 0.1, np.nan, 0.9, 2.2, -1.0, 0.3, 0.8, 0.5])
    counts = draw_prompts(len(d), 450, 0)
    known = d[np.isfinite(d)]
    error, t = known.std(ddof=1) / np.sqrt(len(known)), []
    for drawn in counts.astype(int):
        again = np.repeat(d, drawn)
        again = again[np.isfinite(again)]
        t.append((again.mean() - known.mean()) / (again.std(ddof=1) / np.sqrt(len(again))))
    least, most = np.quantile(t, (0.025, 0.975), method="inverted_cdf")
    far = np.quantile(np.abs(t), 0.95, method="inverted_cdf")
    got = mean_tests(d[:, None], resamples=450)
    assert got.low[0] == pytest.approx(known.mean() - max(most, far) * error)
    assert got.high[0] == pytest.approx(known.mean() - min(least, -far) * error)
    own = known.mean() / error
    tails = [(1 + np.sum(side)) / 451 for side in (t >= own, t <= own, np.abs(t) >= own)]
    assert got.p[0] == pytest.approx(max(2 * min(tails[:2]), tails[2]))


def test_two_prompts_have_a_mean_and_where_few_differ_there_is_no_interval():
    low, _ = bootstrap_interval(np.array([[1.0], [3.0]]))
    assert np.isnan(low[0]), "half of the resamples have no spread"
    few = np.zeros((40, 1))
    few[0] = 5.0
    got = mean_tests(few)
    assert np.isnan(got.low[0]) and got.mean[0] == 0.125 and np.isnan(got.p[0]), "a p without its interval is none"
    same = mean_tests(np.full((40, 1), 2.0))
    assert (same.low[0], same.high[0]) == (2.0, 2.0) and same.p[0] < 0.001
    none = mean_tests(np.zeros((40, 1)))
    assert (none.low[0], none.high[0], none.p[0]) == (0.0, 0.0, 1.0)


def test_symmetric_effects_have_intervals_about_as_wide_as_students():
    d = np.random.default_rng(4).normal(size=(30, 200))
    low, high = bootstrap_interval(d)
    student = 2 * stats.t.ppf(0.975, 29) * d.std(0, ddof=1) / np.sqrt(30)
    assert 0.98 < ((high - low) / student).mean() < 1.1
