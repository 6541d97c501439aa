"""The grid of layers: where cells lie, labels that do not collide, two grids on one canvas."""

import json

import pytest
import vl_convert

from core.charts.diagrams.layer_grid import OTHER_FONT, GridSide, LayerGrid
from core.charts.diagrams.pixel_canvas import PixelCanvas
from core.charts.text_widths import text_width
from core.records import map_tokens

ROWS = GridSide("layer", ("emb", "0", "1"))


def grid(columns=("a", "b"), room=300, **more):
    return LayerGrid(ROWS, GridSide("token", tuple(columns), **more.pop("side", {})), room=room, **more)


def test_cells_fill_the_room_and_never_more():
    few, many = grid(), grid("abcdefghij" * 20)
    assert few.cell == (40, 14) and few.right < 300
    assert 290 < many.right < 300 and many.bottom == pytest.approx(many.top + 3 * 14)


def test_cells_are_drawn_where_the_grid_says():
    made, canvas = grid(), PixelCanvas(310, 200)
    chart = canvas.finish([made.cells(made.base([{"r": 1, "c": 1}]), canvas)], "T", [], "said")
    svg = vl_convert.vegalite_to_svg(json.loads(json.dumps(made.named(chart).to_dict())))
    path = svg.split("mark-rect")[1].split(' d="M')[1].split('"')[0]
    x, y = map(float, path.split("h")[0].split(","))
    assert (x, y) == pytest.approx((made.left + 40, made.top + 14), abs=0.01)
    assert path.split("h")[1].startswith("40v14")


def test_upwards_the_first_row_is_the_lowest():
    made, canvas = grid(upwards=True), PixelCanvas(310, 200)
    chart = canvas.finish([made.cells(made.base([{"r": 0, "c": 0}]), canvas)], "T", [], "said")
    svg = vl_convert.vegalite_to_svg(json.loads(json.dumps(made.named(chart).to_dict())))
    y = float(svg.split("mark-rect")[1].split(' d="M')[1].split("h")[0].split(",")[1])
    assert y == pytest.approx(made.bottom - 14, abs=0.01)
    names = made.labels(canvas)[0].data["values"]
    assert names[0]["text"] == "emb" and names[0]["y"] == pytest.approx(made.bottom - 7)


def drawn(chart):
    return [one["text"] for layer in chart for one in layer.data["values"]]


def test_labels_are_thinned_cut_and_kept_off_the_title():
    names = [f"token{i}" for i in range(200)]
    made, canvas = grid(names, room=300), PixelCanvas(310, 200)
    shown = [text for text in drawn(made.labels(canvas)) if text.startswith("token") and text != "token"]
    assert 10 < len(shown) < 60 and shown[0] == "token0"
    long = grid(["x" * 60, "y"])
    cut = drawn(long.labels(canvas))
    assert any(text.endswith("…") for text in cut) and text_width(cut[3], long.sizes[1]) * OTHER_FONT <= 84
    assert long.top > grid().top, "room for long labels"


def test_short_names_stand_level_and_apart():
    made = grid([str(i) for i in range(100)], side={"level": True}, room=300)
    places = [one["x"] for one in made.labels(PixelCanvas(310, 200))[1].data["values"]]
    assert min(b - a for a, b in zip(places, places[1:], strict=False)) > text_width("99", made.sizes[1])


def test_markup_is_faint_and_a_second_grid_is_moved():
    side = GridSide.of("token", map_tokens(["<s>", " b", "\n"], [True, False, False]))
    assert side.faint == (True, False, False) and " " not in side.texts[1]
    made = LayerGrid(ROWS, side, room=200)
    colours = [one["colour"] for one in made.labels(PixelCanvas(310, 200))[1].data["values"]]
    assert colours[0] != colours[1] == colours[2]
    moved = LayerGrid(ROWS, side, room=200, at=(100, 50))
    assert (moved.left - made.left, moved.top - made.top) == (100, 50)
