"""Tests of the parts of a large map against a hand-made run with one passage that a few rows read most."""

import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.long_run import made_up_text
from core.charts.drawable import FEWEST_ROWS
from core.charts.long_map import LEVELS, ROOM, LongMap, MapPart
from core.charts.matrix_layout import colour_scale
from core.charts.raster_heatmap import raster_heatmap_chart
from core.importance import explain_by
from core.records import Rows
from tests.core import charts_made_up as made

PROMPT, ANSWER = 600, 60
HOT, READERS = (301, 341), (20, 44)
"""Tokens of the prompt that these steps read fifty times as much as others."""


@pytest.fixture(scope="module")
def run():
    trace = made.trace(made_up_text(PROMPT, 3), made_up_text(ANSWER, 4))
    keys, steps = np.arange(len(trace.tokens) - 1), np.arange(trace.steps)
    weights = np.random.default_rng(5).uniform(0.5, 1.5, (trace.steps, len(keys)))
    weights[READERS[0] : READERS[1], HOT[0] : HOT[1]] *= 50
    weights *= keys < trace.prompt_length + steps[:, None]
    weights /= weights.sum(1, keepdims=True)
    rows = Rows(
        queries=trace.prompt_length - 1 + steps,
        layers=[0],
        heads=[0],
        packed=np.round(65535 * np.sqrt(weights))[None].astype(np.uint16),
        sums=weights.sum(-1)[None],
    )
    return replace(trace, model=made.model(1, 1), mass=np.zeros((1, 1, trace.steps, 1)), rows=rows)


def by_units(trace, columns, rows):
    return explain_by(trace, "mean-attention", columns=columns, rows=rows)


@pytest.fixture(scope="module")
def whole(run):
    return LongMap(run, partial(by_units, run))


def axes(found):
    return (("rows", len(found.rows)), ("columns", len(found.columns)))


def test_the_passage_read_most_holds_what_was_read_most_and_who_read_it(run, whole):
    part, p = whole.most_read(), run.prompt_length
    assert part.columns[0] <= HOT[0] and part.columns[1] >= HOT[1]
    assert part.rows == (p + READERS[0], p + READERS[1])
    mean = whole.base.values.mean(0)
    sums = [mean[i : i + ROOM["columns"]].sum() for i in range(len(mean) - ROOM["columns"] + 1)]
    first = part.columns[0] - 1  # the markup before the prompt is not shown
    assert part.columns[1] - part.columns[0] == ROOM["columns"] and sums[first] == pytest.approx(max(sums))


def test_words_are_found_wherever_they_stand_in_the_prompt_and_nowhere_else(run, whole):
    text = run.tokens.sources[0].text
    for words in ("lantern", "LANTERN", " ".join(text.split()[10:13]), "  \n".join(text.split()[10:13]), "."):
        found = whole.find(words)
        words = " ".join(words.lower().split())
        assert len(found) == len(re.findall(re.escape(words), " ".join(text.lower().split()))) > 0
        for a, b in found:
            piece = text[run.tokens.start[a] : run.tokens.end[b - 1]]
            assert words in " ".join(piece.lower().split())
    assert whole.find("no such word") == whole.find("  ") == []


def test_a_place_that_was_found_lies_inside_the_part_around_it(whole):
    for hit in (whole.find("harbour")[0], whole.find("harbour")[-1]):
        part = whole.around(hit)
        assert part.columns[0] <= hit[0] and part.columns[1] >= hit[1]
        assert part.columns[1] - part.columns[0] == ROOM["columns"]


