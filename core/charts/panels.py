"""Draws several grids of cells in one view: word labels above each, row labels beside it, one stretchable width.

A concatenation of charts would give each grid its own width, which neither Streamlit nor a phone can stretch, and its
own legend. So all grids are in one view: x counts columns (quantitative, one per word), y counts pixels, and every row
of labels is an axis of its own, moved to where its grid is; axes take the page's colours in light and dark, which text
marks do not. Labels are looked up by position, so equal words stay two. Guarded by
tests/core/test_charts_aligned_heatmaps.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import altair as alt

from .axis_labels import AxisLabels, with_labels
from .text_labels import SIDES, STRETCH, title_block, visible_label

ROW_HEIGHT, COLUMN_WIDTH = 20, 64
"""Largest height of a row and width of a column, in pixels."""
TALLEST_BOARD = 1500
TITLE, GAP, NEED, LIMIT = 24, 14, 14, 112
"""In pixels: height of a title, gap between grids, room that a word label needs, and where it is cut."""
BELOW: dict[str, Any] = {"orient": "bottom", "direction": "horizontal"}
"""Place of a legend: a figure of one row is too low for a legend beside it."""
LISTED: dict[str, Any] = {"orient": "bottom", "direction": "vertical"}
"""Place of a legend with names: below each other, which a phone has room for."""
BOLD_LETTER = 7.6
"""Approximate width of a letter of a panel's title, in pixels."""
ANGLE = math.radians(50)
PICKED_COLOUR = "#E69F00"
"""Colour of a frame, which neither viridis nor blueorange has at its ends."""


def inline_data(records: Sequence[dict[str, Any]]) -> alt.InlineData:
    """Returns ``records`` (plain numbers, texts and None) as chart data, without checking each against the schema.

    ``alt.InlineData(values=records)`` takes 2.5 s for 7,000 of them; here they are put in after the check of an empty
    list.
    """
    data = alt.InlineData(values=[])
    data["values"] = tuple(records)  # altair copies charts by the dozen, but no tuple
    return data


def look_up_fields(chart: alt.Chart, records: Sequence[dict[str, Any]], fields: Sequence[str]) -> alt.Chart:
    """Adds ``fields`` of the record with the same ``unit`` to ``chart``, so that a word's data are sent once."""
    nothing = alt.LookupData(data=inline_data([]), key="unit", fields=list(fields))
    chart = chart.transform_lookup(lookup="unit", from_=nothing)
    chart.transform[-1]["from"]["data"]["values"] = tuple(records)  # after the check, as in ``inline_data``
    return chart


@dataclass(frozen=True)
class Panel:
    """One grid: ``words`` name its columns (an empty one stays without label), ``rows`` its rows."""

    words: tuple[str, ...]
    rows: tuple[str, ...]
    title: str = ""
    named: bool = True
    """Whether the words are written above it; False where the grid above has the same."""


