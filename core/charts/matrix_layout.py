"""Layout, colours and captions of a matrix chart.

Input columns first, then a gap, then earlier output, all on one x axis, so that the chart can stretch and a selection
covers both. Shared by token_heatmap.py and raster_heatmap.py; guarded by tests/core/test_charts_token_heatmap.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

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
    thin_labels,
    title_block,
    visible_label,
)

CELL_HEIGHT, CELL_WIDTH = 20, 64
"""Largest height of a row and width of a column, in pixels."""
TALLEST_MATRIX = 1600
Scale = Literal["linear", "sqrt", "log"]


class MatrixLayout:
    """Positions of columns (input, a gap, earlier output) and sizes of everything."""

    def __init__(
        self, importance: Importance, width: int, earlier: bool, prompt_length: int | None, height: int | None = None
    ) -> None:
        later = earlier_output(importance, prompt_length)
        inputs, outputs = np.flatnonzero(~later), np.flatnonzero(later) if earlier else np.array([], int)
        gap = max(1, round(0.01 * (len(inputs) + len(outputs)))) if len(inputs) and len(outputs) else 0
        self.inputs, self.outputs, self.gap = len(inputs), len(outputs), gap
        self.rows, self.columns = len(importance.rows), max(1, len(inputs) + gap + len(outputs))
        self.place = np.full(len(importance.columns), -1)
        self.place[inputs] = np.arange(len(inputs))
        self.place[outputs] = len(inputs) + gap + np.arange(len(outputs))
        self.steps = step_names(importance, prompt_length)
        self.row_labels = [visible_label(t) for t in importance.rows.labels]
        self.column_labels = [""] * self.columns
        for c, place in enumerate(self.place):
            if place >= 0:
                self.column_labels[place] = visible_label(importance.columns.labels[c])
        self.axis_labels = {"x": AxisLabels(self.column_labels), "y": AxisLabels(self.row_labels)}
        plot = max(60, int(width) - SIDES)
        self.width = plot if height else max(60, min(plot, CELL_WIDTH * self.columns))
        self.height = height or max(30, min(TALLEST_MATRIX, CELL_HEIGHT * self.rows))

    def axis(self, side: Literal["x", "y"], title: str, shift: float = 0) -> alt.Axis:
        """Returns the axis of one side, its labels thinned to what fits."""
        across, labels = side == "x", self.axis_labels[side]
        count, pixels = (self.columns, self.width) if across else (self.rows, self.height)
        shown = range(count) if across else thin_labels(count, pixels, 11)
        size = 12 if across else max(9, min(12, 0.8 * pixels / max(len(shown), 1)))
        if across and self.outputs:
            title = f"{title}, then earlier output"
        return alt.Axis(
            title=title,
            values=[i + shift for i in shown],
            labelExpr=labels.fitting(14, pixels, shift) if across else labels.at(f"datum.value - {shift:g}"),
            labelOverlap=False,
            labelFontSize=size,
            labelLimit=120 if across else 150,
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
        """Returns headings of the two blocks below the cells; nothing where there is only one."""
        if not self.gap:
            return []
        named = [
            {"x": (self.inputs - 1) // 2, "name": columns_title},
            {"x": self.columns - 1 - self.outputs // 2, "name": "earlier output"},
        ]
        mark = alt.Chart(alt.InlineData(values=named)).mark_text(baseline="top", dy=8, fontSize=12, color=GREY)
        return [mark.encode(x=self.x(columns_title), y=alt.value("height"), text="name:N")]


def readable(importance: Importance) -> np.ndarray:
    """Returns bool [row, column]: whether the cell's uniform share is above 0 or it has a value."""
    return (importance.uniform > 0) | (importance.values != 0)


def exact_number(x: float) -> float | None:
    """Returns a float32 as the shortest number with all of its digits; None where it is not finite."""
    return float(f"{x:.7g}") if math.isfinite(x) else None


def colour_domain(importance: Importance, scale: Scale, domain: tuple[float, float] | None) -> tuple[float, float]:
    """Returns the (lowest, highest) value of the colour scale; on a log scale three powers of ten at most."""
    values = importance.values
    high = domain[1] if domain else float(np.nanmax(values)) if values.size else 1.0
    high = high if high > 0 else 1.0
    low = domain[0] if domain else min(0.0, float(np.nanmin(values))) if values.size else 0.0
    return (max(low, high / 1000), high) if scale == "log" else (low, high)


def value_colour(importance: Importance, scale: Scale, domain: tuple[float, float] | None) -> alt.Fill:
    """Returns the viridis fill of the values with a continuous legend."""
    low, high = colour_domain(importance, scale, domain)
    legend = alt.Legend(
        title=legend_title(importance.unit),
        format=".2~p" if importance.unit == "share" else ".3~r",
        gradientLength=160,
        tickCount=4,
    )
    palette = alt.Scale(type=scale, scheme="viridis", domain=[exact_number(low), exact_number(high)], clamp=True)
    return alt.Fill("value:Q", scale=palette, legend=legend)


def finish_matrix(
    chart: alt.LayerChart, importance: Importance, layout: MatrixLayout, title: str, more: Sequence[str]
) -> alt.LayerChart:
    """Adds labels, size, title, caption lines and the description for screen readers."""
    lines = [*caption_of(importance), *more]
    description = (
        f"{title}: {legend_title(importance.unit)} of {layout.rows} pieces of the answer (rows) "
        f"on {layout.inputs} pieces of the input (columns). {'. '.join(lines)}."
    )
    chart = with_labels(chart, *layout.axis_labels.values())
    return chart.properties(
        width=layout.width + SIDES,
        height=layout.height,
        description=description,
        title=title_block(title, lines),
        autosize=STRETCH,
    )
