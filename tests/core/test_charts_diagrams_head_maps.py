"""Every head is in the picture, at its place or in the order that was asked for."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from core.charts.diagrams.head_maps import head_maps
from core.maps.head_traits import head_traits
from core.records import AttentionMaps, map_tokens
from tests.core.drawn_records import records_with


def maps(layers=3, heads=4, n=10, seed=0):
    values = np.tril(np.random.default_rng(seed).random((layers, heads, n, n), np.float32))
    return AttentionMaps(values / values.sum(-1, keepdims=True), map_tokens(n), map_tokens(n), causal=True)


def cells(chart):
    return records_with(chart, "head")


def picture(chart):
    url = records_with(chart, "url")[0]["url"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGBA"))


def test_every_head_has_its_place_and_its_traits():
    one = maps()
    found = cells(head_maps(one, head_traits(one), select="head"))
    assert len(found) == 12 and {(c["layer"], c["head"]) for c in found} == {(a, b) for a in range(3) for b in range(4)}
    assert all((c["x"], c["y"]) == (c["head"], c["layer"]) for c in found) and "induction" in found[0]


def test_the_picture_shows_the_strongest_cell_darkest():
    values = np.zeros((1, 2, 4, 4), np.float32)
    values[0, 0, 2, 1] = 1
    values[0, 1, 0, 3] = 0.2
    shown = picture(head_maps(AttentionMaps(values, map_tokens(4), map_tokens(4))))
    light = shown[..., :3].sum(-1).astype(int) + 10_000 * (shown[..., 3] == 0)
    step = shown.shape[1] // 2
    assert np.unravel_index(light[:, :step].argmin(), light[:, :step].shape) == (2, 1)
    assert np.unravel_index(light[:, step:].argmin(), light[:, step:].shape) == (0, 3)
    shared = picture(head_maps(AttentionMaps(values, map_tokens(4), map_tokens(4)), shared=True))
    assert shared[0, step + 3, :3].sum() > shown[0, step + 3, :3].sum()  # 0.2 of the one maximum is lighter


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (3, 2)])
def test_maps_of_few_cells_stand_close(shape):
    one = AttentionMaps(np.ones((2, 3, *shape)), map_tokens(shape[0]), map_tokens(shape[1]))
    drawn = picture(head_maps(one))[..., 3] > 0
    assert drawn.any(1).mean() >= 0.8 and drawn.any(0).mean() >= 0.8
    with pytest.raises(ValueError, match="no cells"):
        head_maps(one.part(slice(0, 0)))


def test_sorted_by_a_trait_or_by_importance_the_strongest_stands_first():
    one = maps()
    traits = head_traits(one)
    ordered = cells(head_maps(one, traits, order="previous"))
    scores = [c["score"] for c in sorted(ordered, key=lambda c: (c["y"], c["x"]))]
    assert scores == sorted(scores, reverse=True) and len(scores) == 12
    weight = np.arange(12).reshape(3, 4)
    first = min(cells(head_maps(one, order="importance", importance=weight)), key=lambda c: (c["y"], c["x"]))
    assert (first["layer"], first["head"]) == (2, 3)
    with pytest.raises(ValueError, match="one number a head"):
        head_maps(one, order="importance", importance=weight[:2])
    with pytest.raises(ValueError, match="not by 'size'"):
        head_maps(one, traits, order="size")


def test_long_texts_say_that_a_dot_is_a_maximum_and_missing_heads_are_left_out():
    one = maps(1, 2, 100)
    told = head_maps(one).to_dict()["title"]["subtitle"]
    assert any("maximum of 3 x 3 cells" in line for line in told)
    values = one.values.copy()
    values[0, 1] = np.nan
    assert len(cells(head_maps(AttentionMaps(values, one.queries, one.keys)))) == 1
