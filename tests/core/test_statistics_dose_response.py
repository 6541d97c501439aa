"""Tests dose-response statistics: numbers by hand, planted effects, nothing in noise, sizes that differ."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.errors import StudyError
from core.study.statistics.dose_response import (
    WITHOUT,
    DoseDesign,
    add_family_q,
    comparable_levels,
    dose_levels,
    dose_trends,
    levels_of,
)

FEW = {"resamples": 499, "permutations": 999}
DOSES = (0.5, 2.0, 4.0)


def table(prompts=40, tasks=("a",), step=1.0, doses=DOSES, parts=("x", "c"), rivals=("r",), seed=0, noise=0.3):
    """``y`` rises by ``step`` per doubling on part x, never on c; the rival adds 5; prompts differ by 10 and more."""
    rng = np.random.default_rng(seed)
    rows = []
    for task in tasks:
        for i in range(prompts):
            own = 10 * rng.normal()
            for part, dose in [WITHOUT, *((p, d) for p in parts for d in doses), *((r, np.nan) for r in rivals)]:
                up = np.log2(dose) if part == "x" and dose > 0 else 0.0
                y = own + step * up + 5 * (part == "r") + noise * rng.normal()
                rows.append({"prompt_id": f"{task}{i}", "task": task, "model": "m", "part": part, "dose": dose, "y": y})
    return pd.DataFrame(rows)


def only(rows, **where):
    for name, value in where.items():
        rows = rows[rows[name].isna()] if value is None else rows[rows[name] == value]
    assert len(rows) == 1, (where, len(rows))
    return rows.iloc[0]


def test_levels_stand_in_order_rivals_last():
    t = table(2).sample(frac=1, random_state=1)
    found = levels_of(t, DoseDesign(control="c"))
    assert found[0] == WITHOUT and [x for x in found if x[0] == "x"] == [("x", d) for d in DOSES]
    assert found[-1][0] == "r" and np.isnan(found[-1][1])


def test_differences_are_those_of_the_same_prompts_by_hand():
    t = table(12)
    wide = t.assign(key=t["part"] + t["dose"].astype(str)).pivot(index="prompt_id", columns="key", values="y")
    got = dose_levels(t, ["y"], DoseDesign(control="c", **FEW))
    row = only(got, part="x", dose=4.0)
    assert row["difference"] == pytest.approx((wide["x4.0"] - wide["1.0"]).mean())
    assert row["net_difference"] == pytest.approx((wide["x4.0"] - wide["c4.0"]).mean())
    assert row["mean"] == pytest.approx(wide["x4.0"].mean()) and row["mean_low"] < row["mean"] < row["mean_high"]
    assert row["pairs"] == row["net_pairs"] == row["n"] == row["runs"] == 12
    assert row["low"] < 2 < row["high"] and row["p"] < 0.01 and row["net_p"] < 0.01
    control, rival, plain = only(got, part="c", dose=4.0), only(got, part="r"), only(got, part="")
    assert np.isnan(control["net_difference"]) and np.isnan(rival["net_difference"]) and np.isnan(plain["difference"])
    assert rival["low"] < 5 < rival["high"] and control["p"] > 0.01


def test_a_prompt_that_failed_at_a_dose_stands_for_no_other():
    t = table(12)
    gone = t[~((t["prompt_id"] == "a0") & (t["part"] == "x") & (t["dose"] == 4.0))]
    row = only(dose_levels(gone, ["y"], DoseDesign(**FEW)), part="x", dose=4.0)
    assert row["pairs"] == row["n"] == 11 and row["low"] < 2 < row["high"]


def test_yes_and_no_take_the_exact_test_and_wilsons_interval():
    t = table(20, step=0.0, rivals=())
    t["y"] = ((t["part"] == "x") & (t["dose"] == 4.0) & t["prompt_id"].isin([f"a{i}" for i in range(6)])).astype(float)
    row = only(dose_levels(t, ["y"], DoseDesign(control="c", **FEW)), part="x", dose=4.0)
    assert row["p"] == pytest.approx(2 * 0.5**6) and row["mean"] == 0.3
    interval = stats.binomtest(6, 20).proportion_ci(method="wilson")
    assert (row["mean_low"], row["mean_high"]) == pytest.approx((interval.low, interval.high))


def test_trends_are_slopes_per_doubling_alone_and_against_the_control():
    got = dose_trends(table(30, tasks=("a", "b")), ["y"], DoseDesign(control="c", **FEW))
    for task in ("a", "b"):
        own, net = only(got, part="x", against="", task=task), only(got, part="x", against="c", task=task)
        for row in (own, net):
            assert row["slope"] == pytest.approx(1.0, abs=0.1) and row["low"] < row["slope"] < row["high"]
            assert row["p"] <= 0.002 and row["n"] == 30
        assert only(got, part="c", against="", task=task)["p"] > 0.001
    assert set(got["part"]) == {"x", "c"}, "a rival has no trend"


def test_a_dose_of_zero_has_a_level_and_is_no_part_of_a_trend():
    t = table(15, doses=(0.0, *DOSES))
    t.loc[(t["part"] == "x") & (t["dose"] == 0.0), "y"] -= 50
    d = DoseDesign(**FEW)
    assert only(dose_levels(t, ["y"], d), part="x", dose=0.0)["difference"] < -40
    assert only(dose_trends(t, ["y"], d), part="x")["slope"] == pytest.approx(1.0, abs=0.2)


def test_seeds_and_tasks_are_averaged_inside_a_prompt():
    t = pd.concat([table(10, seed=1), table(10, seed=1).assign(y=lambda x: x["y"] + 2)])
    got = only(dose_levels(t, ["y"], DoseDesign(by=("model",), **FEW)), part="x", dose=2.0)
    assert got["n"] == got["pairs"] == 10 and got["runs"] == 20
    assert got["difference"] == pytest.approx(
        only(dose_levels(table(10, seed=1), ["y"], DoseDesign(by=("model",), **FEW)), part="x", dose=2.0)["difference"]
    )


def sized(prompts, shrink, threshold=True, effect=0.0, seed=0):
    """Runs with a size; ``y`` says that the size is below 50 (or a coin), plus ``effect`` at the dose."""
    rng = np.random.default_rng(seed)
    base = np.exp(rng.normal(np.log(60), 0.4, prompts))
    dosed = base * np.exp(-shrink + 0.3 * rng.normal(size=prompts))
    y = [s < 50 if threshold else rng.random(prompts) < 0.4 for s in (base, dosed)]
    gain = rng.random(prompts) < effect
    both = [y[0], y[1] | gain]
    return pd.DataFrame(
        {
            "prompt_id": np.tile(np.arange(prompts), 2), "task": "a", "model": "m",
            "part": np.repeat(["", "x"], prompts), "dose": np.repeat([1.0, 8.0], prompts),
            "y": np.concatenate(both).astype(float), "size": np.concatenate([base, dosed]),
        }
    )  # fmt: skip


def test_pairs_of_comparable_size_by_hand():
    t = pd.DataFrame(
        {
            "prompt_id": [1, 2, 3, 4] * 2, "task": "a", "model": "m", "part": [""] * 4 + ["x"] * 4,
            "dose": [1.0] * 4 + [2.0] * 4, "y": [0, 0, 1, 0, 1, 1, 1, 1],
            "size": [100, 100, 0, 80, 125, 126, 0, 100],
        }
    )  # fmt: skip
    row = comparable_levels(t, ["y"], DoseDesign(**FEW), "size").iloc[0]
    assert (row["pairs"], row["of_pairs"]) == (3, 4), "125 words to 100 are comparable, 126 are not, 0 and 0 are"
    assert row["difference"] == pytest.approx(2 / 3) and row["without"] == pytest.approx(1 / 3) and row["mean"] == 1
    assert (row["better"], row["worse"]) == (2, 0) and row["odds_p"] > 0.1


def test_a_gain_through_shortness_alone_is_gone_at_equal_size():
    t = sized(3000, shrink=0.4)
    whole = only(dose_levels(t, ["y"], DoseDesign(**FEW)), part="x")
    row = comparable_levels(t, ["y"], DoseDesign(**FEW), "size").iloc[0]
    assert whole["low"] > 0.2 and row["pairs"] < row["of_pairs"] == 3000
    assert row["difference"] > 0.02 and row["p"] < 0.05, "inside the band steered answers are still shorter"
    assert row["odds_low"] <= 1 <= row["odds_high"] and row["odds_p"] > 0.05


def test_a_gain_that_has_nothing_to_do_with_size_remains():
    row = comparable_levels(sized(1500, 0.3, threshold=False, effect=0.3), ["y"], DoseDesign(**FEW), "size").iloc[0]
    assert row["odds_low"] > 1.5 and row["low"] > 0.08 and row["odds_p"] < 0.001


def test_one_family_for_all_tests_of_its_values():
    t = table(20).assign(z=lambda x: np.arange(len(x)) % 7.0)
    d = DoseDesign(control="c", **FEW)
    levels, trends = dose_levels(t, ["y", "z"], d), dose_trends(t, ["y", "z"], d)
    levels, trends = add_family_q(levels, trends, {"y": "one", "z": "two"})
    own = [levels.loc[levels["value"] == "y", c] for c in ("p", "net_p")]
    own += [trends.loc[trends["value"] == "y", c] for c in ("p", "p_apart")]
    p = pd.concat(own).dropna()
    assert len(p) == 7 + 3 + 2 * 3
    smallest = [
        levels.loc[levels["value"] == "y", ["q", "net_q"]],
        trends.loc[trends["value"] == "y", ["q", "q_apart"]],
    ]
    assert min(t.min().min() for t in smallest) == pytest.approx(stats.false_discovery_control(p).min())
    assert (levels["q"].dropna() >= levels["p"].dropna()).all() and trends["q_apart"].notna().all()


def test_a_missing_column_is_named():
    with pytest.raises(StudyError, match="no column 'task'"):
        dose_levels(table(3).drop(columns="task"), ["y"], DoseDesign(**FEW))
