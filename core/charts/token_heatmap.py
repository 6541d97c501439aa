"""Draws the heatmap of a run: the attention of each part of the answer on each part of the input.

Axes carry positions and labels are looked up, since equal words would merge otherwise. Cells are rectangles up to
MOST_CELLS, which a browser draws in a third of a second; above that ``raster_heatmap_chart`` draws one palette picture,
each pixel the maximum of its cells, and says so. Hover shows true values, never values scaled to the maximum. Both
blocks (input, earlier output) share one x axis, so that a chart can stretch. Guarded by
tests/core/test_charts_token_heatmap.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from ..records import Importance
from .matrix_layout import (
    FRAME_COLOUR,
    MatrixLayout,
    Scale,
    colour_scale,
    exact_number,
    finish_matrix,
    readable,
    value_colour,
)
from .panels import inline_data
from .text_labels import legend_title

MOST_CELLS = 7000
"""Most rectangles that stay quick; above, take a coarser granularity or ``raster_heatmap_chart``."""


def fits_as_cells(importance: Importance, cells: int = MOST_CELLS) -> bool:
    """Returns whether the matrix can be drawn as rectangles."""
    return importance.values.size <= cells


def heatmap(
    importance: Importance,
    *,
    rows_title: str = "Answer",
    columns_title: str = "Input",
    width: int = 880,
    scale: Scale = "linear",
    domain: tuple[float, float] | None = None,
    clip: float | None = None,
    earlier: bool = True,
    prompt_length: int | None = None,
    picked: tuple[int, int] | None = None,
    pinned: tuple[int, int] = (0, 0),
    marked: Mapping[int, float] | None = None,
    select: str | None = None,
    title: str = "Token association heatmap",
    notes: Sequence[str] = (),
) -> alt.LayerChart:
    """Draws rectangles of ``values[row, column]``; cells that could not be read are left empty.

    ``domain`` fixes the colour scale (two charts beside each other need the same), ``clip`` ends it at a percentile
    of the cells. ``earlier`` shows the earlier output as a second block. ``prompt_length`` says where output begins;
    without it, at the first row. ``picked`` (rows a to b, b excluded) is framed. The first rows and columns, as many
    as ``pinned`` says, stand apart at the edge. ``marked``: {column: width in pixels of a frame around it}. ``select``
    names a point selection over the fields ``row`` and ``column`` (indices into ``values``). ``notes`` are more
    caption lines. Steps in tooltips are counted from 1.
    """
    marked = marked or {}
    layout = MatrixLayout(importance, width, earlier, prompt_length, pinned=pinned, marked=marked)
    colours = colour_scale(importance, scale, domain, clip)
    cells = _cells(importance, layout)
    base = alt.Chart(inline_data(cells)).encode(
        x=layout.x(columns_title), y=layout.y(rows_title), tooltip=_tooltip(importance, rows_title, columns_title)
    )
    # Thousands of descriptions help no screen reader and take half of the time: the chart has one, the table the rest.
    rects = base.mark_rect(**layout.seamless(), aria=False).encode(fill=value_colour(importance, colours))
    if select:
        rects = rects.add_params(alt.selection_point(name=select, fields=["row", "column"], empty=False))
    layers = [rects, *layout.headings(columns_title)]
    if picked is not None:
        layers.append(_frame(picked, layout))
    layers += [_column_frame(layout, columns_title, column, pixels) for column, pixels in marked.items()]
    return finish_matrix(alt.layer(*layers), importance, layout, title, [*colours.line(importance), *notes])


def _cells(importance: Importance, layout: MatrixLayout) -> list[dict[str, Any]]:
    """Returns one record per readable cell: place, indices, labels and true values."""
    rows, columns = np.nonzero(readable(importance) & (layout.place >= 0))
    values = importance.values[rows, columns]
    uniform = importance.uniform[rows, columns]
    ratio = np.divide(values, uniform, out=np.full(len(values), np.nan, np.float32), where=uniform > 0)
    return [
        {
            "x": int(layout.place[c]),
            "y": int(layout.row_place[r]),
            "row": int(r),
            "column": int(c),
            "output": layout.row_labels[layout.row_place[r]],
            "input": layout.column_labels[layout.place[c]],
            "value": exact_number(v),
            "times": exact_number(m),
            "step": layout.steps[r],
        }
        for r, c, v, m in zip(rows, columns, values, ratio, strict=True)
    ]


def _tooltip(importance: Importance, rows_title: str, columns_title: str) -> list[alt.Tooltip]:
    share, read = importance.unit == "share", legend_title(importance.unit, importance.method)
    return [
        alt.Tooltip("output:N", title=rows_title),
        alt.Tooltip("input:N", title=columns_title),
        alt.Tooltip("value:Q", title=read, format=".3~p" if share else ".4~r"),
        alt.Tooltip("times:Q", title="times uniform reading", format=".3~r"),
        alt.Tooltip("step:N", title=importance.row_axis),
    ]


def _frame(picked: tuple[int, int], layout: MatrixLayout) -> alt.Chart:
    """Draws a frame around the picked rows, in a colour that viridis does not have."""
    first, last = sorted(picked)
    a, b = int(layout.row_place[first]), int(layout.row_place[last - 1]) + 1
    step = layout.height / max(layout.rows, 1)
    mark = alt.Chart(alt.InlineData(values=[{}])).mark_rect(fill=None, stroke=FRAME_COLOUR, strokeWidth=2)
    return mark.encode(x=alt.XValue(0), x2=alt.X2Value("width"), y=alt.YValue(a * step), y2=alt.Y2Value(b * step))


def _column_frame(layout: MatrixLayout, title: str, column: int, pixels: float) -> alt.Chart:
    """Draws a frame around a whole column."""
    place = alt.InlineData(values=[{"x": int(layout.place[column])}])
    mark = alt.Chart(place).mark_rect(fill=None, stroke=FRAME_COLOUR, strokeWidth=pixels)
    return mark.encode(x=layout.x(title), y=alt.YValue(0), y2=alt.Y2Value("height"))
