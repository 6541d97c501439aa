"""Square cells with labels on two sides and legends below: the ground of circles, rings and sparklines.

Row and column of a cell travel as two small numbers; places and labels are worked out in the viewer, so that a figure
of a thousand cells stays small. Guarded by tests/core/test_charts_diagrams_cell_grid.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np

from ...records import MapTokens
from ..axis_labels import AxisLabels, with_labels
from ..matrix_layout import exact_number
from ..panels import inline_data
from ..text_labels import thin_labels, visible_label
from ..text_widths import fitting_text, text_width
from .figure_style import SEQUENTIAL, SPECIAL_COLOUR
from .pixel_canvas import FAINT, INK, PixelCanvas

LARGEST_CELL = 40
LABEL_SIZES = 7.0, 10.5
"""Smallest and largest font of row and column labels, in pixels."""
LABEL_SHARE = 0.24
"""Most of the width that row labels may take."""
SIDE_TITLE, GAP, LEGEND_HEIGHT = 14, 4, 40
"""In pixels: room for the title of a side, between labels and cells, and for a row of legends."""
LEGEND_FONT = 10
DARK_FROM = 0.55
"""Share of the colour scale from which marks on a cell are white."""
MOST_MARKED_CELLS = 4096
"""Cells above which marks in cells are too small to be read."""


class CellGrid:
    """Places of cells, labels and legends of one figure."""

    def __init__(
        self, rows: MapTokens, columns: MapTokens, width: int, sides: tuple[str, str], legends: Sequence[float]
    ) -> None:
        """``legends``: width of each legend below the cells, in pixels; ``sides``: titles of rows and columns."""
        inner = PixelCanvas(width, 0).inner
        self.tokens, self.sides = (rows, columns), sides
        self.shape = len(rows), len(columns)
        self.texts = tuple([visible_label(t) for t in side.texts] for side in self.tokens)
        room = LABEL_SHARE * inner
        sure = (inner - SIDE_TITLE - GAP - room) / max(self.shape[1], 1)
        self.size = float(np.clip(0.85 * min(sure, LARGEST_CELL), *LABEL_SIZES))
        widths = [max((text_width(t, self.size) for t in texts), default=0) for texts in self.texts]
        self.limits = tuple(min(w + 2, room) for w in widths)
        self.left = SIDE_TITLE + self.limits[0] + GAP
        self.top = SIDE_TITLE + self.limits[1] + GAP
        self.cell = min(LARGEST_CELL, (inner - self.left) / max(self.shape[1], 1))
        self.bottom = self.top + self.cell * self.shape[0]
        self.legends, end = _flowed(legends, inner, self.bottom + 14)
        self.canvas = PixelCanvas(width, round(end, 1))
        self.names = tuple(AxisLabels(texts) for texts in self.texts)

    def base(self, records: Sequence[dict[str, Any]]) -> alt.Chart:
        """Returns a chart of records with ``r``, ``c``; ``x``, ``y``: a cell's middle, ``row``, ``column``: labels."""
        return alt.Chart(inline_data(records)).transform_calculate(
            x=f"{self.left + self.cell / 2:g} + {self.cell:g} * datum.c",
            y=f"{self.top + self.cell / 2:g} + {self.cell:g} * datum.r",
            row=self.names[0].at("datum.r"),
            column=self.names[1].at("datum.c"),
        )

    def cells(self, base: alt.Chart, **mark: Any) -> alt.Chart:
        """Draws a square for each record of ``base``."""
        half = f"{self.cell / 2:g}"
        ends = {"x0": f"datum.x - {half}", "x1": f"datum.x + {half}", "y0": f"datum.y - {half}"}
        chart = base.transform_calculate(**ends, y1=f"datum.y + {half}").mark_rect(**mark)
        return chart.encode(x=self.canvas.x("x0"), x2=alt.X2("x1:Q"), y=self.canvas.y("y0"), y2=alt.Y2("y1:Q"))

    def tooltips(self) -> list[alt.Tooltip]:
        """Returns the labels of a cell's two sides, for its tooltip."""
        return [alt.Tooltip(f"{f}:N", title=side) for f, side in zip(("row", "column"), self.sides, strict=True)]

    def ground(self) -> alt.Chart:
        """Draws the frame of all cells on the grey of what was not read."""
        box = {"x": self.left, "x1": self.left + self.cell * self.shape[1], "y": self.top, "y1": self.bottom}
        mark = alt.Chart(inline_data([box])).mark_rect(fill="#f4f6f8", stroke="#c9d1da", tooltip=None)
        return mark.encode(x=self.canvas.x(), x2=alt.X2("x1:Q"), y=self.canvas.y(), y2=alt.Y2("y1:Q"))

    def labels(self) -> list[alt.Chart]:
        """Draws labels and titles of both sides; of many labels every second, third, ..."""
        marks: list[list[dict[str, Any]]] = [[], []]
        for side, (tokens, texts) in enumerate(zip(self.tokens, self.texts, strict=True)):
            begin = (self.top, self.left)[side]
            for i in thin_labels(len(texts), self.cell * len(texts), self.size * 1.05):
                along, text = begin + (i + 0.5) * self.cell, fitting_text(texts[i], self.size, self.limits[side])
                place = {"x": self.left - GAP, "y": along} if side == 0 else {"x": along, "y": self.top - GAP}
                marks[side].append(place | {"text": text, "colour": SPECIAL_COLOUR if tokens.special[i] else INK})
        titles: list[dict[str, Any]] = [
            {"x": SIDE_TITLE / 2, "y": (self.top + self.bottom) / 2, "text": self.sides[0]},
            {"x": self.left, "y": SIDE_TITLE / 2 - 1, "text": self.sides[1]},
        ]
        return [
            self.canvas.texts(marks[0], self.size, align="right"),
            self.canvas.texts(marks[1], self.size, angle=270),
            self.canvas.texts(titles[:1], LEGEND_FONT, angle=270, align="center", color=FAINT),
            self.canvas.texts(titles[1:], LEGEND_FONT, color=FAINT),
        ]

    def fill(self, field: str, colours: ValueColours, title: str, form: str, at: int = 0) -> alt.Fill:
        """Returns the colour of the values in ``field``, with its bar as legend number ``at``."""
        x, y = self.legends[at]
        place: dict[str, Any] = {"orient": "none", "direction": "horizontal", "legendX": x, "legendY": y}
        bar = {"gradientLength": 110, "gradientThickness": 9, "tickCount": 3, "format": form, "labelFontSize": 9}
        look = {"titleFontSize": LEGEND_FONT, "titleFontWeight": "normal", "titleLimit": 360}
        return colours.fill(field, alt.Legend(title=title, **place, **bar, **look))

    def finish(self, layers: Sequence[alt.Chart], title: str, lines: Sequence[str], said: str) -> alt.LayerChart:
        """Combines ground, layers and labels into the figure."""
        chart = self.canvas.finish([self.ground(), *layers, *self.labels()], title, lines, said)
        return with_labels(chart, *self.names)


