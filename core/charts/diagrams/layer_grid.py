"""Cells of layers (down) by tokens or heads (across), with labels on two sides and legends below.

Places and labels are worked out in the viewer from two small numbers a cell. Guarded by
tests/core/test_charts_diagrams_layer_grid.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np

from ...records import MapTokens
from ..axis_labels import AxisLabels, with_labels
from ..panels import inline_data
from ..text_labels import thin_labels, visible_label
from ..text_widths import fitting_text, text_width
from .figure_style import SPECIAL_COLOUR
from .pixel_canvas import FAINT, INK, PixelCanvas

SIDE_TITLE, GAP, LEGEND_HEIGHT = 14, 4, 42
"""In pixels: room for the title of a side, between labels and cells, and for the legends."""
LABEL_SIZES = 7.0, 10.0
"""Smallest and largest font of labels, in pixels."""
LONGEST_NAME = 84
"""Pixels after which a label is cut."""
OTHER_FONT = 1.12
"""How much wider than measured a label may be drawn: a token's visible space is not in every font."""
GROUND = "#f4f6f8"
"""Where nothing is known."""


@dataclass(frozen=True)
class GridSide:
    """Labels of one side of the cells, and its title."""

    title: str
    texts: tuple[str, ...]
    faint: tuple[bool, ...] = ()
    """Which labels are markup; none where not given."""
    level: bool = False
    """Labels of columns that are short stand level; others are turned."""

    @classmethod
    def of(cls, title: str, tokens: MapTokens) -> GridSide:
        """Returns the side of some tokens, markup faint."""
        return cls(title, tuple(visible_label(t) for t in tokens.texts), tuple(map(bool, tokens.special)))


