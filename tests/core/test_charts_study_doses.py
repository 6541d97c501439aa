"""Tests the dose-response figure: places on the axis, the plain run in every line, rivals, hollow marks, odd names."""

import math

import numpy as np
import pandas as pd
import pytest

from core.charts import picture_files
from core.charts.study_doses import APART, dose_chart, factor_label

ODD = ("the", "\u202eevil", "👩‍👩‍👧", "if", "<b>", "x" * 90)


def rows(names=("Instruction", "Question (control)"), factors=(0.25, 2.0, 8.0), rivals=("Twice",)):
    made = [("", 1.0)] + [(n, f) for n in names for f in factors] + [(r, np.nan) for r in rivals]
    table = pd.DataFrame(made, columns=["series", "factor"])
    table["value"] = np.linspace(0.2, 0.6, len(table))
    return table.assign(low=table["value"] - 0.1, high=table["value"] + 0.1, n=40, faint=False, note="")


def layers(chart):
    """{mark: [records]} of every layer."""
    spec = chart.to_dict()
    found = {}
    for layer in spec["layer"]:
        data = layer["data"]
        values = data["values"] if "values" in data else spec["datasets"][data["name"]]
        found.setdefault(layer["mark"]["type"], []).append(list(values))
    return found


def test_factors_stand_at_their_doublings_and_parts_beside_each_other():
    points = [r for part in layers(dose_chart(rows(), title="Followed", axis="Followed"))["point"] for r in part]
    at = {(r["series"], r["factor"]): r["x"] for r in points}
    assert at["Instruction", "8"] == pytest.approx(3 - APART / 2) and at["plain run", "1"] == 0
    assert at["Question (control)", "1/4"] == pytest.approx(-2 + APART / 2)
    assert at["Twice", ""] > 3.5, "a rival has no factor and stands at the right"


def test_every_line_passes_through_the_plain_run():
    (line,) = layers(dose_chart(rows(), title="Followed", axis="Followed"))["line"]
    assert sorted(r["line"] for r in line if r["series"] == "plain run") == [0, 1]
    assert not any(r["series"] == "Twice" for r in line)


def test_a_factor_of_zero_stands_left_of_all():
    spec = dose_chart(rows(factors=(0.0, 0.5, 4.0)), title="t", axis="a").to_dict()
    axis = next(e["encoding"]["x"]["axis"] for e in spec["layer"] if "x" in e["encoding"])
    assert axis["values"][:4] == [-2.0, -1.0, 0.0, 2.0]


@pytest.mark.parametrize(("factor", "label"), [(0.0, "0"), (0.125, "1/8"), (0.3, "0.3"), (1.0, "1"), (64.0, "64")])
def test_factors_are_written_as_fractions(factor, label):
    assert factor_label(factor) == label


def test_what_has_no_value_or_interval_is_left_out():
    table = rows()
    table.loc[1, ["value", "low", "high"]] = math.nan
    table.loc[2, ["low", "high"]] = math.nan
    found = layers(dose_chart(table, title="t", axis="a", percent=True))
    points = [r for part in found["point"] for r in part]
    assert len(points) == len(table) - 1
    assert next(r for r in points if r["factor"] == "2" and r["series"] == "Instruction")["low"] is None


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(ValueError, match="no column note"):
        dose_chart(rows().drop(columns="note"), title="t", axis="a")
    with pytest.raises(ValueError, match="Nothing has a value"):
        dose_chart(rows().assign(value=np.nan), title="t", axis="a")


def test_odd_names_are_drawn_and_the_figure_is_described():
    names = {r: r for r in ODD[:2]}
    chart = dose_chart(rows(names=ODD[2:], rivals=ODD[:2]), title="if", axis="Followed", rivals=names, percent=True)
    assert picture_files.svg(chart).data.startswith(b"<svg")
    assert "plain run x 1: 20 %" in chart.to_dict()["description"]
