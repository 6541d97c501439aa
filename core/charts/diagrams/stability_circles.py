"""How much an attention map varies over samples: a cell in the colour of the mean, a ring from low to high end.

Guarded by tests/core/test_charts_diagrams_stability_circles.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from ...maps.intervals import IntervalKind, interval_of
from ...records import MapSeries, map_tokens
from ..matrix_layout import exact_number
from ..panels import inline_data
from ..text_widths import text_width
from .cell_grid import LEGEND_FONT, CellGrid, ValueColours, check_cells, short_value
from .figure_style import NOT_SAID, TWO_COLUMNS
from .pixel_canvas import FAINT, INK

FULL_RING = 0.46
"""Outer radius of the highest high end, in cells."""
THINNEST, LEAST_OUTER = 0.6, 0.8
"""In pixels: width of a ring whose ends are one, and the outer radius below which a ring is left out."""


def stability_map(
    series: MapSeries | np.ndarray,
    *,
    level: float = 0.95,
    kind: IntervalKind = "t",
    sides: tuple[str, str] = ("query", "key"),
    width: int = TWO_COLUMNS,
    caption: Sequence[str] = (),
    title: str = "How much the map varies",
    gamma: float = 1.0,
    select: str | None = None,
) -> alt.LayerChart:
    """Draws the mean of maps [sample, query, key] as cell colour and their interval as a ring in each cell.

    The ring's inner radius is the low end, its outer radius the high end, both proportional to the value: a thin ring
    is a sure cell, a thick ring or a disc an unsure one. ``level`` and ``kind`` ("t": of the mean, "percentile": of the
    samples) as in core.maps.intervals. ``sides``: what rows and columns are. ``gamma``: exponent of the colour scale.
    ``select``: name of a point selection over ``r``, ``c``. Raises ValueError where there are too few samples or too
    many cells.
    """
    maps = series if isinstance(series, MapSeries) else sample_series(series)
    check_cells(maps.values.shape[1:])
    mean, low, high = interval_of(maps, level, kind)
    grid = CellGrid(maps.rows, maps.columns, width, sides, (130, 300))
    most = max(float(np.nanmax(high, initial=0)), 0.0)
    colours = ValueColours.of(mean, gamma=gamma)
    base = grid.base(_records(mean, low, high, most, grid.cell, colours))
    form = ".2~p" if maps.unit.endswith("share") else ".2~g"
    cells = grid.cells(base).encode(
        fill=grid.fill("m", colours, f"mean {maps.unit}", form), tooltip=_tooltips(grid, maps)
    )
    if select:
        cells = cells.add_params(alt.selection_point(name=select, fields=["r", "c"], empty=False))
    rings = base.transform_filter("isValid(datum.s)").mark_point(
        shape="circle", filled=False, fill=None, opacity=1, clip=True
    )  # a thick line counts beyond its ring, and would widen the figure
    rings = rings.encode(
        x=grid.canvas.x(),
        y=grid.canvas.y(),
        size=alt.Size("s:Q", scale=None),
        strokeWidth=alt.StrokeWidth("t:Q", scale=None),
        stroke=alt.Stroke("k:N", scale=None),
        tooltip=_tooltips(grid, maps),
    )
    lines = [*_lines(maps, level, kind, colours, bool((low < 0).any())), *caption]
    said = f"{title}: {len(maps.rows)} queries by {len(maps.columns)} keys over {len(maps.points)} samples."
    return grid.finish([cells, rings, *_legend(grid, most, maps.unit.endswith("share"))], title, lines, said)


def sample_series(values: Any, queries: Any = None, keys: Any = None, **about: Any) -> MapSeries:
    """Makes a series of samples of an array [sample, query, key]; labels: None for numbers; ``about`` as MapSeries.

    Raises ValueError where the array has another number of axes or labels do not fit.
    """
    found = np.asarray(values, np.float32)
    if found.ndim != 3:
        raise ValueError(f"values has shape {found.shape}, expected (samples, queries, keys).")
    sides = [map_tokens(n if s is None else s) for s, n in zip((queries, keys), found.shape[1:], strict=True)]
    points = tuple(str(i) for i in range(len(found)))
    return MapSeries(found, "sample", points, sides[0], sides[1], **about)


def _records(
    mean: np.ndarray, low: np.ndarray, high: np.ndarray, most: float, cell: float, colours: ValueColours
) -> list[dict[str, Any]]:
    """Returns a record a cell: mean and ends, and its ring as area of the middle circle and width of its line."""
    full = FULL_RING * cell / (most or 1)
    outer, inner = (np.maximum(np.nan_to_num(end), 0) * full for end in (high, low))
    thick = np.maximum(outer - inner, THINNEST)
    middle = np.maximum(outer - thick / 2, 0)
    ink = colours.mark_colour(mean)
    out = []
    for r, c in np.argwhere(np.isfinite(mean)).tolist():
        one: dict[str, Any] = {"r": r, "c": c, "m": exact_number(float(mean[r, c]))}
        one |= {"l": exact_number(float(low[r, c])), "h": exact_number(float(high[r, c]))}
        if outer[r, c] >= LEAST_OUTER:
            size, line = 4 * float(middle[r, c]) ** 2, float(thick[r, c])
            one |= {"s": round(size, 2), "t": round(line, 2), "k": str(ink[r, c])}
        out.append(one)
    return out


def _tooltips(grid: CellGrid, maps: MapSeries) -> list[alt.Tooltip]:
    form = ".3~p" if maps.unit.endswith("share") else ".3~g"
    named = {"m": "mean", "l": "low end", "h": "high end"}
    return [*grid.tooltips(), *(alt.Tooltip(f"{field}:Q", title=name, format=form) for field, name in named.items())]


def _legend(grid: CellGrid, most: float, percent: bool) -> list[alt.Chart]:
    """Draws three rings with their ends, below the cells."""
    x, y = grid.legends[1]
    full = min(FULL_RING * grid.cell, 12)
    rings: list[dict[str, Any]] = []
    texts = [{"x": x, "y": y + 5, "text": "ring: from the low to the high end", "colour": INK}]
    at = x
    for a, b in ((0.9, 1.0), (0.5, 1.0), (0.0, 0.5)):
        thick = (b - a) * full
        rings.append({"x": at + b * full + 1, "y": y + 25, "s": 4 * (b * full - thick / 2) ** 2, "t": thick})
        said = f"{short_value(most * a, percent)} – {short_value(most * b, percent)}"
        texts.append({"x": at + 2 * b * full + 6, "y": y + 25, "text": said, "colour": FAINT})
        at += 2 * b * full + 12 + text_width(said, LEGEND_FONT)
    mark = alt.Chart(inline_data(rings)).mark_point(shape="circle", fill=None, stroke=INK, opacity=1, tooltip=None)
    mark = mark.encode(
        x=grid.canvas.x(),
        y=grid.canvas.y(),
        size=alt.Size("s:Q", scale=None),
        strokeWidth=alt.StrokeWidth("t:Q", scale=None),
    )
    return [mark, grid.canvas.texts(texts, LEGEND_FONT)]


def _lines(maps: MapSeries, level: float, kind: str, colours: ValueColours, below: bool) -> list[str]:
    """Returns the caption: source, interval, what the ring means, and what it does not say."""
    what = f"{100 * level:g} % t interval of the mean" if kind == "t" else f"middle {100 * level:g} % of the samples"
    samples = f"{what} over {len(maps.points)} {maps.axis}s"
    cut = ["ends below 0 are drawn at 0"] if below else []
    ring = "inner radius = low end, outer radius = high end, proportional to the value"
    source = " · ".join(filter(None, [maps.source, maps.what, maps.unit]))
    return [source, " · ".join([samples, *cut]), " · ".join([ring, *colours.said()]), *maps.notes, NOT_SAID]
