"""Draws the cells of one attention map with labelled sides, a colour scale and numbered frames.

One map or a block of one: ``attention_map`` draws one of these, ``question_context`` five. Cells are rectangles; above
``MOST_RECTANGLES`` of them one picture, with rectangles only for those that bear their value and for the highest, so
that 512 x 512 cells draw in a moment. Guarded by tests/core/test_charts_diagrams_attention_map.py.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import altair as alt
import numpy as np

from ...records import MapTokens
from ..axis_labels import AxisLabels, with_labels
from ..matrix_layout import exact_number
from ..panels import inline_data
from ..raster_heatmap import blended_colours, palette_png
from ..text_labels import GREY, significant_digits, visible_label
from .lens_layout import line_edges, shown_labels

BLUES = ("#cfe1f2", "#a8cee5", "#75b3d8", "#4592c6", "#206fb2", "#0a4a90", "#08306b")
"""Colours from lowest to highest: lightness falls steadily, and even the lowest is told from white (not readable)."""
MOST_RECTANGLES = 7000
"""Cells above which one picture is drawn."""
HOVERED = 1000
"""Highest cells of a picture that show their value on hover."""
SHARPNESS = 2
"""Pixels of a picture for each pixel of the chart."""
FRAME = "#d55e00"
VALUE_ROOM = 19, 12
"""Width and height in pixels that a value needs in its cell."""
PALE = 0.55
"""Opacity of the labels of special tokens."""
LONGEST_LABEL = 130
"""Pixels after which a label is cut."""
WIDEST, TALLEST = 44, 28
"""Largest cell, in pixels."""


@dataclass(frozen=True)
class MapCells:
    """One map to be drawn: its values, what is readable, its labels, and how large its plot may be."""

    values: np.ndarray
    """float [query, key]; NaN: not known."""
    readable: np.ndarray
    """bool [query, key]; cells that could not be read stay empty."""
    queries: MapTokens
    keys: MapTokens
    room: tuple[float, float]
    """Largest width and height of the plot, in pixels."""
    domain: tuple[float, float]
    gamma: float = 1.0
    grown: tuple[Collection[int], Collection[int]] = ((), ())
    """Rows and columns that the lens enlarges."""
    grow: float = 3.0
    font: float = 10.0
    mark_special: bool = True
    unit: str = "attention share"
    titles: tuple[str, str] = ("query", "key")
    frames: Sequence[tuple[tuple[int, int], tuple[int, int]]] = ()
    select: str | None = None
    margin: tuple[float, float] = (0.0, 0.0)
    """Pixels of the labels to the left and above; 0: as many as they need."""

    @property
    def is_share(self) -> bool:
        """Whether values are shares, written as percentages."""
        return self.domain[0] >= 0 and self.domain[1] <= 1.0001

    @cached_property
    def size(self) -> tuple[float, float]:
        """Width and height of the plot: cells about square, never larger than WIDEST x TALLEST."""
        rows, columns = max(self.values.shape[0], 1), max(self.values.shape[1], 1)
        width = min(self.room[0], WIDEST * columns)
        cell = width / columns
        height = min(cell, TALLEST) if cell >= self.font else max(cell, min(self.font + 3, self.room[1] / rows))
        return width, min(height * rows, self.room[1])

    @cached_property
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Edges of rows and of columns, in pixels from the top and from the left."""
        (rows, columns), (width, height) = self.values.shape, self.size
        return (
            line_edges(rows, height, self.grown[0], self.grow, VALUE_ROOM[1]),
            line_edges(columns, width, self.grown[1], self.grow, VALUE_ROOM[0]),
        )

    @property
    def as_picture(self) -> bool:
        """Whether there are too many cells for rectangles."""
        return self.values.size > MOST_RECTANGLES

    def chart(self, legend: alt.Legend | None) -> alt.LayerChart:
        """Returns all layers of the map, with its axes; its size is ``size``."""
        known = np.isfinite(self.values) & self.readable
        drawn = known & self._valued if self.as_picture else known
        layers = [self._picture(known)] if self.as_picture else []
        layers += [self._rectangles(drawn, legend), *self._unknown(), *self._values(), *self._frames()]
        layers.append(self._axes())
        layered = alt.layer(*layers).resolve_axis(x="independent", y="independent")
        names = [self._names(side) for side in (0, 1)]
        places = {param.name: param for param in map(self._places, (0, 1))}
        layered = with_labels(layered, *names).add_params(*places.values())
        width, height = self.size
        return layered.properties(width=width, height=height)

    @cached_property
    def _valued(self) -> np.ndarray:
        """bool [query, key]: cells of a picture that are rectangles too."""
        out = self._crossings.copy()
        score = np.where(np.isfinite(self.values) & self.readable, self.values, -np.inf).ravel()
        out.ravel()[np.argpartition(score, -min(HOVERED, score.size))[-HOVERED:]] = True
        return out

    @cached_property
    def _crossings(self) -> np.ndarray:
        """bool [query, key]: cells of which both row and column are enlarged."""
        out = np.zeros(self.values.shape, bool)
        out[np.ix_(sorted(self.grown[0]), sorted(self.grown[1]))] = True
        return out

    def _names(self, side: int) -> AxisLabels:
        return AxisLabels([visible_label(t) for t in (self.queries, self.keys)[side].texts])

    def _places(self, side: int) -> alt.Parameter:
        """The edges as a chart parameter, so that a cell's record holds only its row and column."""
        edges = [round(float(e), 2) for e in self.edges[side]]
        return alt.param(name=f"edges_{sha256(json.dumps(edges).encode()).hexdigest()[:16]}", value=edges)

    def _at(self, side: int, field: str, behind: int = 0) -> str:
        return f"{self._places(side).name}[datum.{field}{f' + {behind}' if behind else ''}]"

    def _x(self, name: str = "x", axis: alt.Axis | None = None) -> alt.X:
        domain = [0, round(float(self.edges[1][-1]), 2) or 1]
        return alt.X(f"{name}:Q", scale=alt.Scale(domain=domain, nice=False, zero=False), axis=axis)

    def _y(self, name: str = "y", axis: alt.Axis | None = None) -> alt.Y:
        domain = [0, round(float(self.edges[0][-1]), 2) or 1]
        return alt.Y(f"{name}:Q", scale=alt.Scale(domain=domain, nice=False, zero=False, reverse=True), axis=axis)

    def _placed(self, records: list[dict[str, Any]], ends: tuple[str, str] = ("query", "key")) -> alt.Chart:
        """A chart of records with ``query`` and ``key``, placed over their cells (``ends``: the last of each)."""
        return alt.Chart(inline_data(records)).transform_calculate(
            x=self._at(1, "key"), x2=self._at(1, ends[1], 1), y=self._at(0, "query"), y2=self._at(0, ends[0], 1)
        )

    def _records(self, cells: np.ndarray) -> list[dict[str, Any]]:
        return [
            {"query": int(q), "key": int(k), "value": exact_number(self.values[q, k])} for q, k in np.argwhere(cells)
        ]

    def _rectangles(self, cells: np.ndarray, legend: alt.Legend | None) -> alt.Chart:
        low, high = (exact_number(v) for v in self.domain)
        scale = alt.Scale(
            type="pow", exponent=self.gamma, range=list(BLUES), interpolate="rgb", domain=[low, high], clamp=True
        )
        number = ".3~p" if self.is_share else ".4~r"
        tooltip = [
            alt.Tooltip("reads:N", title=self.titles[0]),
            alt.Tooltip("read:N", title=self.titles[1]),
            alt.Tooltip("value:Q", title=self.unit, format=number),
        ]
        base = self._placed(self._records(cells)).transform_calculate(
            reads=f"(datum.query + 1) + ': ' + {self._names(0).at('datum.query')}",
            read=f"(datum.key + 1) + ': ' + {self._names(1).at('datum.key')}",
        )
        seam = 0.0 if self.as_picture else 0.4
        mark = base.mark_rect(x2Offset=seam, y2Offset=seam).encode(
            x=self._x(), x2=alt.X2("x2:Q"), y=self._y(), y2=alt.Y2("y2:Q"), tooltip=tooltip,
            color=alt.Color("value:Q", scale=scale, legend=legend),
        )  # fmt: skip
        if self.select:
            mark = mark.add_params(alt.selection_point(name=self.select, fields=["query", "key"], empty=False))
        return mark

    def _shade(self) -> np.ndarray:
        """float [query, key]: each value's place on the colour scale, from 0 to 1; NaN where nothing is drawn."""
        values = np.where(self.readable, self.values, np.nan).astype(float)

        def bent(v: Any) -> Any:
            return np.sign(v) * np.abs(v) ** self.gamma

        low, high = (bent(np.float64(v)) for v in self.domain)
        return np.clip((bent(values) - low) / (high - low), 0, 1)

    def _picture(self, known: np.ndarray) -> alt.Chart:
        """All cells as one picture; a pixel shows the highest of the cells it covers."""
        shade = np.where(known, self._shade(), -np.inf)
        for side, edges in enumerate(self.edges):
            pixels = max(1, round(SHARPNESS * edges[-1]))
            left = np.arange(pixels) * edges[-1] / pixels
            first = np.searchsorted(edges, left + 1e-9, "right") - 1
            shade = np.maximum.reduceat(shade, np.clip(first, 0, shade.shape[side] - 1), axis=side)
        url = palette_png(np.where(np.isinf(shade), np.nan, shade), blended_colours(BLUES, 255))
        drawn: Any = {side: {"expr": side} for side in ("width", "height")}
        mark = alt.Chart(alt.InlineData(values=[{"x": 0, "y": 0, "url": url}])).mark_image(
            **drawn, align="left", baseline="top", aspect=False, tooltip=None
        )
        return mark.encode(
            x=self._x(),
            y=self._y(),
            url=alt.Url("url:N"),
            description=alt.DescriptionValue("all cells of the map as one picture"),
        )

    def _unknown(self) -> list[alt.Chart]:
        """Grey for cells that could be read and whose value is not known."""
        unknown = self.readable & ~np.isfinite(self.values)
        if not unknown.any() or self.as_picture:
            return []
        mark = self._placed([{"query": int(q), "key": int(k), "value": "not known"} for q, k in np.argwhere(unknown)])
        mark = mark.mark_rect(fill=GREY, opacity=0.35)
        return [
            mark.encode(
                x=self._x(),
                x2=alt.X2("x2:Q"),
                y=self._y(),
                y2=alt.Y2("y2:Q"),
                tooltip=alt.Tooltip("value:N", title=" "),
            )
        ]

    def _values(self) -> list[alt.Chart]:
        """The values of enlarged cells, written into them where they fit."""
        width, height = (np.diff(self.edges[side]) for side in (1, 0))
        fits = (width >= VALUE_ROOM[0] - 3)[None] & (height >= VALUE_ROOM[1] - 3)[:, None]
        cells = self._crossings & fits & np.isfinite(self.values) & self.readable
        if not cells.any():
            return []
        shade = self._shade()
        records = [
            {"query": int(q), "key": int(k), "text": self._written(self.values[q, k]), "dark": bool(shade[q, k] > 0.45)}
            for q, k in np.argwhere(cells)
        ]
        smallest = min(width[sorted(self.grown[1])].min() / 2.4, height[sorted(self.grown[0])].min() - 3, 10)
        mark = self._placed(records).transform_calculate(cx="(datum.x + datum.x2) / 2", cy="(datum.y + datum.y2) / 2")
        colour: Any = alt.condition("datum.dark", alt.value("white"), alt.value("#15202b"))
        mark = mark.mark_text(fontSize=max(6.5, smallest), baseline="middle", tooltip=None)
        return [mark.encode(x=self._x("cx"), y=self._y("cy"), text=alt.Text("text:N"), color=colour)]

    def _written(self, value: float) -> str:
        if not self.is_share:
            return significant_digits(float(value), 2)
        percent = 100 * float(value)
        return f"{percent:.0f}" if percent >= 9.95 else f"{percent:.1f}" if percent >= 0.05 else "0"

    def _frames(self) -> list[alt.Chart]:
        """Numbered frames: a light line below a strong one, so that they show on every cell and in greyscale."""
        records = [
            {"query": t, "key": left, "bottom": b, "right": r, "number": str(i)}
            for i, ((t, left), (b, r)) in enumerate(self.frames, 1)
        ]
        if not records:
            return []
        base = self._placed(records, ("bottom", "right"))
        where: dict[str, Any] = {"x": self._x(), "x2": "x2:Q", "y": self._y(), "y2": "y2:Q"}
        corner: dict[str, Any] = {"x": self._x(), "y": self._y()}
        badge = base.mark_point(shape="circle", size=130, filled=True, fill=FRAME, stroke="white", opacity=1)
        number = base.mark_text(color="white", fontSize=9, fontWeight="bold", baseline="middle", tooltip=None)
        return [
            base.mark_rect(fill=None, stroke="white", strokeWidth=3.5).encode(**where),
            base.mark_rect(fill=None, stroke=FRAME, strokeWidth=1.8).encode(**where),
            badge.encode(**corner),
            number.encode(**corner, text=alt.Text("number:N")),
        ]

    def _axes(self) -> alt.Chart:
        """Returns a layer of nothing but the labels of both sides."""
        (rows, row_names), (columns, column_names) = self._axis(0), self._axis(1)
        nothing = alt.Chart(alt.InlineData(values=[{}])).mark_point(opacity=0, tooltip=None)
        return with_labels(nothing.encode(x=self._x(axis=columns), y=self._y(axis=rows)), row_names, column_names)

    def _axis(self, side: int) -> tuple[alt.Axis, AxisLabels]:
        """Returns the axis of one side and its labels, those of special tokens slanted and pale."""
        tokens, edges = (self.queries, self.keys)[side], self.edges[side]
        shown = shown_labels(edges, self.font + 1, self.grown[side])
        names = AxisLabels([visible_label(tokens.texts[i]) for i in shown])
        centres = [round(float(edges[i] + edges[i + 1]) / 2, 2) for i in shown]
        special = [c for i, c in zip(shown, centres, strict=True) if tokens.special[i] and self.mark_special]
        look: dict[str, Any] = {"labelAngle": -90, "labelBaseline": "middle"} if side else {}
        if special:
            test = f"indexof({special}, datum.value) >= 0"
            look["labelFontStyle"] = {"condition": {"test": test, "value": "italic"}, "value": "normal"}
            look["labelOpacity"] = {"condition": {"test": test, "value": PALE}, "value": 1}
        if self.margin[side]:
            look |= {"minExtent": self.margin[side], "maxExtent": self.margin[side]}
        axis = alt.Axis(
            title=self.titles[side] or None,
            orient="top" if side else "left",
            values=centres,
            labelExpr=names.at(f"indexof({centres}, datum.value)"),
            labelFontSize=self.font,
            titleFontSize=self.font,
            titleFontWeight="normal",
            labelAlign="left" if side else "right",
            labelLimit=max(24, self.margin[side] - 4) if self.margin[side] else LONGEST_LABEL,
            labelPadding=3,
            titlePadding=3,
            labelOverlap=False,
            labelBound=False,
            grid=False,
            ticks=False,
            domain=False,
            **look,
        )
        return axis, names