@dataclass
class PanelBoard:
    """Positions and sizes of several panels in one chart."""

    panels: Sequence[Panel]
    arrange: Literal["side", "stacked"] = "stacked"
    width: int = 880
    row: float = ROW_HEIGHT
    columns: int = 0
    height: int = 0
    left: list[int] = field(default_factory=list)
    """First column of each panel."""
    top: list[int] = field(default_factory=list)
    """Pixel at which each panel's cells begin."""

    def __post_init__(self) -> None:
        most = max((len(p.rows) for p in self.panels), default=1)
        total = most if self.arrange == "side" else sum(len(p.rows) for p in self.panels)
        self.row = min(self.row, max(9.0, TALLEST_BOARD / max(total, 1)))
        widest = max((len(p.words) for p in self.panels), default=1) or 1
        plot = max(60, self.width - SIDES)
        beside = len(self.panels) if self.arrange == "side" else 1
        pixels = min(COLUMN_WIDTH, plot / (widest * beside))
        gap = math.ceil(_side(self.panels) / pixels) if beside > 1 else 0
        at, low = 0, 0
        for panel in self.panels:
            self.left.append(at if beside > 1 else 0)
            top = (0 if beside > 1 else low) + self._above(panel)
            self.top.append(top)
            low = max(low, top + math.ceil(self.row * len(panel.rows)) + GAP)
            at += len(panel.words) + gap
        if beside > 1:
            self.top = [max(self.top)] * len(self.panels)
            low = self.top[0] + math.ceil(self.row * most) + GAP
        self.columns = max(1, at - gap) if beside > 1 else widest
        self.height = max(30, low - GAP)
        self.plot = min(plot, COLUMN_WIDTH * self.columns)

    def _above(self, panel: Panel) -> int:
        """Returns the pixels of title and word labels above the cells."""
        longest = max((len(visible_label(w)) for w in panel.words), default=0) if panel.named else 0
        band = 10 + min(LIMIT, 6.8 * longest) * math.sin(ANGLE) if longest else 0
        return math.ceil(band + (TITLE if panel.title else 0))

    def place(self, panel: int, row: int, column: int) -> dict[str, float]:
        """Returns ``x`` and ``y`` of a cell; ``rects`` adds where it ends."""
        return {"x": self.left[panel] + column, "y": round(self.top[panel] + row * self.row, 2)}

    def x(self, axis: alt.Axis | None = None, field: str = "x") -> alt.X:
        """Returns the encoding of a horizontal place, in columns of the board."""
        return alt.X(f"{field}:Q", scale=alt.Scale(domain=[0, self.columns], nice=False, zero=False), axis=axis)

    def y(self, axis: alt.Axis | None = None, field: str = "y") -> alt.Y:
        """Returns the encoding of a vertical place, in pixels of the board."""
        scale = alt.Scale(domain=[0, self.height], range=[0, self.height], nice=False, zero=False, reverse=False)
        return alt.Y(f"{field}:Q", scale=scale, axis=axis)

    def rects(self, cells: list[dict[str, Any]], **mark: Any) -> alt.Chart:
        """Draws cells from records that ``place`` began; slightly enlarged, so that no thin line shows between."""
        base = alt.Chart(inline_data(cells))
        base = base.transform_calculate(x2="datum.x + 1", y2=f"datum.y + {self.row:g}")
        return base.mark_rect(x2Offset=0.6, y2Offset=0.6, **mark).encode(
            x=self.x(), x2=alt.X2("x2:Q"), y=self.y(), y2=alt.Y2("y2:Q")
        )

    def frames(self, picked: Iterable[int], spans: Sequence[tuple[int, int]] = ()) -> list[alt.Chart]:
        """Draws a frame around the picked units in every panel; ``spans`` where a panel begins later than at unit 0."""
        frames = [
            {"x": self.left[p] + c, "x2": self.left[p] + c + 1, "y": self.top[p], "y2": self._low(p)}
            for p, panel in enumerate(self.panels)
            for c in (unit - (spans[p][0] if spans else 0) for unit in picked)
            if 0 <= c < len(panel.words) and panel.rows
        ]
        if not frames:
            return []
        mark = alt.Chart(inline_data(frames)).mark_rect(fill=None, stroke=PICKED_COLOUR, strokeWidth=2.5)
        return [mark.encode(x=self.x(), x2=alt.X2("x2:Q"), y=self.y(), y2=alt.Y2("y2:Q"))]

    def _low(self, panel: int) -> float:
        return round(self.top[panel] + self.row * len(self.panels[panel].rows), 2)

    def axes(self) -> list[alt.Chart]:
        """Returns the axes that label every panel."""
        together = [range(len(self.panels))] if self.arrange == "stacked" else [[p] for p in range(len(self.panels))]
        out = [self._rows(ps) for ps in together if any(self.panels[p].rows for p in ps)]
        for p, panel in enumerate(self.panels):
            if panel.title:
                out.append(self._title(p))
            if panel.named and any(panel.words):
                out.append(self._words(p))
        return out

    def _marker(self, labels: AxisLabels, x: alt.Axis | None = None, y: alt.Axis | None = None) -> alt.Chart:
        """Returns a chart of nothing but an axis."""
        nothing = alt.Chart(alt.InlineData(values=[{}])).mark_point(opacity=0, tooltip=None)
        return with_labels(nothing.encode(x=self.x(x), y=self.y(y)), labels)

    def _title(self, p: int) -> alt.Chart:
        above = self.top[p] - TITLE if self.arrange == "side" else self._above(self.panels[p]) - TITLE
        share = len(self.panels[p].words) / self.columns if self.arrange == "side" else 1
        limit = max(90, round(share * self.plot) + 40)
        name = self.panels[p].title
        name = name if BOLD_LETTER * len(name) <= limit else name.partition(" · ")[0]  # the caption has the whole name
        at, title = self.left[p], AxisLabels([name])
        bold = {"labelAlign": "left", "labelFontWeight": "bold", "labelFontSize": 13, "labelLimit": limit}
        axis = alt.Axis(
            **_BARE,
            **bold,
            orient="top",
            offset=above - self.top[p],
            values=[at],
            labelExpr=title.at("0"),
            labelBaseline="bottom",
        )
        return self._marker(title, x=axis)

    def _words(self, p: int) -> alt.Chart:
        shift, words = self.left[p] + 0.5, AxisLabels([visible_label(w) if w else "" for w in self.panels[p].words])
        text = words.fitting(NEED, self.plot, f"(datum.value - {shift:g})", self.columns)
        look = {"labelAngle": -50, "labelAlign": "left", "labelFontSize": 12, "labelLimit": LIMIT}
        values = [i + shift for i, w in enumerate(words.texts) if w]
        axis = alt.Axis(**_BARE, **look, orient="top", offset=-self.top[p], values=values, labelExpr=text)
        return self._marker(words, x=axis)

    def _rows(self, panels: Sequence[int]) -> alt.Chart:
        """Returns the row labels of panels that begin at the same column."""
        every = max(1, math.ceil(11 / self.row))
        named: list[str] = []
        values: list[float] = []
        for p in panels:
            for i, row in enumerate(self.panels[p].rows[::every]):
                named.append(visible_label(row) if row else "")
                values.append(round(self.top[p] + (i * every + 0.5) * self.row, 2))
        size = max(9, min(12, 0.8 * self.row * every))
        start = self.left[panels[0]] / self.columns
        labels = AxisLabels(named)
        text = labels.at(f"indexof({values}, datum.value)")
        offset: Any = alt.ExprRef(f"-{start:g} * width") if start else 0
        look = {"labelFontSize": size, "labelLimit": 150, "labelAlign": "right"}
        axis = alt.Axis(**_BARE, **look, orient="left", offset=offset, values=values, labelExpr=text)
        return self._marker(labels, y=axis)

    def finish(
        self, layers: list[alt.Chart], title: str, lines: Sequence[str], said: str, own_scales: bool = False
    ) -> alt.LayerChart:
        """Combines all layers with axes, size, title, caption and description.

        ``own_scales``: each layer has a scale of colours of its own. All is given at once, since each further step
        copies the whole chart.
        """
        apart = alt.AxisResolveMap(x="independent", y="independent")
        scale = alt.ScaleResolveMap(fill="independent") if own_scales else alt.Undefined
        return alt.layer(
            *layers,
            *self.axes(),
            resolve=alt.Resolve(axis=apart, scale=scale),
            width=self.plot + SIDES,
            height=self.height,
            title=title_block(title, lines),
            description=" ".join([said, *(line + "." for line in lines)]),
            autosize=STRETCH,
            view=alt.ViewBackground(stroke=None),
        )


_BARE: dict[str, Any] = {
    "title": None, "grid": False, "ticks": False, "domain": False,
    "labelPadding": 4, "labelOverlap": False, "labelBound": False,
}  # fmt: skip


def _side(panels: Sequence[Panel]) -> float:
    """Returns the pixels that the row labels of a panel need to its left."""
    longest = max((len(visible_label(r)) for p in panels for r in p.rows), default=0)
    return 24 + min(150, 7 * longest)
