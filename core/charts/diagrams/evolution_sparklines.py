"""How every cell of a map evolves over layers, steps or checkpoints: a small line in each cell.

Guarded by tests/core/test_charts_diagrams_evolution_sparklines.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import numpy as np

from ...records import MapSeries
from ..axis_labels import AxisLabels, with_labels
from ..matrix_layout import exact_number
from ..text_labels import visible_label
from ..text_widths import text_width
from .cell_grid import LEGEND_FONT, CellGrid, ValueColours, check_cells, short_value
from .figure_style import NOT_SAID, TWO_COLUMNS
from .pixel_canvas import FAINT, INK

MARGIN = 0.1
"""Air between a cell's edge and its line, in cells."""
HOVERED = "hovered_cell"
"""Selection of the cell under the mouse: tooltips take only its points apart, since all of 24 x 24 x 24 are slow."""


def evolution_sparklines(
    series: MapSeries,
    *,
    shared: bool = True,
    at: int | None = None,
    ground: Literal["point", "mean"] = "point",
    sides: tuple[str, str] = ("query", "key"),
    width: int = TWO_COLUMNS,
    caption: Sequence[str] = (),
    title: str = "",
    gamma: float = 1.0,
    select: str | None = None,
) -> alt.LayerChart:
    """Draws a line over all points of ``series`` in each cell, on the colour of its value at one point.

    ``shared``: all lines have one scale (from 0, or the lowest value below it, to the highest); else each line has its
    own, from its lowest to its highest value, so that only its shape can be read. A cell that is 0 throughout has no
    line. ``at``: a point (index) that a dot marks in every cell, e.g. that of a slider. ``ground``: the cell's colour
    is the value at ``at`` (None: the last point), or the mean over points. ``sides``: what rows and columns are.
    ``gamma``: exponent of the colour scale. ``select``: name of a point selection over ``r``, ``c``; beside it the
    figure holds one of its own for hovering (HOVERED). Raises ValueError for a point that is not there, and where there
    are too many cells.
    """
    check_cells(series.values.shape[1:])
    points = len(series.points)
    if at is not None and not 0 <= at < points:
        raise ValueError(f"There is no point {at}: this series has points 0 to {points - 1}.")
    told = f"{series.unit}, {_ground_name(series, at, ground)}"
    legend = max(130.0, min(text_width(told, LEGEND_FONT) * 1.08 + 12, width - 20))
    grid = CellGrid(series.rows, series.columns, width, sides, (legend, 190))
    filled = _ground(series, at, ground)
    colours = ValueColours.of(series.values, gamma=gamma)
    low, high = _scales(series, shared, colours)
    base = grid.base(_records(series, filled, low, high, colours))
    form = ".2~p" if series.unit.endswith("share") else ".2~g"
    named = _ground_name(series, at, ground)
    tips = [*grid.tooltips(), alt.Tooltip("g:Q", title=named, format=form.replace("2", "3"))]
    cells = grid.cells(base).encode(fill=grid.fill("g", colours, told, form), tooltip=tips)
    hover = alt.selection_point(name=HOVERED, on="pointerover", fields=["r", "c"], empty=False)
    cells = cells.add_params(hover)
    if select:
        cells = cells.add_params(alt.selection_point(name=select, fields=["r", "c"], empty=False))
    labels = AxisLabels([visible_label(p) for p in series.points])
    drawn = _points(base, grid, points)
    layers = [cells, _lines_of(drawn, grid), *([_dots(drawn, grid, at)] if at is not None else [])]
    layers.append(_slices(_points(base.transform_filter(hover), grid, points), grid, series, labels, form))
    heading = title or f"Over {points} {series.axis}s"
    lines = [*_lines(series, shared, at, named, colours), *caption]
    said = (
        f"{heading}: {len(series.rows)} by {len(series.columns)} cells, each with a line over {points} {series.axis}s."
    )
    chart = grid.finish([*layers, *_legend(grid, series, shared, colours)], heading, lines, said)
    return with_labels(chart, labels)


def _ground(series: MapSeries, at: int | None, ground: str) -> np.ndarray:
    """Returns float [row, column]: the values that the cells are coloured by."""
    if ground == "point":
        return series.values[-1 if at is None else at].astype(float)
    if ground != "mean":
        raise ValueError(f"ground must be point or mean, not {ground!r}.")
    there = np.isfinite(series.values)
    total = np.where(there, series.values, 0).sum(0, dtype=float)
    return np.where(there.any(0), total / np.maximum(there.sum(0), 1), np.nan)


def _ground_name(series: MapSeries, at: int | None, ground: str) -> str:
    point = visible_label(series.points[-1 if at is None else at])
    return (
        f"mean over {series.axis}s" if ground == "mean" else point if series.axis in point else f"{series.axis} {point}"
    )


def _scales(series: MapSeries, shared: bool, colours: ValueColours) -> tuple[np.ndarray, np.ndarray]:
    """Returns (lowest, highest) value of each cell's line, each float [row, column]."""
    shape = series.values.shape[1:]
    if shared:
        return np.full(shape, colours.low), np.full(shape, colours.high)
    there = np.isfinite(series.values)
    low = np.where(there, series.values, np.inf).min(0)
    high = np.where(there, series.values, -np.inf).max(0)
    flat = ~(high > low)  # a line without rise runs through the middle
    return np.where(flat, np.nan_to_num(low, posinf=0) - 1, low), np.where(
        flat, np.nan_to_num(high, neginf=0) + 1, high
    )


