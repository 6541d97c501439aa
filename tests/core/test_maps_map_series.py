"""Series of maps hold the same cells at every point, whatever the points are."""

import numpy as np
import pytest

from core.errors import MethodError
from core.maps.map_series import head_series, series_of_maps, series_over_heads, series_over_layers, series_over_steps
from core.records import AttentionMaps, map_tokens


def maps(seed=0, layers=3, heads=2, n=4, labels="abcd", **about):
    values = np.random.default_rng(seed).dirichlet(np.ones(n), (layers, heads, n)).astype(np.float32)
    side = map_tokens(list(labels))
    return AttentionMaps(values, side, side, source="m", **about)


def test_over_layers_and_heads():
    one = maps()
    layers = series_over_layers(one)
    assert layers.points == ("0", "1", "2") and layers.axis == "layer" and layers.what == "mean of 2 heads"
    assert np.allclose(layers.values, one.values.mean(1), atol=1e-6)
    assert np.array_equal(series_over_layers(one, [1]).values, one.values[:, 1])
    heads = series_over_heads(one, [2])
    assert np.array_equal(heads.values, one.values[2]) and heads.what == "layer 2" and heads.axis == "head"


def test_heads_that_are_not_there_are_left_out():
    one = maps()
    values = one.values.copy()
    values[:, 1] = np.nan
    assert series_over_heads(AttentionMaps(values, one.queries, one.keys)).points == ("0",)


def test_over_checkpoints_cells_must_be_the_same():
    points = [("a", maps(0)), ("b", maps(1))]
    found = series_of_maps(points, layers=[1], heads=[0])
    assert np.array_equal(found.values, np.stack([m.values[1, 0] for _, m in points]))
    assert found.points == ("a", "b") and found.axis == "checkpoint" and found.what == "layer 1, head 0"
    with pytest.raises(ValueError, match="b has other tokens than a"):
        series_of_maps([("a", maps(0)), ("b", maps(1, labels="abce"))])


def test_over_steps_rows_are_layers_and_the_future_is_unknown():
    one = maps(causal=True, offset=0)
    found = series_over_steps(one, [0])
    assert found.values.shape == (4, 3, 4) and found.rows.texts == ("layer 0", "layer 1", "layer 2")
    assert np.isnan(found.values[1, :, 2:]).all()
    assert np.array_equal(found.values[1, :, :2], one.values[:, 0, 1, :2])


def test_what_makes_no_series_is_told():
    maps = AttentionMaps(np.ones((2, 3, 4, 4)), map_tokens(4), map_tokens(4))
    with pytest.raises(MethodError, match="no attention in layer 9"):
        series_over_heads(maps, [9])
    for make in (series_of_maps, lambda points: head_series(points, lambda one: np.ones((2, 3)))):
        with pytest.raises(ValueError, match="at least one point"):
            make([])
    with pytest.raises(ValueError, match="score of a has the shape"):
        head_series([("a", maps)], lambda one: 1.0)


def test_a_score_of_each_head_over_different_texts():
    points = [("s1", maps(0)), ("s2", maps(1, n=3, labels="xyz"))]
    found = head_series(points, lambda m: m.values[..., 0].mean(-1), "sentence")
    assert found.values.shape == (2, 3, 2)
    assert np.allclose(found.values[1], points[1][1].values[..., 0].mean(-1))
    with pytest.raises(ValueError, match="s2 has"):
        head_series([("s1", maps(0)), ("s2", maps(0, heads=3))], lambda m: m.values[..., 0].mean(-1))
