"""Tests of the bars by layer and by head: heights, sides, what is left out, and the words."""

import json

import altair as alt
import numpy as np
import pytest

from core.charts.place_effects import place_effects_chart


def bars(chart):
    plain = chart.to_dict()
    alt.LayerChart.from_dict(json.loads(json.dumps(plain)))  # it fits the schema
    data = plain["layer"][0]["data"]
    return plain, list(data["values"] if "values" in data else plain["datasets"][data["name"]])


def test_bars_stand_around_zero_and_a_place_that_was_not_tried_has_none():
    plain, found = bars(place_effects_chart([0, 2, 5], [0.5, -1.25, np.nan], what="“blue”", caption=["Model"]))
    assert [(b["place"], b["change"], b["way"]) for b in found] == [(0, 0.5, "likelier"), (2, -1.25, "less likely")]
    low, high = plain["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert low == -high and high > 1.25
    assert plain["layer"][0]["encoding"]["x"]["scale"]["domain"] == [0, 2, 5]
    assert "Most at layer 2: -1.25 nats." in plain["description"] and "Model." in plain["description"]
    assert "each alone: what several do together can differ from their sum" in plain["title"]["subtitle"]


def test_a_place_can_be_clicked_and_marked():
    plain, _ = bars(place_effects_chart([0, 1], [0.1, 0.2], kind="head", picked=1, select="place"))
    assert plain["params"][0]["name"] == "place" and len(plain["layer"]) == 3
    with pytest.raises(ValueError, match="1 changes do not fit 2 places"):
        place_effects_chart([0, 1], [0.1])
