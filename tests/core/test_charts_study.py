"""Tests of a study's charts: numbers, undefined values (never 0), hatched linked pairs, odd names, exports."""

import json
import math

import altair as alt
import numpy as np
import pandas as pd
import pytest

from core.charts import picture_files
from core.charts.interval_rows import interval_rows_chart, value_with_interval
from core.charts.study_correlations import correlation_grid_chart
from core.charts.study_cut_off import cut_off_chart
from core.charts.study_forest import forest_chart, heterogeneity_text
from core.charts.study_prediction import prediction_chart
from core.charts.study_quality import quality_chart
from core.charts.study_scatter import RUN_SELECTION, SPREAD, framed_run, jitter, scatter_chart
from tests.core.study_made_up import MODELS, runs_table

ODD = ("the", "\u202eevil", "👩‍👩‍👧", "東京", "a\nb", "<b>", "x" * 90)


def held(chart):
    """The data records of every layer of a chart, by mark."""
    spec = chart.to_dict()
    found = {}
    for layer in spec["layer"]:
        data = layer.get("data") or spec["data"]
        values = data["values"] if "values" in data else spec["datasets"][data["name"]]
        mark = layer["mark"] if isinstance(layer["mark"], str) else layer["mark"]["type"]
        found.setdefault(mark, []).extend(json.loads(values) if isinstance(values, str) else values)
    return found


def rows(values, faint=False):
    return pd.DataFrame(
        {
            "group": ["A", "A", "B"],
            "row": ["one", "two", "one"],
            "series": MODELS[0],
            "value": values,
            "low": [v - 0.1 for v in values],
            "high": [v + 0.1 for v in values],
            "faint": faint,
        }
    )


def measured(**changes):
    """A table like ``Findings.quality``: two tasks x two models x two structures of one value."""
    out = []
    for task in ("all tasks", "fact"):
        for model in MODELS:
            for structure in ("instruction_first", "instruction_last"):
                base = structure == "instruction_first"
                row = {
                    "value": "followed",
                    "label": "All instructions followed",
                    "unit": "yes or no",
                    "kind": "outcome",
                }
                row |= {"task": task, "model": model, "structure": structure, "baseline": base, "runs": 80, "n": 40}
                row |= {
                    "undefined": 0.05,
                    "mean": 0.5,
                    "mean_low": 0.4,
                    "mean_high": 0.6,
                    "verdict": "higher",
                    "why": "",
                }
                for start in ("", "control_", "net_"):
                    ends = {f"{start}low": 0.02, f"{start}high": 0.2, f"{start}p": 0.01, f"{start}q": 0.03}
                    name = f"{start}difference" if start else "difference"
                    row |= ends | {name: np.nan if base else 0.1, f"{start}pairs": 40}
                out.append(row | changes)
    return pd.DataFrame(out)


def correlated():
    made = {"low": 0.1, "high": 0.5, "q": 0.01, "n": 40, "linked": False, "primary": False, "why": "", "verdict": ""}
    return pd.DataFrame(
        [
            made | {"feature": "lookback", "metric": "followed", "rho": 0.3, "primary": True},
            made | {"feature": "lookback", "metric": "words", "rho": -0.9, "q": 0.5},
            made | {"feature": "sink", "metric": "followed", "rho": np.nan, "q": np.nan, "why": "too few prompts"},
            made | {"feature": "sink", "metric": "words", "rho": 0.9, "linked": True},
        ]
    )


def test_rows_keep_their_numbers_and_order():
    data = held(interval_rows_chart(rows([0.3, 0.5, -0.2]), title="T", axis="x"))["point"]
    assert [(r["group"], r["row"], r["value"]) for r in data] == [
        ("A", "one", 0.3),
        ("A", "two", 0.5),
        ("B", "one", -0.2),
    ]
    assert [r["place"] for r in data] == [1, 2, 4], "headings take lines of their own"


def test_undefined_is_said_and_never_zero():
    chart = interval_rows_chart(rows([0.3, math.nan, 0.1]), title="T", axis="x")
    gone = next(r for r in held(chart)["point"] if r["row"] == "two" and r["group"] == "A")
    assert gone["value"] is None and gone["low"] is None and gone["shown"] == "undefined"
    assert "undefined" in chart.to_dict()["description"]


