"""Two attention maps in one figure: a cell in the colour of A, in it a circle in the colour of B.

The radius is proportional to how much they differ, and the outline says which is larger. Guarded by
tests/core/test_charts_diagrams_comparison_circles.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from ...maps.map_agreement import check_same_shape, map_agreement
from ...records import AttentionMap, MapTokens
from ..matrix_layout import exact_number
from ..panels import inline_data
from ..text_labels import significant_digits
from ..text_widths import text_width
from .cell_grid import LEGEND_FONT, CellGrid, ValueColours, check_cells, short_value
from .figure_style import NOT_SAID, TWO_COLUMNS, as_map, map_caption
from .pixel_canvas import FAINT, INK

FULL_RADIUS = 0.46
"""Radius of the largest difference, in cells."""
LEAST_RADIUS, LEAST_RING = 0.8, 2.8
"""Pixels below which a circle is left out, and below which a smaller B is a bar alone: dashes could not be seen."""
SOLID: dict[str, Any] = {"shape": "circle", "stroke": INK, "strokeWidth": 1.1, "opacity": 1}
DASHED: dict[str, Any] = SOLID | {"strokeWidth": 0.9, "strokeDash": [2, 1.5]}
BAR: dict[str, Any] = SOLID | {"shape": "M-1,0L1,0", "fill": None}
"""Looks of the marks: a circle where B is larger; where it is smaller, a dashed one and a bar through it."""


def comparison_circles(
    first: AttentionMap | Any,
    second: AttentionMap | Any,
    *,
    width: int = TWO_COLUMNS,
    caption: Sequence[str] = (),
    title: str = "Two attention maps: cell A, circle B",
    gamma: float = 1.0,
    select: str | None = None,
) -> alt.LayerChart:
    """Draws two maps or arrays of one shape: cell colour = ``first`` (A), circle colour = ``second`` (B), on one scale.

    The circle's *radius* (not its area) is proportional to |B - A|; its outline is solid where B is larger and dashed
    with a bar through it where B is smaller. Labels may differ: then both are shown. ``gamma``: exponent of the colour
    scale. The caption has Spearman's correlation and the cosine. ``select``: name of a point selection over ``r``,
    ``c``. Raises ValueError where the shapes differ or there are too many cells.
    """
    first, second = as_map(first), as_map(second)
    check_same_shape(first, second)
    check_cells(first.values.shape)
    rows, columns = (_joined(*sides) for sides in ((first.queries, second.queries), (first.keys, second.keys)))
    grid = CellGrid(rows, columns, width, ("query", "key"), (130, 150, 145))
    shown = first.readable | second.readable
    most = _largest(first, second)
    colours = ValueColours.of(first.values, second.values, gamma=gamma)
    base = grid.base(_records(first, second, shown, most, grid.cell))
    fill = grid.fill("a", colours, "attention share, A and B", ".2~p")
    cells = grid.cells(base).encode(fill=fill, tooltip=_tooltips(grid))
    if select:
        cells = cells.add_params(alt.selection_point(name=select, fields=["r", "c"], empty=False))
    lines = [*_lines(first, second, most, colours), *caption]
    layers = [cells, *_circles(grid, base, colours), *_legends(grid, most)]
    return grid.finish(layers, title, lines, f"{title}: {len(rows)} queries by {len(columns)} keys.")


def _joined(first: MapTokens, second: MapTokens) -> MapTokens:
    """Returns tokens that bear both labels where they differ."""
    texts = [a if a == b else f"{a}|{b}" for a, b in zip(first.texts, second.texts, strict=True)]
    return MapTokens(tuple(texts), first.special & second.special)


def _largest(first: AttentionMap, second: AttentionMap) -> float:
    """Returns the largest difference of two cells; 0 where there is none."""
    apart = np.abs(second.values - first.values)
    return float(np.nanmax(apart, initial=0.0)) if np.isfinite(apart).any() else 0.0


def _records(
    first: AttentionMap, second: AttentionMap, shown: np.ndarray, most: float, cell: float
) -> list[dict[str, Any]]:
    """Returns a record a cell: place, both values, their difference, and the circle's size and sign."""
    a, b = first.values, second.values
    with np.errstate(invalid="ignore"):
        apart = b - a
    radius = FULL_RADIUS * cell * np.abs(np.nan_to_num(apart)) / (most or 1)
    out = []
    for r, c in np.argwhere(shown).tolist():
        one: dict[str, Any] = {"r": r, "c": c, "a": exact_number(float(a[r, c])), "b": exact_number(float(b[r, c]))}
        one["d"] = exact_number(float(apart[r, c]))
        if radius[r, c] >= LEAST_RADIUS:
            one |= {"s": round(4 * float(radius[r, c]) ** 2, 1), "w": int(apart[r, c] < 0)}
        out.append(one)
    return out


