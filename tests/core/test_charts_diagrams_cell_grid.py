"""Square cells that fill the width asked for, labels thinned and marked, a scale that holds, legends in rows."""

import numpy as np
import pytest

from core.charts.diagrams.cell_grid import CellGrid, ValueColours, check_cells, short_value
from core.charts.diagrams.figure_style import SPECIAL_COLOUR
from core.charts.diagrams.pixel_canvas import PixelCanvas
from core.records import map_tokens
from tests.core.diagrams_read import drawn_width, texts


def grid(rows=3, columns=4, width=330, legends=(100, 100)):
    return CellGrid(map_tokens(rows), map_tokens(columns), width, ("query", "key"), legends)


def figure(one):
    base = one.base([{"r": 0, "c": 0, "v": 1.0}])
    colours = ValueColours(0, 1)
    return one.finish([one.cells(base).encode(fill=one.fill("v", colours, "share", ".2~p"))], "Title", ["a"], "said")


@pytest.mark.parametrize("width", [330, 690])
@pytest.mark.parametrize("columns", [2, 24, 60])
def test_the_figure_is_as_wide_as_asked(width, columns):
    one = grid(5, columns, width)
    assert one.left + columns * one.cell <= one.canvas.inner + 1e-6
    assert drawn_width(figure(one)) == pytest.approx(width, abs=1)


def test_labels_are_thinned_and_special_tokens_are_grey():
    side = map_tokens(["[CLS]", "if", "if", "\n"], [True, False, False, False])
    one = CellGrid(side, side, 330, ("query", "key"), (100,))
    held = figure(one).to_dict()
    named = next(d for d in held["datasets"].values() if len(d) == 4 and "text" in d[0])
    assert [r["text"] for r in named] == ["[CLS]", "if", "if", "⏎"], "equal tokens stay two, a line break is seen"
    assert [r["colour"] == SPECIAL_COLOUR for r in named] == [True, False, False, False]
    many = grid(3, 200)
    drawn = [t for t in texts(figure(many)) if t.isdigit()]
    assert len(drawn) < 80 and many.cell > 0


def test_legends_that_do_not_fit_stand_below_each_other():
    beside, below = grid(width=690, legends=(300, 300)), grid(width=330, legends=(300, 300))
    assert beside.legends[0][1] == beside.legends[1][1]
    assert below.legends[0][0] == below.legends[1][0] and below.legends[0][1] < below.legends[1][1]
    assert below.canvas.height > below.legends[1][1]


def test_the_scale_begins_at_zero_or_the_lowest_value():
    assert (ValueColours.of(np.array([0.2, np.nan, 0.7])).low, ValueColours.of(np.array([-2.0, 1])).low) == (0, -2)
    assert ValueColours.of(np.array([0.2]), np.array([0.9])).high == pytest.approx(0.9)
    nothing = ValueColours.of(np.full(3, np.nan))
    assert nothing.high > nothing.low
    with pytest.raises(ValueError, match="gamma must be a number above 0"):
        ValueColours.of(np.ones(2), gamma=0)


def test_marks_are_white_on_dark_cells_only():
    assert ValueColours(0, 1).mark_colour(np.array([0.1, 0.9])).tolist() == ["#15202b", "#ffffff"]
    assert ValueColours(0, 1, 0.1).mark_colour(np.array([0.1]))[0] == "#ffffff", "a bent scale is dark early"


def test_sizes_that_cannot_be_drawn_are_refused():
    check_cells((64, 64))
    for shape in ((0, 3), (100, 100)):
        with pytest.raises(ValueError, match=f"{shape[0]} x {shape[1]} cells"):
            check_cells(shape)


def test_titles_and_captions_are_wrapped():
    chart = PixelCanvas(330, 20).finish(
        [PixelCanvas(330, 20).texts([{"x": 0, "y": 5, "text": "a"}])], "word " * 20, ["b " * 200], ""
    )
    title = chart.to_dict()["title"]
    assert len(title["text"]) > 1 and len(title["subtitle"]) > 3
    assert drawn_width(chart) == pytest.approx(330, abs=1)


def test_numbers_of_legends():
    assert [short_value(v, True) for v in (0.0997, 0.5, 0, 0.00012)] == ["10 %", "50 %", "0 %", "0.012 %"]
    assert short_value(-1.26, False) == "-1.3"