def test_a_missing_column_is_told():
    with pytest.raises(ValueError, match="no column high"):
        interval_rows_chart(rows([1, 2, 3]).drop(columns="high"), title="T", axis="x")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((0.5,), "0.50"),
        ((0.5, 0.4, 0.6), "0.50 (0.40 to 0.60)"),
        ((0.5, 0.4, 0.6, True), "50 % (40 % to 60 %)"),
        ((math.nan, 0.4, 0.6), "undefined"),
    ],
)
def test_values_in_words(given, text):
    assert value_with_interval(*given) == text


def test_quality_draws_means_in_percent_and_no_difference_of_the_baseline():
    own = held(quality_chart(measured(), "followed"))["point"]
    assert len(own) == 8 and {r["shown"] for r in own} == {"50 % (40 % to 60 %)"}
    for ask in ("difference", "control", "net"):
        chart = quality_chart(measured(), "followed", ask, base="Instruction first")
        assert {r["row"] for r in held(chart)["point"]} == {"instruction_last"}, ask


def test_few_prompts_are_hollow_and_said():
    chart = quality_chart(measured(verdict="too few prompts"), "followed")
    assert all(r["faint"] for r in held(chart)["point"])
    assert "too few prompts" in chart.to_dict()["description"]


def test_quality_knows_its_questions():
    with pytest.raises(ValueError, match="no question"):
        quality_chart(measured(), "followed", "cause")
    with pytest.raises(ValueError, match="no value"):
        quality_chart(measured(), "bleu")


def test_forest_prints_heterogeneity_and_pools_last():
    table = pd.DataFrame(
        {"rho": [0.2, -0.4, 0.1], "low": -0.6, "high": 0.6, "n": [40, 12, 52], "gate": [True, False, True]}
        | {"Q": [np.nan, np.nan, 6.1], "i2": [np.nan, np.nan, 0.67], "tau2": [np.nan, np.nan, 0.04], "why": ""}
    )
    chart = forest_chart(
        table,
        feature="Lookback",
        metric="Followed",
        places=[("", "one", "m"), ("", "two", "m")],
        estimand="between prompts",
    )
    spec = chart.to_dict()
    assert any("Q = 6.10, I² = 67 %, tau² = 0.040" in line for line in spec["title"]["subtitle"])
    data = {r["row"]: r for r in held(chart)["point"]}
    assert data["All strata, pooled"]["pooled"] and data["two"]["faint"] and not data["one"]["faint"]
    assert heterogeneity_text(pd.Series({"i2": np.nan})) == ""


def test_every_run_with_both_values_is_a_point():
    table = runs_table(6)
    chart = scatter_chart(table, "lookback", "correct", names={"lookback": "Lookback"}, binary=True, select=True)
    points = held(chart)["point"]
    there = table.dropna(subset=["lookback", "correct"])
    assert sorted(p["cell"] for p in points) == sorted(there["cell"])
    by_cell = there.set_index("cell")
    for p in points:
        assert p["x"] == pytest.approx(by_cell.loc[p["cell"], "lookback"], rel=1e-6)
        assert abs(p["y"] - by_cell.loc[p["cell"], "correct"]) <= SPREAD
    assert any(param["name"] == RUN_SELECTION for param in chart.to_dict()["params"])
    assert f"{len(table) - len(there):,} runs are not drawn" in chart.to_dict()["description"]


@pytest.mark.parametrize("within", [False, True])
def test_of_too_many_points_some_are_drawn_and_the_chart_says_so(monkeypatch, within):
    table = runs_table(12)
    there = table.dropna(subset=["lookback", "correct"])
    monkeypatch.setattr("core.charts.study_scatter.MOST_POINTS", 40)
    looks = {"names": {}, "binary": True, "within": within}
    chart = scatter_chart(table, "lookback", "correct", **looks)
    drawn = [p["cell"] for p in held(chart)["point"]]
    assert 40 <= len(drawn) < len(there) and set(drawn) < set(there["cell"]) and len(set(drawn)) == len(drawn)
    assert f"{len(drawn):,} of {len(there):,} runs, picked at random" in chart.to_dict()["description"]
    assert [p["cell"] for p in held(scatter_chart(table, "lookback", "correct", **looks))["point"]] == drawn
    if within:
        units = there.assign(unit=there["prompt_id"] + there["model"]).set_index("cell")["unit"]
        assert not set(units[drawn]) & set(units.drop(drawn)), "what a line joins stays together"
    picked = there[~there["cell"].isin(drawn)].iloc[0]
    framed = framed_run(chart.to_dict(), table, "lookback", "correct", picked["cell"], binary=True)
    (ring,) = framed["layer"][-1]["data"]["values"]
    assert ring["x"] == picked["lookback"] and ring["y"] == picked["correct"] + jitter(picked["cell"])
    assert len(framed["layer"]) == len(chart.to_dict()["layer"]) + 2, "a run that is not drawn has its ring too"
    assert framed_run(chart.to_dict(), table, "lookback", "correct", "none") == chart.to_dict()
    alt.Chart.from_dict(framed["layer"][-1])