def _tooltips(grid: CellGrid) -> list[alt.Tooltip]:
    values = {"a": "A", "b": "B"}
    return [
        *grid.tooltips(),
        *(alt.Tooltip(f"{field}:Q", title=name, format=".3~p") for field, name in values.items()),
        alt.Tooltip("d:Q", title="B - A", format="+.3~p"),
    ]


def _circles(grid: CellGrid, base: alt.Chart, colours: ValueColours) -> list[alt.Chart]:
    """Draws the circles: solid where B is larger, dashed with a bar where it is smaller."""
    place = {"x": grid.canvas.x(), "y": grid.canvas.y(), "size": alt.Size("s:Q", scale=None)}
    filled = place | {"fill": colours.fill("b"), "tooltip": _tooltips(grid)}
    bare = {name: channel for name, channel in filled.items() if name != "fill"}
    return [
        base.transform_filter("datum.w === 0").mark_point(**SOLID).encode(**filled),
        base.transform_filter(f"datum.w === 1 && datum.s >= {4 * LEAST_RING**2:g}")
        .mark_point(**DASHED)
        .encode(**filled),
        base.transform_filter("datum.w === 1").mark_point(**BAR).encode(**bare),
    ]


def _legends(grid: CellGrid, most: float) -> list[alt.Chart]:
    """Draws what radius and outline mean, below the cells."""
    canvas, (x, y), (x2, y2) = grid.canvas, grid.legends[1], grid.legends[2]
    full = min(FULL_RADIUS * grid.cell, 12)
    texts = [{"x": x, "y": y + 5, "text": "radius: |B - A|", "colour": INK}]
    circles: list[dict[str, Any]] = []
    at = x
    for part in (0.25, 0.5, 1.0):
        radius = full * part
        circles.append({"x": at + radius + 1, "y": y + 24, "s": 4 * radius**2, "w": 0})
        said = short_value(most * part, True)
        texts.append({"x": at + 2 * radius + 5, "y": y + 24, "text": said, "colour": FAINT})
        at += 2 * radius + 12 + text_width(said, LEGEND_FONT)
    for n, name in enumerate(("B larger", "B smaller (small: a bar)")):
        circles.append({"x": x2 + 7, "y": y2 + 6 + 18 * n, "s": 4 * 6**2, "w": n})
        texts.append({"x": x2 + 18, "y": y2 + 6 + 18 * n, "text": name, "colour": INK})
    base = alt.Chart(inline_data(circles))
    place = {"x": canvas.x(), "y": canvas.y(), "size": alt.Size("s:Q", scale=None)}
    marks = [
        base.transform_filter(f"datum.w === {w}").mark_point(tooltip=None, **look).encode(**place)
        for w, look in ((0, SOLID | {"fill": "#ffffff"}), (1, DASHED | {"fill": "#ffffff"}), (1, BAR))
    ]
    return [*marks, canvas.texts(texts, LEGEND_FONT)]


def _lines(first: AttentionMap, second: AttentionMap, most: float, colours: ValueColours) -> list[str]:
    """Returns the caption: both maps, what the marks mean, how alike the maps are, and what it does not say."""
    same = map_agreement(first, second)
    alike = " · ".join(
        f"{name} {value:.2f}" if math.isfinite(value) else f"{name} not defined"
        for name, value in (("Spearman", same.spearman), ("cosine", same.cosine))
    )
    sizes = f"radius proportional to the difference, {significant_digits(100 * most)} % at the largest"
    named = [f"{letter}: {map_caption(one)[0]}" for letter, one in (("A", first), ("B", second))]
    return [
        *named,
        " · ".join([sizes, *colours.said()]),
        f"{alike} over {same.cells} cells that both could read",
        NOT_SAID,
    ]