@dataclass(frozen=True)
class ValueColours:
    """A sequential colour scale from ``low`` to ``high``, bent by the exponent ``gamma``."""

    low: float
    high: float
    gamma: float = 1.0

    @classmethod
    def of(cls, *arrays: np.ndarray, gamma: float = 1.0) -> ValueColours:
        """Returns a scale from 0 (or the lowest value below it) to the highest value of all arrays."""
        if not (np.isfinite(gamma) and gamma > 0):
            raise ValueError(f"gamma must be a number above 0, not {gamma!r}.")
        values = np.concatenate([np.ravel(a) for a in arrays])
        values = values[np.isfinite(values)]
        low, high = min(0.0, float(values.min(initial=0))), float(values.max(initial=-np.inf))
        return cls(low, high if high > low else low + 1, gamma)

    def fill(self, field: str, legend: alt.Legend | None = None) -> alt.Fill:
        """Returns the colour of the values in ``field``."""
        bent: dict[str, Any] = {"type": "pow", "exponent": self.gamma} if self.gamma != 1 else {}
        domain = [exact_number(self.low), exact_number(self.high)]
        return alt.Fill(
            f"{field}:Q", scale=alt.Scale(scheme=SEQUENTIAL, domain=domain, clamp=True, **bent), legend=legend
        )

    def mark_colour(self, values: np.ndarray) -> np.ndarray:
        """Returns str [...]: the colour of a mark on each cell: ink on light ones, white on dark ones."""
        share = np.clip((np.nan_to_num(values) - self.low) / (self.high - self.low), 0, 1) ** self.gamma
        return np.where(share >= DARK_FROM, "#ffffff", INK)

    def said(self) -> list[str]:
        """Returns how the scale is bent, for a caption; nothing where it is not."""
        return [f"colour by the value to the power {self.gamma:g}"] if self.gamma != 1 else []


def short_value(value: float, percent: bool) -> str:
    """Returns a value of a legend with two digits, as a percentage where ``percent``."""
    digits = f"{float(f'{100 * value if percent else value:.2g}'):.10g}"
    return f"{digits} %" if percent else digits


def check_cells(shape: tuple[int, ...]) -> None:
    """Raises ValueError where a figure with marks in its cells has none or too many to be read."""
    cells = int(np.prod(shape))
    if not 0 < cells <= MOST_MARKED_CELLS:
        remedy = "draw a part of it" if cells else "give it rows and columns"
        raise ValueError(f"A map of {shape[0]} x {shape[1]} cells cannot hold marks in its cells: {remedy}.")


def _flowed(widths: Sequence[float], room: float, top: float) -> tuple[list[tuple[float, float]], float]:
    """Returns the place of each legend, one beside the other while they fit ``room``, and where they end."""
    places: list[tuple[float, float]] = []
    x, y = 0.0, top
    for width in widths:
        if x and x + width > room:
            x, y = 0.0, y + LEGEND_HEIGHT
        places.append((x, y))
        x += width + 18
    return places, y + LEGEND_HEIGHT if widths else top
