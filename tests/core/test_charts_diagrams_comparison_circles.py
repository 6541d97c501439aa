"""Comparison circles: radius by the difference, the sign without hue, how alike the maps are, both labels."""

import math

import numpy as np
import pytest

from core.charts.diagrams.comparison_circles import FULL_RADIUS, comparison_circles
from core.records import AttentionMap
from tests.core.diagrams_read import cells, drawn_width, texts

A = AttentionMap.of([[0.5, 0.5], [0.2, 0.8]], ["x", "y"], ["u", "v"], source="one", what="layer 1")
B = AttentionMap.of([[0.9, 0.1], [0.2, 0.6]], ["x", "z"], ["u", "v"], source="two", what="layer 2")


def radius(one):
    return math.sqrt(one["s"]) / 2


def test_radius_is_proportional_to_the_difference_and_has_its_sign():
    found = cells(comparison_circles(A, B))
    assert [found[0, 0][k] for k in "abd"] == pytest.approx([0.5, 0.9, 0.4])
    assert (found[0, 0]["w"], found[0, 1]["w"], found[1, 1]["w"]) == (0, 1, 1)
    assert radius(found[0, 0]) == pytest.approx(FULL_RADIUS * 40, rel=0.01), "the largest difference fills the cell"
    assert radius(found[1, 1]) == pytest.approx(radius(found[0, 0]) / 2, rel=0.01)
    assert "s" not in found[1, 0], "no difference, no circle"


def test_exchanging_the_maps_turns_every_sign():
    one, two = cells(comparison_circles(A, B)), cells(comparison_circles(B, A))
    for place, cell in one.items():
        assert cell["d"] == pytest.approx(-two[place]["d"]) and cell.get("s") == two[place].get("s")
        assert "w" not in cell or cell["w"] != two[place]["w"]


def test_larger_is_solid_and_smaller_dashed_with_a_bar():
    marks = [layer["mark"] for layer in comparison_circles(A, B).to_dict()["layer"]]
    circles = [m for m in marks if m["type"] == "point" and m.get("tooltip", "") != "none"]
    assert sum("strokeDash" in m for m in circles) == 2 and sum(m["shape"] == "M-1,0L1,0" for m in circles) == 2
    assert len({m.get("stroke") for m in circles}) == 1, "the sign does not hang on a hue"


def test_circle_and_cell_share_one_scale():
    layers = comparison_circles(A, B, gamma=0.5).to_dict()["layer"]
    scales = [layer["encoding"]["fill"]["scale"] for layer in layers if "scale" in layer["encoding"].get("fill", {})]
    assert len(scales) == 3 and all(s == scales[0] for s in scales) and scales[0]["domain"] == [0, pytest.approx(0.9)]


def test_caption_and_labels():
    said = " ".join(texts(comparison_circles(A, B, caption=["my line"])))
    for part in ("A: one", "B: two", "Spearman 0.32", "cosine 0.85", "radius proportional", "my line", "y|z"):
        assert part in said, part
    assert "not defined" in " ".join(texts(comparison_circles(A, AttentionMap.of(np.full((2, 2), 0.5)))))


def test_equal_maps_and_cells_that_could_not_be_read():
    same = cells(comparison_circles(A, A))
    assert len(same) == 4 and not any("s" in one for one in same.values())
    causal = AttentionMap.of(np.eye(3), causal=True)
    assert len(cells(comparison_circles(causal, causal))) == 6
    holed = AttentionMap.of([[np.nan, 1], [0, 1]])
    assert cells(comparison_circles(holed, AttentionMap.of(np.eye(2))))[0, 0]["a"] is None


@pytest.mark.parametrize("width", [330, 690])
def test_width(width):
    assert drawn_width(comparison_circles(A, B, width=width)) == pytest.approx(width, abs=1)


def test_other_shapes_are_one_sentence():
    with pytest.raises(ValueError, match="have 2 x 2 and 3 x 3 cells"):
        comparison_circles(A, AttentionMap.of(np.eye(3)))


def test_a_click_is_offered_where_asked():
    params = comparison_circles(A, B, select="cell").to_dict()["params"]
    assert [p["select"]["fields"] for p in params if p["name"] == "cell"] == [["r", "c"]]
