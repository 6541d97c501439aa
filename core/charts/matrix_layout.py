"""Layout, colours and captions of a matrix chart.

Pinned columns first, then input, then earlier output, with gaps between, all on one x axis, so that the chart can
stretch and a selection covers all. Shared by token_heatmap.py and raster_heatmap.py; guarded by
tests/core/test_charts_token_heatmap.py.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import numpy as np

from ..records import Importance
from .axis_labels import AxisLabels, with_labels
from .text_labels import (
    GREY,
    SIDES,
    STRETCH,
    caption_of,
    earlier_output,
    legend_title,
    step_names,
    title_block,
    value_text,
    visible_label,
)

LABEL_WIDTH, LABEL_HEIGHT = 14, 11
"""Pixels that a column's and a row's label need."""
WIDEST, PHONE = 2400, 600
"""Pixels of the widest chart; windows narrower than the second are a phone's, and have shorter labels."""
CELL_HEIGHT, CELL_WIDTH = 20, 64
"""Largest height of a row and width of a column, in pixels."""
TALLEST_MATRIX = 1600
FRAME_COLOUR = "#E69F00"
"""Colour of frames around cells; viridis does not have it."""
Scale = Literal["linear", "sqrt", "log"]


class MatrixLayout:
    """Positions of columns (pinned, input, earlier output, with gaps between) and rows, and sizes of everything.

    ``pinned``: how many of the importance's first rows and columns stand apart at the edge. ``marked``: columns whose
    labels are bold and never thinned out.
    """

    def __init__(
        self,
        importance: Importance,
        width: int,
        earlier: bool,
        prompt_length: int | None,
        height: int | None = None,
        pinned: tuple[int, int] = (0, 0),
        marked: Collection[int] = (),
    ) -> None:
        later = earlier_output(importance, prompt_length)
        fixed = np.arange(len(importance.columns)) < pinned[1]
        cut = {"pinned": fixed, "input": ~later & ~fixed, "output": later & ~fixed & earlier}
        blocks = {name: np.flatnonzero(there) for name, there in cut.items()}
        self.gap = max(1, round(0.01 * sum(map(len, blocks.values()))))
        self.place = np.full(len(importance.columns), -1)
        self.blocks: dict[str, range] = {}
        at = 0
        for name, block in blocks.items():
            if len(block):
                self.place[block] = at + np.arange(len(block))
                self.blocks[name] = range(at, at + len(block))
                at += len(block) + self.gap
        self.columns = max(1, at - self.gap)
        self.row_place = np.arange(len(importance.rows)) + (np.arange(len(importance.rows)) >= pinned[0]) * (
            pinned[0] > 0
        )
        self.rows = int(self.row_place[-1]) + 1 if len(self.row_place) else 0
        self.steps = step_names(importance, prompt_length)
        self.row_labels = _placed(importance.rows.labels, self.row_place, self.rows)
        self.column_labels = _placed(importance.columns.labels, self.place, self.columns)
        self.marked = sorted(int(self.place[c]) for c in marked)
        plot = max(60, int(width) - SIDES)
        self.width = plot if height else max(60, min(plot, CELL_WIDTH * self.columns))
        self.height = height or max(30, min(TALLEST_MATRIX, CELL_HEIGHT * self.rows))
        # Labels that never fit are not sent: of 4,000 columns the widest page shows one in 24.
        across = 1 if self.marked else max(1, math.ceil(self.columns * LABEL_WIDTH / WIDEST))
        self.label_step = {"x": across, "y": max(1, math.ceil(LABEL_HEIGHT * self.rows / max(self.height, 1)))}
        self.axis_labels = {
            "x": AxisLabels(self.column_labels[:: self.label_step["x"]]),
            "y": AxisLabels(self.row_labels[:: self.label_step["y"]]),
        }

    def axis(self, side: Literal["x", "y"], title: str, shift: float = 0) -> alt.Axis:
        """Returns the axis of one side, its labels thinned to what fits."""
        across, labels, step = side == "x", self.axis_labels[side], self.label_step[side]
        count, pixels = (self.columns, self.width) if across else (self.rows, self.height)
        shown = range(0, count, step)
        size = 12 if across else max(9, min(12, 0.8 * pixels / max(len(shown), 1)))
        if across and "output" in self.blocks:
            title = f"{title}, then earlier output"
        place = f"(datum.value - {shift:g}) / {step}" if step > 1 else f"datum.value - {shift:g}"
        fitting = labels.fitting(LABEL_WIDTH, pixels, f"({place})", always=self.marked)
        bold: Any = {"condition": {"test": f"indexof({self.marked}, {place}) >= 0", "value": "bold"}, "value": "normal"}
        return alt.Axis(
            title=title,
            values=[i + shift for i in shown],
            labelExpr=fitting if across else labels.at(place),
            **({"labelFontWeight": bold} if across and self.marked else {}),
            labelOverlap=False,
            labelFontSize=size,
            labelLimit={"expr": f"windowSize()[0] < {PHONE} ? 70 : {120 if across else 150}"},
            grid=False,
            ticks=False,
            domain=False,
            labelPadding=4,
            titleAnchor="start" if across else "middle",
            **({"orient": "top", "labelAngle": -50, "labelAlign": "left"} if across else {}),
        )

    def x(self, title: str) -> alt.X:
        """Returns the encoding of the columns with its axis."""
        scale = alt.Scale(domain=list(range(self.columns)), paddingInner=0, paddingOuter=0)
        return alt.X("x:O", sort=None, scale=scale, axis=self.axis("x", title))

    def y(self, title: str) -> alt.Y:
        """Returns the encoding of the rows with its axis."""
        scale = alt.Scale(domain=list(range(self.rows)), paddingInner=0, paddingOuter=0)
        return alt.Y("y:O", sort=None, scale=scale, axis=self.axis("y", title))

    def seamless(self) -> dict[str, dict[str, float]]:
        """Returns mark sizes a little over the band, so that no thin line shows between two cells.

        (A stroke of the cell's colour would do as well, but turns the legend into a row of dots.)
        """
        overlap = {"width": self.width / self.columns, "height": self.height / max(self.rows, 1)}
        return {side: {"band": 1 + 0.7 / pixels} for side, pixels in overlap.items()}

    def headings(self, columns_title: str) -> list[alt.Chart]:
        """Returns headings of the blocks below the cells; nothing where there is only one."""
        if len(self.blocks) < 2:
            return []
        names = {"pinned": "pinned", "input": columns_title, "output": "earlier output"}
        named = [{"x": (b.start + b.stop - 1) // 2, "name": names[name]} for name, b in self.blocks.items()]
        mark = alt.Chart(alt.InlineData(values=named)).mark_text(baseline="top", dy=8, fontSize=12, color=GREY)
        return [mark.encode(x=self.x(columns_title), y=alt.YValue("height"), text=alt.Text("name:N"))]


def _placed(labels: Sequence[str], place: np.ndarray, count: int) -> list[str]:
    """Returns the labels as they are drawn, by place; gaps have none."""
    out = [""] * count
    for label, at in zip(labels, place.tolist(), strict=True):
        if at >= 0:
            out[at] = visible_label(label)
    return out


def readable(importance: Importance) -> np.ndarray:
    """Returns bool [row, column]: whether the cell's uniform share is above 0 or it has a value."""
    return (importance.uniform > 0) | (importance.values != 0)


def exact_number(x: float) -> float | None:
    """Returns a float32 as the shortest number with all of its digits; None where it is not finite."""
    return float(f"{x:.7g}") if math.isfinite(x) else None


@dataclass(frozen=True)
class ColourScale:
    """How values become colours: bent by ``scale`` between ``low`` and ``high``; what is above has the last colour."""

    scale: Scale
    low: float
    high: float
    clip: float | None = None
    """``high`` is this percentile of the readable cells; None: it is the largest, or was given."""

    def line(self, importance: Importance) -> list[str]:
        """Returns a caption line on what the colours do, nothing where they are even up to the largest value."""
        top = float(np.nanmax(importance.values)) if importance.values.size else 0.0
        bent = {"linear": "even", "sqrt": "square root", "log": "logarithm"}[self.scale]
        if top <= self.high * (1 + 1e-6):
            return [] if self.scale == "linear" else [f"colours by {bent}"]
        full = value_text(self.high, importance.unit)
        named = f", the {self.clip:g}th percentile" if self.clip is not None else ""
        return [
            f"colours by {bent}, full from {full}{named}"
            if self.scale != "linear"
            else f"colours full from {full}{named}"
        ]


def colour_scale(
    importance: Importance,
    scale: Scale = "linear",
    domain: tuple[float, float] | None = None,
    clip: float | None = None,
) -> ColourScale:
    """Returns the colours of these values; on a log scale three powers of ten at most.

    ``domain`` is (lowest, highest). ``clip``: a percentile (0 to 100) of the readable cells from which on all have the
    last colour; where that is not above 0, as with few values among zeros, the largest value is taken.
    """
    values = importance.values
    low, high = domain or (min(0.0, float(np.nanmin(values))), float(np.nanmax(values))) if values.size else (0.0, 1.0)
    clipped = None
    if clip is not None and domain is None and values.size:
        cells = values[readable(importance)]
        full = float(np.nanpercentile(cells, clip)) if cells.size else 0.0
        if 0 < full < high:
            high, clipped = full, clip
    high = high if high > 0 else 1.0
    return ColourScale(scale, max(low, high / 1000) if scale == "log" else low, high, clipped)


def value_colour(importance: Importance, colours: ColourScale) -> alt.Fill:
    """Returns the viridis fill of the values with a continuous legend that names a bent scale."""
    bent = {"linear": "", "sqrt": " (square root)", "log": " (logarithm)"}[colours.scale]
    legend = alt.Legend(
        title=legend_title(importance.unit) + bent,
        format=".2~p" if importance.unit == "share" else ".3~r",
        gradientLength=160,
        tickCount=4,
    )
    ends = [exact_number(colours.low), exact_number(colours.high)]
    palette = alt.Scale(type=colours.scale, scheme="viridis", domain=ends, clamp=True)
    return alt.Fill("value:Q", scale=palette, legend=legend)


def finish_matrix(
    chart: alt.LayerChart,
    importance: Importance,
    layout: MatrixLayout,
    title: str,
    more: Sequence[str],
    settings: bool = True,
) -> alt.LayerChart:
    """Adds labels, size, title, caption lines (``settings`` among them) and the description for screen readers."""
    lines = [*(caption_of(importance) if settings else ()), *more]
    description = (
        f"{title}: {legend_title(importance.unit)} of {len(importance.rows)} pieces of the answer (rows) "
        f"on {len(layout.blocks.get('input', ()))} pieces of the input (columns). {'. '.join(lines)}."
    )
    chart = with_labels(chart, *layout.axis_labels.values())
    return chart.properties(
        width=layout.width + SIDES,
        height=layout.height,
        description=description,
        title=title_block(title, lines),
        autosize=STRETCH,
    )
