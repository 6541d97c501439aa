"""Draws the heatmap of a long run as one picture, where rectangles would be too slow in a browser.

A palette PNG inside the chart: 500 x 4000 cells draw in half a second. Where cells outnumber pixels, each pixel shows
the maximum of its cells, and the subtitle says so: a mean would hide the few cells that matter. An image mark has no
legend, so an invisible layer brings one. Guarded by tests/core/test_charts_token_heatmap.py.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from ..records import Importance
from .matrix_layout import MatrixLayout, Scale, colour_domain, finish_matrix, readable, value_colour
from .text_labels import VIRIDIS


def raster_heatmap_chart(
    importance: Importance,
    *,
    rows_title: str = "Answer",
    columns_title: str = "Input",
    width: int = 880,
    height: int = 460,
    scale: Scale = "linear",
    domain: tuple[float, float] | None = None,
    earlier: bool = True,
    prompt_length: int | None = None,
    select: str | None = None,
    title: str = "Token association heatmap, overview",
) -> alt.LayerChart:
    """Draws the matrix of ``heatmap`` as one picture, for any size; a pixel is the maximum of the cells it covers.

    ``select`` names a brush that reports ``{"x0": [a, b], "y0": [c, d]}`` in rows and drawn columns.
    """
    layout = MatrixLayout(importance, width, earlier, prompt_length, height=height)
    values = np.full((layout.rows, layout.columns), np.nan, np.float32)
    values[:, layout.place[layout.place >= 0]] = np.where(readable(importance), importance.values, np.nan)[
        :, layout.place >= 0
    ]
    small, factors = downsample(values, layout.height, layout.width)
    low, high = colour_domain(importance, scale, domain)
    picture = {"x0": 0, "y0": 0, "url": palette_png(_unit_interval(small, scale, low, high))}
    drawn: Any = {side: {"expr": side} for side in ("width", "height")}  # as large as the axes are drawn
    axis = {"domain": [0, layout.columns]}, {"domain": [0, layout.rows], "reverse": True}
    image = (
        alt.Chart(alt.InlineData(values=[picture]))
        .mark_image(
            width=drawn["width"], height=drawn["height"], align="left", baseline="top", aspect=False, tooltip=None
        )
        .encode(
            x=alt.X("x0:Q", scale=alt.Scale(nice=False, **axis[0]), axis=layout.axis("x", columns_title, 0.5)),
            y=alt.Y("y0:Q", scale=alt.Scale(nice=False, **axis[1]), axis=layout.axis("y", rows_title, 0.5)),
            url="url:N",
            description=alt.value("all cells as one picture"),
        )
    )
    if select:
        image = image.add_params(alt.selection_interval(name=select, encodings=["x", "y"]))
    legend = (
        alt.Chart(alt.InlineData(values=[{"value": low}, {"value": high}]))
        .mark_point(opacity=0, size=0, filled=True)
        .encode(fill=value_colour(importance, scale, domain))
    )
    note = [] if factors == (1, 1) else [f"each pixel is the maximum of {factors[0]} × {factors[1]} cells"]
    return finish_matrix(alt.layer(image, legend), importance, layout, title, note)


def downsample(values: np.ndarray, rows: int, columns: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Reduces ``values`` by the maximum to at most ``rows`` x ``columns``; NaN only where a whole block is."""
    factors = math.ceil(values.shape[0] / rows), math.ceil(values.shape[1] / columns)
    out = np.where(np.isnan(values), -np.inf, values)
    for axis, factor in enumerate(factors):
        starts = np.arange(0, out.shape[axis], factor)
        out = np.maximum.reduceat(out, starts, axis=axis)
    return np.where(np.isinf(out), np.nan, out), factors


def _unit_interval(values: np.ndarray, scale: Scale, low: float, high: float) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        bend: Any = {"linear": np.asarray, "sqrt": np.sqrt, "log": np.log}[scale]
        clipped = np.clip(values, low, high)
        return (bend(clipped) - bend(low)) / (bend(high) - bend(low))


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
