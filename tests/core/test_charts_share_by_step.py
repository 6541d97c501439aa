"""Tests the charts of shares over the answer: true values beside uniform, colours, the rule at a step."""

import json

import numpy as np
import pytest
import vl_convert

from core.charts.share_by_step import READ_NAME, UNIFORM_NAME, share_by_step_chart, step_bars_chart
from tests.core.charts_made_up import data

LABELS = ["The", "sky", "The"]
SHARES = {"user": np.array([0.2, 0.4, 0.1]), "segment:context": np.array([0.1, 0.1, 0.3])}
EVEN = {"user": np.array([0.1, 0.1, 0.1]), "segment:context": np.array([0.2, 0.2, 0.2])}


def test_each_group_beside_uniform_with_true_values():
    chart = share_by_step_chart([4, 5, 6], LABELS, SHARES, EVEN, caption=["a model"])
    rows = data(chart, 0)
    assert len(rows) == 2 * 2 * 3
    row = next(r for r in rows if (r["i"], r["group"], r["kind"]) == (1, "user", READ_NAME))
    assert (row["share"], row["amount"], row["times"], row["step"]) == (0.4, "40.0 %", "4.00 × uniform", 6)
    assert {r["share"] for r in rows if r["kind"] == UNIFORM_NAME and r["group"] == "user"} == {0.1}
    spec = chart.to_dict()
    assert spec["title"]["subtitle"] == ["a model"]
    assert spec["layer"][0]["encoding"]["strokeDash"]["scale"]["domain"] == [READ_NAME, UNIFORM_NAME]


def test_same_colour_for_a_group_and_its_uniform_line():
    colour = share_by_step_chart([0, 1, 2], LABELS, SHARES, EVEN).to_dict()["layer"][0]["encoding"]["color"]
    assert colour["field"] == "group"
    assert colour["scale"]["range"] == ["#0072B2", "#E69F00"]


def test_rule_stands_at_the_picked_step():
    chart = share_by_step_chart([4, 5, 6], LABELS, SHARES, EVEN, picked_step=6)
    assert data(chart, 0) == ({"i": 2},)
    assert len(share_by_step_chart([4, 5, 6], LABELS, SHARES, EVEN, picked_step=99).to_dict()["layer"]) == 2


def test_bars_of_one_step():
    chart = step_bars_chart("sky", {"user": 0.4, "system": 0.1}, {"user": 0.1, "system": 0.2}, caption=["a model"])
    rows = data(chart, 0)
    assert {(r["group"], r["kind"], r["amount"]) for r in rows} >= {
        ("user", READ_NAME, "40.0 %"),
        ("user", UNIFORM_NAME, "10.0 %"),
    }
    assert "sky" in chart.to_dict()["title"]["text"]


@pytest.mark.parametrize("chart", [
    share_by_step_chart([0], ["one"], {"user": np.array([0.5])}, {}),
    share_by_step_chart([], [], {}, {}),
    share_by_step_chart(range(500), ["w"] * 500, {"g": np.linspace(0, 1, 500)}, {"g": np.full(500, 0.5)}, 7),
    step_bars_chart("\u202e</script>", {}, {}),
    share_by_step_chart([0, 1, 2], LABELS, SHARES, {"user": np.array([np.nan, 0, 0.1])}),
])  # fmt: skip
def test_vega_draws_it(chart):
    assert vl_convert.vegalite_to_svg(json.loads(chart.to_json())).startswith("<svg")


def test_shapes_that_do_not_fit_are_told():
    with pytest.raises(ValueError, match="'user'"):
        share_by_step_chart([0], ["a"], {"user": np.zeros(2)}, {})
    with pytest.raises(ValueError, match="2 steps"):
        share_by_step_chart([0, 1], ["a"], {}, {})
