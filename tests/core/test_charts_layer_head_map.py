"""Tests the map of layers and heads: true values and layer numbers, and layers without attention in grey."""

import numpy as np
import pytest
import vl_convert

from core.charts.layer_head_map import layers_heads_chart
from tests.core.charts_made_up import data


def layers(chart):
    return [data(chart, n) for n in range(len(chart.to_dict()["layer"]))]


def test_tooltips_hold_true_values_and_true_layer_numbers():
    values = np.array([[0.1, 0.2], [0.3, 0.05]])
    cells = layers(layers_heads_chart(values, 0.05, [4, 9]))[0]
    assert len(cells) == 4
    assert cells[2] == {"layer": 9, "head": 0, "value": 0.3, "times": pytest.approx(6), "state": "reads"}


def test_no_attention_is_grey_and_never_zero():
    values = np.array([[0.1, np.nan], [np.nan, np.nan]])
    chart = layers_heads_chart(values, np.full((2, 2), 0.1), caption=["a model"])
    cells, grey, stroke = layers(chart)
    assert [(c["layer"], c["head"]) for c in cells] == [(0, 0)]
    assert [(c["layer"], c["head"]) for c in grey] == [(0, 1), (1, 0), (1, 1)]
    assert stroke == grey
    assert {c["state"] for c in grey} == {"no attention"}
    assert any("no attention" in line for line in chart.to_dict()["title"]["subtitle"])
    assert "a model" in chart.to_dict()["title"]["subtitle"]


@pytest.mark.parametrize(
    "values", [np.full((3, 2), np.nan), np.zeros((2, 2)), np.random.default_rng(0).random((80, 64))]
)
def test_vega_draws_it(values):
    assert vl_convert.vegalite_to_svg(layers_heads_chart(values, 0.01, select="head").to_dict()).startswith("<svg")


def test_wrong_shapes_are_told():
    with pytest.raises(ValueError, match="expected"):
        layers_heads_chart(np.zeros(3), 0.1)
    with pytest.raises(ValueError, match="2 layers"):
        layers_heads_chart(np.zeros((3, 2)), 0.1, [0, 1])