def test_a_part_is_as_fine_as_its_cells_allow_and_never_coarser_than_shows_something(whole):
    small = whole.most_read()
    assert whole.fitting_levels(small) == ("word", "word")
    for cells in (20_000, 3000, 500):
        columns, rows = whole.fitting_levels(whole.whole, cells=cells)
        shape = whole.draw(whole.whole, columns, rows).importance.values.shape
        assert np.prod(shape) <= cells and min(shape) >= FEWEST_ROWS
        finer = whole.finer("columns", columns), whole.finer("rows", rows)
        assert finer == (columns, rows) or whole.by(*finer).values.size > cells
    assert whole.levels("columns") == LEVELS[1:]
    down = ["paragraph"]
    while down[-1] != whole.finer("columns", down[-1]):
        down.append(whole.finer("columns", down[-1]))
    assert down == ["paragraph", "sentence", "word"]


@pytest.mark.parametrize("columns, rows", [("word", "word"), ("sentence", "word"), ("paragraph", "sentence")])
def test_the_numbers_of_a_part_are_those_of_the_whole_run(run, whole, columns, rows):
    drawn = whole.draw(whole.most_read(), columns, rows).importance
    every = by_units(run, columns, rows)
    first = {axis: [getattr(every, axis).tokens_of(i)[0] for i in range(n)] for axis, n in axes(every)}
    at = [[first[axis].index(getattr(drawn, axis).tokens_of(i)[0]) for i in range(n)] for axis, n in axes(drawn)]
    assert np.array_equal(drawn.values, every.values[np.ix_(*at)]) and drawn.columns.granularity == columns


def test_pins_stay_at_the_edge_wherever_one_goes(run, whole):
    p = run.prompt_length
    first, far, back = MapPart((p, p + 10), (1, 21)), MapPart((p + 30, p + 40), (401, 421)), MapPart((p, p + 5), (1, 9))
    for part, columns, rows in ((first, 20, 10), (far, 22, 11), (back, 9, 5)):
        drawn = whole.draw(part, "word", "word", pinned_columns=[3, 500], pinned_rows=[p + 2])
        assert drawn.pinned == (1, 2)
        assert drawn.tokens("columns", 0) == (3, 4) and drawn.tokens("columns", 1) == (500, 501)
        assert drawn.tokens("rows", 0) == (p + 2, p + 3)
        inside = set(range(*part.columns)) | {3, 500}
        assert len(drawn.importance.columns) == len(inside) and len(drawn.importance.columns) >= min(columns, 9)
        assert len(set(drawn.importance.rows.token.tolist())) == len(set(range(*part.rows)) | {p + 2}) >= rows


def test_the_columns_read_most_are_kept_in_the_order_of_the_text(whole):
    part = replace(whole.whole, rows=whole.most_read().rows)
    drawn = whole.draw(part, "word", "word", best=20).importance
    rows = whole.units_in("rows", "word", part)
    mean = whole.base.values[rows].mean(0)
    want = sorted(sorted(range(len(mean)), key=lambda c: -mean[c])[:20])
    assert [int(t) - 1 for t in drawn.columns.token] == want
    assert all(HOT[0] <= t < HOT[1] for t in drawn.columns.token)


def test_a_brush_over_the_frame_of_a_part_gives_that_part(whole):
    for part in (whole.most_read(), whole.whole, whole.around(whole.find("captain")[0])):
        frame = whole.picture_part(part)
        assert whole.brushed(frame.x, frame.y) == part
        assert whole.brushed(frame.x[::-1], frame.y[::-1]) == part, "dragged from right to left"
    assert whole.brushed((-9, -5), (0, 3)) is None


def test_the_picture_of_the_whole_says_its_percentile_and_how_cells_became_pixels(whole):
    values = whole.base.values
    cells = values[values > 0]
    colours = colour_scale(whole.base, "sqrt", clip=99.5)
    assert colours.high == pytest.approx(np.percentile(cells, 99.5)) and colours.high < cells.max()
    spec = raster_heatmap_chart(whole.base, width=400, height=20, scale="sqrt", part=whole.picture_part(whole.whole))
    said = " ".join(spec.to_dict()["title"]["subtitle"])
    assert "each pixel is the maximum of 3 × " in said
    assert "square root, full from" in said and "the 99.5th percentile" in said