def _records(
    series: MapSeries, filled: np.ndarray, low: np.ndarray, high: np.ndarray, colours: ValueColours
) -> list[dict[str, Any]]:
    """Returns a record a cell that has any value: its values over the points in one text, none where all are 0.

    A text, since a dashboard may pass the records on as a table, whose lists are no lists of a browser.
    """
    ink = colours.mark_colour(filled)
    values = [[[exact_number(v) for v in cell] for cell in row] for row in series.values.transpose(1, 2, 0).tolist()]
    out = []
    for r, c in np.argwhere(np.isfinite(series.values).any(0)).tolist():
        one: dict[str, Any] = {"r": r, "c": c, "g": exact_number(float(filled[r, c]))}
        if any(values[r][c]):
            one |= {"v": _joined(values[r][c]), "k": str(ink[r, c])}
            one |= {"o": exact_number(float(low[r, c])), "u": exact_number(float(high[r, c]))}
        out.append(one)
    return out


def _joined(values: Sequence[float | None]) -> str:
    return ",".join("" if value is None else f"{value:.7g}" for value in values)


def _points(base: alt.Chart, grid: CellGrid, points: int) -> alt.Chart:
    """Returns a chart of a record for each point of each cell: ``px``, ``py`` in pixels, ``i`` its number."""
    room = grid.cell * (1 - 2 * MARGIN)
    chart = (
        base.transform_filter("isString(datum.v)")
        .transform_calculate(i=f"sequence({points})", v="split(datum.v, ',')")
        .transform_flatten(["v", "i"])
        .transform_calculate(v="datum.v === '' ? null : toNumber(datum.v)")
    )
    return chart.transform_calculate(
        px=f"datum.x - {room / 2:g} + {room / max(points - 1, 1):g} * datum.i",
        py=f"datum.v === null ? null : datum.y + {room / 2:g} - {room:g} * (datum.v - datum.o) / (datum.u - datum.o)",
    )


def _lines_of(drawn: alt.Chart, grid: CellGrid) -> alt.Chart:
    stroke = 1.0 if grid.cell >= 16 else 0.7
    return drawn.mark_line(strokeWidth=stroke, tooltip=None).encode(
        x=grid.canvas.x("px"), y=grid.canvas.y("py"), detail=["r:Q", "c:Q"], stroke=alt.Stroke("k:N", scale=None)
    )


def _dots(drawn: alt.Chart, grid: CellGrid, at: int) -> alt.Chart:
    """Draws a dot on every line at the marked point."""
    size = float(np.clip(grid.cell / 6, 2, 5)) ** 2
    mark = drawn.transform_filter(f"datum.i === {at} && datum.v !== null").mark_circle(
        size=size, opacity=1, tooltip=None
    )
    return mark.encode(x=grid.canvas.x("px"), y=grid.canvas.y("py"), color=alt.Color("k:N", scale=None))


def _slices(drawn: alt.Chart, grid: CellGrid, series: MapSeries, labels: AxisLabels, form: str) -> alt.Chart:
    """Draws an unseen slice of each cell for every point, which bears the tooltip of that point."""
    points = max(len(series.points), 1)
    begin, half = f"datum.x - {grid.cell / 2:g} + {grid.cell / points:g}", f"{grid.cell / 2:g}"
    ends = {"x0": f"{begin} * datum.i", "x1": f"{begin} * (datum.i + 1)", "y0": f"datum.y - {half}"}
    chart = drawn.transform_calculate(**ends, y1=f"datum.y + {half}", point=labels.at("datum.i"))
    tips = [
        *grid.tooltips(),
        alt.Tooltip("point:N", title=series.axis),
        alt.Tooltip("v:Q", title=series.unit, format=form.replace("2", "3")),
    ]
    mark = chart.mark_rect(opacity=0)
    return mark.encode(x=grid.canvas.x("x0"), x2=alt.X2("x1:Q"), y=grid.canvas.y("y0"), y2=alt.Y2("y1:Q"), tooltip=tips)


def _legend(grid: CellGrid, series: MapSeries, shared: bool, colours: ValueColours) -> list[alt.Chart]:
    """Draws what the ends of a line are, below the cells."""
    x, y = grid.legends[1]
    first, last = (visible_label(p, 14) for p in (series.points[0], series.points[-1]))
    percent = series.unit.endswith("share")
    ends = [short_value(v, percent) for v in (colours.low, colours.high)]
    scale = f"height: {ends[0]} to {ends[1]} in every cell" if shared else "height: lowest to highest of the cell"
    texts = [
        {"x": x, "y": y + 5, "text": f"left to right: {series.axis} {first} to {last}", "colour": INK},
        {"x": x, "y": y + 21, "text": scale, "colour": FAINT},
    ]
    return [grid.canvas.texts(texts, LEGEND_FONT)]


def _lines(series: MapSeries, shared: bool, at: int | None, named: str, colours: ValueColours) -> list[str]:
    """Returns the caption: source, scale of the lines, colour of the cells, and what it does not say."""
    source = " · ".join(filter(None, [series.source, series.what, series.unit]))
    scale = "all lines on one scale" if shared else "each line on its own scale: only shapes compare"
    dot = [f"dot: {series.axis} {visible_label(series.points[at])}"] if at is not None else []
    return [source, " · ".join([scale, f"cell colour: {named}", *dot, *colours.said()]), *series.notes, NOT_SAID]
