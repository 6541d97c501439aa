"""Tests of the dose-response chart: its points, axes, and what it says in words."""

import json
import math

import altair as alt
import pytest

from core.charts.dose_response_charts import dose_response_chart

FACTORS = [0, 0.125, 1, 8]
VALUES = [-4, -3, -2, -2.5]


def drawn(**settings):
    plain = dose_response_chart(FACTORS, VALUES, measure="nats", caption=["Model"], **settings).to_dict()
    alt.LayerChart.from_dict(json.loads(json.dumps(plain)))  # it fits the schema
    return plain


def points(plain, kind):
    layer = next(layer for layer in plain["layer"] if layer["mark"]["type"] == kind)
    data = layer.get("data") or plain["data"]  # where all layers share one, it stands above them
    return data["values"] if "values" in data else plain["datasets"][data["name"]]


def test_factors_lie_on_a_logarithmic_axis_and_the_plain_run_is_dashed():
    plain = drawn(picked=8, answers=list("abcd"))
    assert [(p["x"], p["y"]) for p in points(plain, "point")] == [(0.125, -3), (1, -2), (8, -2.5)], "0 has no place"
    assert list(points(plain, "rule")) == [{"y": -2}]
    x = plain["layer"][1]["encoding"]["x"]
    assert x["scale"]["type"] == "log" and x["axis"]["values"] == [0.125, 1, 8]
    assert [p["name"] for p in points(plain, "point") if p["picked"]] == ["× 8"]
    assert plain["title"]["subtitle"] == [
        "Model",
        "one prompt and one model: other prompts may answer otherwise",
        "dashed: the plain run",
    ]
    assert "× 1/8: -3.00; × 1: -2.00; × 8: -2.50" in plain["description"]


def test_over_the_share_read_a_hidden_part_has_its_place_and_what_is_not_known_has_none():
    plain = drawn(shares=[0, 0.1, math.nan, 0.4])
    assert [(p["x"], p["name"]) for p in points(plain, "point")] == [(0, "hidden"), (0.1, "× 1/8"), (0.4, "× 8")]
    assert not any(layer["mark"]["type"] == "rule" for layer in plain["layer"]), "the plain run was not measured"
    assert "share of attention" in plain["description"]
    with pytest.raises(ValueError, match="3 shares do not fit 4 factors"):
        drawn(shares=[0.1, 0.2, 0.3])
