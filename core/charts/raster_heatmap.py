"""Draws the heatmap of a long run as one picture, where rectangles would be too slow in a browser.

A palette PNG inside the chart: 500 x 4000 cells draw in half a second. Where cells outnumber pixels, each pixel shows
the maximum of its cells, and the subtitle says so: a mean would hide the few cells that matter. Colours go by the
square root and end at a percentile, else such a map is nearly black. An image mark has no legend, so an invisible layer
brings one. Guarded by tests/core/test_charts_token_heatmap.py.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np

from ..records import Importance
from .matrix_layout import (
    FRAME_COLOUR,
    ColourScale,
    MatrixLayout,
    Scale,
    colour_scale,
    finish_matrix,
    readable,
    value_colour,
)
from .text_labels import VIRIDIS

FULL_FROM = 99.5
"""Percentile of the cells from which on all have the last colour: a few cells read very much leave no room else."""
PART_DATA = ("shown_part", "found_words")


def raster_heatmap_chart(
    importance: Importance,
    *,
    rows_title: str = "Answer",
    columns_title: str = "Input",
    width: int = 880,
    height: int = 460,
    scale: Scale = "sqrt",
    domain: tuple[float, float] | None = None,
    clip: float | None = FULL_FROM,
    earlier: bool = True,
    prompt_length: int | None = None,
    select: str | None = None,
    part: PicturePart | None = None,
    title: str = "Token association heatmap, overview",
    brief: bool = False,
) -> alt.LayerChart:
    """Draws the matrix of ``heatmap`` as one picture, for any size; a pixel is the maximum of the cells it covers.

    ``clip``: the percentile of the cells from which on all have the last colour; it stands in the caption. ``select``
    names a brush that reports ``{"x0": [a, b], "y0": [c, d]}`` in rows and drawn columns. ``part`` is framed; its data
    are data sets of their own, named PART_DATA, so that a page may change them without drawing the picture anew.
    ``brief`` leaves out legend and settings, which a chart beside it has.
    """
    layout = MatrixLayout(importance, width, earlier, prompt_length, height=height)
    values = np.full((layout.rows, layout.columns), np.nan, np.float32)
    values[:, layout.place[layout.place >= 0]] = np.where(readable(importance), importance.values, np.nan)[
        :, layout.place >= 0
    ]
    small, factors = downsample(values, layout.height, layout.width)
    colours = colour_scale(importance, scale, domain, clip)
    picture = {"x0": 0, "y0": 0, "url": palette_png(_unit_interval(small, colours))}
    drawn: Any = {side: {"expr": side} for side in ("width", "height")}  # as large as the axes are drawn
    axis = {"domain": [0, layout.columns]}, {"domain": [0, layout.rows], "reverse": True}
    x = alt.X("x0:Q", scale=alt.Scale(nice=False, **axis[0]), axis=layout.axis("x", columns_title, 0.5))
    y = alt.Y("y0:Q", scale=alt.Scale(nice=False, **axis[1]), axis=layout.axis("y", rows_title, 0.5))
    image = (
        alt.Chart(alt.InlineData(values=[picture]))
        .mark_image(
            width=drawn["width"], height=drawn["height"], align="left", baseline="top", aspect=False, tooltip=None
        )
        .encode(x=x, y=y, url=alt.Url("url:N"), description=alt.DescriptionValue("all cells as one picture"))
    )
    if select:
        look = alt.BrushConfig(fill="#ffffff", fillOpacity=0.2, stroke="#ffffff", strokeOpacity=0.6)
        image = image.add_params(alt.selection_interval(name=select, encodings=["x", "y"], mark=look))
    layers = [image, *([] if brief else [_legend(importance, colours)]), *([] if part is None else _framed(x, y))]
    chart = alt.layer(*layers, **({} if part is None else {"datasets": part.data()}))
    lines = [] if factors == (1, 1) else [f"each pixel is the maximum of {factors[0]} × {factors[1]} cells"]
    return finish_matrix(chart, importance, layout, title, [*lines, *colours.line(importance)], settings=not brief)


def _legend(importance: Importance, colours: ColourScale) -> alt.Chart:
    """Draws two points that nobody sees, for their legend."""
    ends = alt.InlineData(values=[{"value": colours.low}, {"value": colours.high}])
    return alt.Chart(ends).mark_point(opacity=0, size=0, filled=True).encode(fill=value_colour(importance, colours))


@dataclass(frozen=True)
class PicturePart:
    """What is framed in a picture, in drawn rows and columns: a rectangle, and columns that were found."""

    x: tuple[float, float]
    """First column and one past the last."""
    y: tuple[float, float]
    found: tuple[int, ...] = ()

    def data(self) -> dict[str, list[dict[str, float]]]:
        """Returns the records of the two data sets, by name; never empty lists, which have no fields."""
        framed = {"x0": self.x[0], "x1": self.x[1], "y0": self.y[0], "y1": self.y[1]}
        return {PART_DATA[0]: [framed], PART_DATA[1]: [{"x0": c + 0.5} for c in self.found] or [{"x0": -1.0}]}


def _framed(x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Draws the frame of the part, and a tick below each column that was found."""
    place = alt.Chart(alt.NamedData(name=PART_DATA[0]))
    look: dict[str, Any] = {"fill": None, "tooltip": None}
    dark = place.mark_rect(stroke="#000000", strokeWidth=5, **look)  # parts it from cells read most, near in colour
    frame = place.mark_rect(stroke=FRAME_COLOUR, strokeWidth=2, **look)
    ticks = alt.Chart(alt.NamedData(name=PART_DATA[1])).mark_rule(
        stroke=FRAME_COLOUR, strokeWidth=2, clip=False, tooltip=None
    )
    return [
        *(rect.encode(x=x, x2=alt.X2("x1:Q"), y=y, y2=alt.Y2("y1:Q")) for rect in (dark, frame)),
        ticks.transform_filter("datum.x0 >= 0").encode(
            x=x, y=alt.YValue(alt.ExprRef("height")), y2=alt.Y2Value(alt.ExprRef("height + 7"))
        ),
    ]