def test_points_that_are_picked_are_shifted_both_ways(monkeypatch):
    table = runs_table(40)
    monkeypatch.setattr("core.charts.study_scatter.MOST_POINTS", 60)
    points = held(scatter_chart(table, "lookback", "correct", names={}, binary=True))["point"]
    shifts = np.array([p["y"] - round(p["y"]) for p in points])
    assert abs(shifts.mean()) < SPREAD / 3 and shifts.std() > SPREAD / 3


def test_eight_models_have_eight_shapes_with_their_names_beside_each_other():
    table = runs_table(8)
    eight = pd.concat([table.assign(model=f"m{n}", cell=table["cell"] + f"-{n}") for n in range(8)])
    found = [
        layer["encoding"].get("shape")
        for layer in scatter_chart(eight, "lookback", "correct", names={}).to_dict()["layer"]
    ]
    (shape,) = [one for one in found if one]
    assert len(set(shape["scale"]["range"])) == 8 and shape["legend"]["columns"] == 2


def test_a_shift_is_for_good():
    assert jitter("a") == jitter("a") != jitter("b")


def test_grid_hatches_linked_pairs_and_stars_small_q():
    chart = correlation_grid_chart(
        correlated(), features=["lookback", "sink"], metrics=["followed", "words"], names={}, title="T", select=True
    )
    cells = {(r["feature"], r["metric"]): r for r in held(chart)["rect"]}
    assert cells["lookback", "followed"]["text"] == "0.30*" and cells["lookback", "words"]["text"] == "-0.90"
    assert cells["sink", "words"]["rho"] is None and cells["sink", "words"]["shown"] == "linked by construction"
    assert cells["sink", "followed"]["rho"] is None and cells["sink", "followed"]["why"] == "too few prompts"
    told = chart.to_dict()["description"]
    assert "hatched" in told and "named before Start" in told and "could not be computed" in told


def test_cells_say_how_much_was_cut_off():
    table = pd.DataFrame(
        {"task": ["fact", "fact"], "structure": "instruction_first", "control": [False, True], "model": MODELS[0]}
        | {"runs": 40, "failed": [0, 40], "truncated_share": [0.25, np.nan], "reason": ["", "No memory."]}
    )
    cells = held(cut_off_chart(table))["rect"]
    assert [c["text"] for c in cells] == ["25 %", ""] and cells[1]["reason"] == "No memory."


def predicted():
    made = {"model": MODELS[0], "auroc": 0.6, "low": 0.5, "high": 0.7, "within": np.nan, "within_low": np.nan}
    made |= {
        "within_high": np.nan,
        "verdict": "",
        "n": 40,
        "positives": 20,
        "negatives": 30,
        "direction": "",
        "why": "",
    }
    return pd.DataFrame(
        [
            made | {"kind": "baseline", "label": "Task and structure", "part": ""},
            made | {"kind": "heads", "label": "Shares of each head", "part": "first step"},
        ]
    )


def test_predictions_stand_beside_baselines():
    points = held(prediction_chart(predicted(), outcome="Followed", scheme="leave one task out"))["point"]
    assert [p["group"] for p in points] == ["All heads together", "Without any importance"]
    assert points[0]["row"] == "Shares of each head"


def test_odd_names_and_empty_tables_are_drawn():
    table = rows([0.1, 0.2, 0.3]).assign(group=ODD[:3], row=ODD[3:6], series=ODD[6])
    assert picture_files.svg(interval_rows_chart(table, title=ODD[1], axis=ODD[5])).data.startswith(b"<svg")
    assert picture_files.svg(interval_rows_chart(table.iloc[:0], title="T", axis="x")).data.startswith(b"<svg")
    empty = correlation_grid_chart(correlated().iloc[:0], features=[], metrics=[], names={}, title="T")
    assert picture_files.svg(empty).data.startswith(b"<svg")
    none = runs_table(2).assign(lookback=np.nan)
    assert picture_files.svg(scatter_chart(none, "lookback", "correct", names={})).data.startswith(b"<svg")
