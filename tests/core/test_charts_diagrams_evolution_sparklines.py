"""Sparklines: the values of every cell in order, one scale or each its own, and the marked point."""

import json
import math

import numpy as np
import pytest
import vl_convert

from core.charts.diagrams.evolution_sparklines import HOVERED, evolution_sparklines
from core.records import MapSeries, map_tokens
from tests.core.diagrams_read import cells, datasets, drawn_width, texts

VALUES = np.random.default_rng(0).random((4, 2, 3)).astype(np.float32)


def series(values=VALUES, **about):
    points = tuple(f"p{i}" for i in range(len(values)))
    return MapSeries(values, "step", points, map_tokens(values.shape[1]), map_tokens(values.shape[2]), **about)


def test_every_cell_has_its_values_in_order_on_one_scale():
    found = cells(evolution_sparklines(series()))
    for (r, c), one in found.items():
        line = [float(v) for v in one["v"].split(",")]
        assert line == pytest.approx(VALUES[:, r, c].tolist(), rel=1e-6) and one["g"] == line[-1]
        assert (one["o"], one["u"]) == (0, pytest.approx(VALUES.max(), rel=1e-6))
    assert len(found) == 6


def test_own_scales_run_from_lowest_to_highest():
    found = cells(evolution_sparklines(series(), shared=False))
    assert found[1, 2]["o"] == pytest.approx(VALUES[:, 1, 2].min()) and found[1, 2]["u"] == pytest.approx(
        VALUES[:, 1, 2].max()
    )
    flat = cells(evolution_sparklines(series(np.full((3, 1, 1), 0.5, np.float32)), shared=False))
    assert flat[0, 0]["o"] < 0.5 < flat[0, 0]["u"], "a line without rise runs through the middle"


def test_the_marked_point_is_dot_colour_and_caption():
    plain, marked = evolution_sparklines(series()), evolution_sparklines(series(), at=1)
    assert cells(marked)[0, 0]["g"] == pytest.approx(VALUES[1, 0, 0])
    assert "dot: step p1" in " ".join(texts(marked)) and "dot" not in " ".join(texts(plain))
    assert len(marked.to_dict()["layer"]) == len(plain.to_dict()["layer"]) + 1
    mean = evolution_sparklines(series(), at=1, ground="mean")
    assert cells(mean)[0, 0]["g"] == pytest.approx(VALUES[:, 0, 0].mean())


def test_the_line_runs_where_the_values_say():
    """Against the picture itself: the two ends of the one line of a figure of one cell."""
    values = np.array([0.0, 0.5, 1.0], np.float32).reshape(3, 1, 1)
    spec = json.loads(json.dumps(evolution_sparklines(series(values)).to_dict()))
    svg = vl_convert.vegalite_to_svg(spec)
    path = svg.split("mark-line")[1].split(' d="M')[1].split('"')[0]
    points = [tuple(map(float, p.split(","))) for p in path.split("L")]
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(points, points[1:], strict=False)]
    assert steps == [pytest.approx((16, -16), abs=0.1)] * 2, "0.8 of a cell of 40 pixels, upwards"


def test_missing_points_are_gaps_and_empty_cells_have_no_line():
    holed = VALUES.copy()
    holed[1, 0, 0], holed[:, 0, 1], holed[:, 0, 2] = np.nan, np.nan, 0
    found = cells(evolution_sparklines(series(holed)))
    assert found[0, 0]["v"].split(",")[1] == "" and (0, 1) not in found and "v" not in found[0, 2]


def test_scales_are_said():
    assert "all lines on one scale" in " ".join(texts(evolution_sparklines(series(source="SmolLM2"))))
    assert "only shapes compare" in " ".join(texts(evolution_sparklines(series(), shared=False)))


def test_data_are_one_dataset_of_a_record_a_cell():
    many = series(np.random.default_rng(0).random((24, 24, 24)).astype(np.float32))
    held = datasets(evolution_sparklines(many))
    assert len(held[0]) == 576 and sum(map(len, held)) < 640


def test_hovering_has_a_selection_of_its_own_beside_the_one_asked_for():
    params = {
        p["name"]: p["select"]
        for p in evolution_sparklines(series(), select="cell").to_dict()["params"]
        if "select" in p
    }
    assert set(params) == {"cell", HOVERED} and params[HOVERED]["on"] == "pointerover"


@pytest.mark.parametrize("width", [330, 690])
def test_width(width):
    assert math.isclose(drawn_width(evolution_sparklines(series(), width=width)), width, abs_tol=1)


def test_wrong_points_and_grounds_are_said():
    with pytest.raises(ValueError, match="There is no point 4: this series has points 0 to 3"):
        evolution_sparklines(series(), at=4)
    with pytest.raises(ValueError, match="ground must be point or mean"):
        evolution_sparklines(series(), ground="last")