def downsample(values: np.ndarray, rows: int, columns: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Reduces ``values`` by the maximum to at most ``rows`` x ``columns``; NaN only where a whole block is."""
    factors = math.ceil(values.shape[0] / rows), math.ceil(values.shape[1] / columns)
    out = np.where(np.isnan(values), -np.inf, values)
    for axis, factor in enumerate(factors):
        starts = np.arange(0, out.shape[axis], factor)
        out = np.maximum.reduceat(out, starts, axis=axis)
    return np.where(np.isinf(out), np.nan, out), factors


def _unit_interval(values: np.ndarray, colours: ColourScale) -> np.ndarray:
    """Returns where between the lowest and the highest colour each value lies, as Vega's scales have it."""
    bend: Any = {"linear": np.asarray, "sqrt": lambda v: np.sign(v) * np.sqrt(np.abs(v)), "log": np.log}[colours.scale]
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = bend(colours.low), bend(colours.high)
        return (bend(np.clip(values, colours.low, colours.high)) - low) / (high - low)


def palette_png(shade: np.ndarray, colours: np.ndarray | None = None) -> str:
    """Returns ``shade[row, column]`` in 0..1 (NaN: transparent) as a palette PNG in a data URI.

    ``colours``: uint8 [255, 3] from lowest to highest; viridis where not given.
    """
    from PIL import Image

    index = np.where(np.isnan(shade), 0, 1 + np.round(np.nan_to_num(shade) * 254)).astype(np.uint8)
    picture = Image.fromarray(index, mode=None).convert("L")
    picture = Image.frombytes("P", picture.size, picture.tobytes())
    palette = viridis_colours(255) if colours is None else colours
    picture.putpalette([*palette[0].tolist(), *palette.ravel().tolist()])  # what is smoothed into it gets no dark edge
    out = io.BytesIO()
    picture.save(out, "PNG", transparency=0, optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def viridis_colours(n: int) -> np.ndarray:
    """Returns uint8 [n, 3]: viridis in ``n`` steps."""
    return blended_colours(VIRIDIS, n)


def blended_colours(anchors_hex: Sequence[str], n: int) -> np.ndarray:
    """Returns uint8 [n, 3]: ``n`` steps over these colours (``#rrggbb``), evenly spaced."""
    anchors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in anchors_hex], float)
    at = np.linspace(0, len(anchors) - 1, n)
    return np.stack([np.interp(at, np.arange(len(anchors)), a) for a in anchors.T], axis=1).round().astype(np.uint8)