class LayerGrid:
    """Places of cells and labels of one grid on a canvas; several grids may share one."""

    def __init__(
        self,
        rows: GridSide,
        columns: GridSide,
        *,
        room: float,
        at: tuple[float, float] = (0, 0),
        widest: float = 40,
        cell_height: float = 14,
        longest: float = LONGEST_NAME,
        upwards: bool = False,
    ) -> None:
        """``room``: pixels from ``at`` (left, top) to the right end; ``widest``: the most that a column takes.

        ``longest``: pixels after which the label of a row is cut; ``upwards``: the first row is the lowest.
        """
        self.upwards = upwards
        self.sides, self.at = (rows, columns), at
        self.count = max(len(rows.texts), 1), max(len(columns.texts), 1)
        self.names = AxisLabels(rows.texts), AxisLabels(columns.texts)
        row_size = float(np.clip(0.8 * cell_height, *LABEL_SIZES))
        row_room = min(longest, _longest(rows.texts, row_size) + 2)
        self.left = at[0] + SIDE_TITLE + row_room + GAP
        wide = at[0] + room - self.left
        if wide / self.count[1] < LABEL_SIZES[0]:
            wide -= LABEL_SIZES[0] / 2  # the last label is wider than its column
        self.cell = min(widest, wide / self.count[1]), cell_height
        self.sizes = row_size, float(np.clip(0.85 * self.cell[0], *LABEL_SIZES))
        head = self.sizes[1] + 2 if columns.level else min(LONGEST_NAME, _longest(columns.texts, self.sizes[1]) + 2)
        self.limits = row_room, LONGEST_NAME
        self.top = at[1] + SIDE_TITLE + head + GAP
        self.right = self.left + self.cell[0] * self.count[1]
        self.bottom = self.top + self.cell[1] * self.count[0]

    def base(self, records: Sequence[dict[str, Any]]) -> alt.Chart:
        """Returns a chart of records with ``r``, ``c``: x, y: a cell's middle, x0, x1, y0, y1: its ends, row, column:
        labels."""
        wide, tall = self.cell
        down = f"({self.count[0] - 1} - datum.r)" if self.upwards else "datum.r"
        return alt.Chart(inline_data(records)).transform_calculate(
            x=f"{self.left + wide / 2:g} + {wide:.7g} * datum.c",
            y=f"{self.top + tall / 2:g} + {tall:.7g} * {down}",
            x0=f"{self.left:g} + {wide:.7g} * datum.c",
            x1=f"{self.left + wide:g} + {wide:.7g} * datum.c",
            y0=f"{self.top:g} + {tall:.7g} * {down}",
            y1=f"{self.top + tall:g} + {tall:.7g} * {down}",
            row=self.names[0].at("datum.r"),
            column=self.names[1].at("datum.c"),
        )

    def cells(self, base: alt.Chart, canvas: PixelCanvas, **mark: Any) -> alt.Chart:
        """Draws a rectangle for each record of ``base``."""
        return base.mark_rect(**mark).encode(x=canvas.x("x0"), x2=alt.X2("x1:Q"), y=canvas.y("y0"), y2=alt.Y2("y1:Q"))

    def tooltips(self) -> list[alt.Tooltip]:
        """Returns the labels of a cell's two sides, for its tooltip."""
        return [alt.Tooltip(f"{f}:N", title=side.title) for f, side in zip(("row", "column"), self.sides, strict=True)]

    def ground(self, canvas: PixelCanvas) -> alt.Chart:
        """Draws the frame of all cells on the grey of what is not known."""
        box = {"x": self.left, "x1": self.right, "y": self.top, "y1": self.bottom}
        mark = alt.Chart(inline_data([box])).mark_rect(fill=GROUND, stroke="#c9d1da", tooltip=None)
        return mark.encode(x=canvas.x(), x2=alt.X2("x1:Q"), y=canvas.y(), y2=alt.Y2("y1:Q"))

    def labels(self, canvas: PixelCanvas) -> list[alt.Chart]:
        """Draws labels and titles of both sides; of many labels every second, third, ..."""
        rows, columns = (self._marks(side) for side in (0, 1))
        level = self.sides[1].level
        titles: list[list[dict[str, Any]]] = [
            [{"x": self.at[0] + SIDE_TITLE / 2, "y": (self.top + self.bottom) / 2, "text": self.sides[0].title}],
            [{"x": self.left, "y": self.at[1] + SIDE_TITLE / 2 - 1, "text": self.sides[1].title}],
        ]
        turned: dict[str, Any] = {"align": "center"} if level else {"angle": 270}
        return [
            canvas.texts(rows, self.sizes[0], align="right"),
            canvas.texts(columns, self.sizes[1], **turned),
            canvas.texts(titles[0], 10, angle=270, align="center", color=FAINT),
            canvas.texts(titles[1], 10, color=FAINT),
        ]

    def _marks(self, which: int) -> list[dict[str, Any]]:
        side, size, cell = self.sides[which], self.sizes[which], self.cell[1 - which]
        need = _longest(side.texts, size) + 4 if which == 1 and side.level else size * 1.05
        start = (self.top, self.left)[which]
        out = []
        for i in thin_labels(len(side.texts), cell * len(side.texts), need):
            at = len(side.texts) - 1 - i if which == 0 and self.upwards else i
            along, text = start + (at + 0.5) * cell, fitting_text(side.texts[i], size, self.limits[which] / OTHER_FONT)
            off = self.top - GAP - (size / 2 if side.level else 0)
            place = {"x": self.left - GAP, "y": along} if which == 0 else {"x": along, "y": off}
            faint = bool(side.faint) and side.faint[i]
            out.append(place | {"text": text, "colour": SPECIAL_COLOUR if faint else INK})
        return out

    def named(self, chart: alt.LayerChart) -> alt.LayerChart:
        """Adds the labels that tooltips look up."""
        return with_labels(chart, *self.names)


def _longest(texts: Sequence[str], size: float) -> float:
    return OTHER_FONT * max((text_width(t, size) for t in texts), default=0)


def bar_place(x: float, y: float) -> dict[str, Any]:
    """Returns the look of a colour bar at this place of the view."""
    place: dict[str, Any] = {"orient": "none", "direction": "horizontal", "legendX": x, "legendY": y}
    bar = {"gradientLength": 130, "gradientThickness": 9, "tickCount": 4, "labelFontSize": 9}
    return place | bar | {"titleFontSize": 10, "titleFontWeight": "normal", "titleLimit": 300}
