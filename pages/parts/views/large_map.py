"""Draws a map with too many cells: all of it as one picture with a brush, and a part of it as cells below.

The part is what was brushed, found, clicked or, at first, read most. It lives in the session state as a trail, so that
there is a way back from every step. All of this runs in a fragment: a brush redraws the two pictures and nothing else
of the page. The picture of the whole stays drawn; only its frame changes, which is a data set of its own. Guarded by
tests/pages/test_large_map.py and tests/browser/test_long_map.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import streamlit as st

from core.charts.long_map import Axis, DrawnPart, LongMap, MapPart
from core.charts.matrix_layout import Scale
from core.charts.raster_heatmap import FULL_FROM, PART_DATA, raster_heatmap_chart
from core.charts.reading_texts import PickedWords
from core.charts.text_labels import visible_label
from core.charts.token_heatmap import MOST_CELLS, heatmap
from core.records import Importance
from pages.parts.markdown_escape import escape_markdown
from pages.parts.reading_controls import LEVEL_NAMES
from pages.parts.text_selection import pick_rows
from pages.parts.views.view_figure import draw_chart, quick_spec

MOST_READ = "the passage read most"
BEST = {0: "All columns", 20: "Top 20 columns", 40: "Top 40 columns", 80: "Top 80 columns"}
OVERVIEW_HEIGHT = 230


LABELS: dict[Axis, str] = {"rows": "row", "columns": "column"}
Pin = tuple[Axis, tuple[int, int], str]
"""(axis, tokens, label) of a row or column"""


@dataclass(frozen=True)
class Place:
    """Where one is in the map: the part, the finest granularities (columns, rows) there, and how one came here."""

    part: MapPart
    levels: tuple[str, str] = ("", "")
    said: str = MOST_READ


@st.fragment
def large_map(whole: LongMap, words: Importance, picked: PickedWords, scale: Scale) -> None:
    """Draws controls, the picture of the whole and the part."""
    if st.session_state.pop("map_picked", False):
        st.rerun()
    steps = _Steps(whole)
    hits = steps.hits()
    _controls(steps, hits)
    place = steps.place
    chart = overview_of(whole, scale)
    framed = chart | {"datasets": whole.picture_part(place.part, hits).data()}
    key = f"overview_{st.session_state.get('map_drawn', 0)}"
    st.session_state.map_overview = key
    draw_chart(framed, key, on_select=lambda: steps.brushed(key), selection_mode="brush")
    _part(steps, hits, words, picked, scale)


class _Steps:
    """The steps through one map, each a callback of a control."""

    def __init__(self, whole: LongMap) -> None:
        self.whole, self.state = whole, st.session_state
        self.name = whole.trace.id, *whole.finest.values(), whole.only_own, whole.earlier

    @property
    def trail(self) -> list[Place]:
        if self.state.get("map_name") != self.name:
            self.state.update(map_name=self.name, map_trail=[Place(self.whole.most_read())], map_pins=[], map_cell=None)
        return self.state.map_trail

    @property
    def pins(self) -> list[Pin]:
        return self.state.get("map_pins") or []

    @property
    def place(self) -> Place:
        return self.trail[-1]

    def go(self, place: Place) -> None:
        if place != self.place:
            self.trail.append(place)
        self.state.map_drawn = self.state.get("map_drawn", 0) + self._has_brush()

    def _has_brush(self) -> bool:
        """Whether a brush is drawn, which goes when something else is shown: the picture is drawn anew."""
        return bool(_selected(self.state.get("map_overview", ""), "brush"))

    def back(self) -> None:
        if len(self.trail) > 1:  # pressed twice: there is nothing left to go back to
            self.trail.pop()
        self.state.map_drawn = self.state.get("map_drawn", 0) + self._has_brush()

    def most_read(self) -> None:
        self.go(Place(self.whole.most_read()))

    def all_of_it(self) -> None:
        self.go(Place(self.whole.whole, said="the whole map"))

    def brushed(self, key: str) -> None:
        found = _selected(key, "brush")
        part = self.whole.brushed(found["x0"], found["y0"]) if {"x0", "y0"} <= set(found) else None
        if part is not None and part != self.place.part:
            self.trail.append(Place(part, said="what you marked"))

    def hits(self) -> list[tuple[int, int]]:
        """The places of the words that are looked for; the first of them is gone to when they change."""
        words = str(self.state.get("map_words") or "")
        hits = _found(self.whole, words)
        if hits and self.state.get("map_found") != (self.name, words):
            self.state.map_hit = 0
            self.trail.append(self._at(hits, 0))
        self.state.map_found = (self.name, words)
        return hits

    def hit(self, hits: list[tuple[int, int]], step: int) -> None:
        self.state.map_hit = (self.state.get("map_hit", 0) + step) % len(hits)
        self.go(self._at(hits, self.state.map_hit))

    def _at(self, hits: list[tuple[int, int]], number: int) -> Place:
        return Place(self.whole.around(hits[number]), said=f"place {number + 1} of {len(hits)} of what you look for")

    def clicked(self, drawn: DrawnPart, words: Importance) -> None:
        """A click on a cell: drills down where it is coarse, else picks that piece of the answer."""
        cells = _selected("map_part", "cell")
        if not cells:
            return
        row, column = int(cells[0]["row"]), int(cells[0]["column"])
        at: dict[Axis, int] = {"rows": row, "columns": column}
        found = drawn.importance
        self.state.map_cell = [(a, drawn.tokens(a, i), getattr(found, a).labels[i]) for a, i in at.items()]
        finer = self._finer(drawn, row, column)
        if finer is not None:
            self.go(finer)
        elif span := answer_span(words, drawn.importance.rows.tokens_of(row)):
            pick_rows("reader", *span)
            self.state.map_picked = True

    def _finer(self, drawn: DrawnPart, row: int, column: int) -> Place | None:
        part, levels = self.place.part, dict[Axis, str]()
        at: dict[Axis, int] = {"columns": column, "rows": row}
        for axis in at:
            level = getattr(drawn.importance, axis).granularity
            levels[axis] = self.whole.finer(axis, level)
            if levels[axis] != level:
                part = replace(part, **{axis: drawn.tokens(axis, at[axis])})
        if part == self.place.part:
            return None
        return Place(part, (levels["columns"], levels["rows"]), "inside the cell you clicked")


def _controls(steps: _Steps, hits: list[tuple[int, int]]) -> None:
    """Draws one line: words to look for, where to go, how many columns."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        look: dict[str, Any] = {"label_visibility": "collapsed"}
        st.text_input(
            "Find words in the input", key="map_words", placeholder="Find words in the input", width=190, **look
        )
        if steps.state.get("map_words"):
            at = min(steps.state.get("map_hit", 0), max(len(hits) - 1, 0))
            many: dict[str, Any] = {"disabled": len(hits) < 2, "type": "tertiary", "on_click": steps.hit}
            st.button(":material/chevron_left:", key="map_before", help="Previous place", args=(hits, -1), **many)
            st.caption(f"{at + 1} of {len(hits):,}" if hits else "not found", width="content")
            st.button(":material/chevron_right:", key="map_after", help="Next place", args=(hits, 1), **many)
        st.button("Most read passage", icon=":material/my_location:", on_click=steps.most_read, type="tertiary")
        st.button("Whole map", icon=":material/zoom_out_map:", on_click=steps.all_of_it, type="tertiary")
        if len(steps.trail) > 1:
            st.button("Back", icon=":material/undo:", on_click=steps.back, type="tertiary")
        about = "Of the part below, only the columns read most, in the order of the text"
        st.selectbox("Columns", list(BEST), key="map_best", format_func=BEST.__getitem__, help=about, width=160, **look)


def _part(steps: _Steps, hits: list[tuple[int, int]], words: Importance, picked: PickedWords, scale: Scale) -> None:
    """Draws the part as cells, with a line that says which it is."""
    whole, place, state = steps.whole, steps.place, st.session_state
    pins = {axis: [t for side, (a, b), _ in steps.pins if side == axis for t in range(a, b)] for axis in LABELS}
    levels = whole.fitting_levels(place.part, *place.levels)
    drawn = whole.draw(place.part, *levels, pins["columns"], pins["rows"], state.get("map_best", 0))
    _say_part(whole, place, drawn.importance)
    _pins(steps)
    length = whole.trace.prompt_length
    if drawn.importance.values.size > MOST_CELLS:
        draw_chart(raster_heatmap_chart(drawn.importance, prompt_length=length, scale=scale), "map_raster")
        return
    chart = heatmap(
        drawn.importance,
        prompt_length=length,
        scale=scale,
        clip=FULL_FROM if scale == "sqrt" else None,
        picked=framed_rows(drawn.importance, words, picked, drawn.pinned[0]),
        pinned=drawn.pinned,
        marked=_marked(drawn.importance, hits, state.get("map_hit", 0)),
        select="cell",
        title="A part of it",
    )
    draw_chart(quick_spec(chart), "map_part", on_select=lambda: steps.clicked(drawn, words), selection_mode="cell")


def _say_part(whole: LongMap, place: Place, found: Importance) -> None:
    """Draws which part is shown, by which granularity, and how to see more of it."""
    parts = []
    for axis, of in (("columns", "the input"), ("rows", "the answer")):
        level = getattr(found, axis).granularity
        inside, noun = whole.units_in(axis, level, place.part), LEVEL_NAMES[level].lower()  # type: ignore[arg-type]
        total = len(getattr(whole.by(found.columns.granularity, found.rows.granularity), axis))
        few = len(found.columns) if axis == "columns" and len(found.columns) < len(inside) else 0
        best = f"the {few} read most of " if few else ""
        parts.append(
            f"{best}{noun} {inside[0] + 1:,} to {inside[-1] + 1:,} of {total:,} of {of}" if len(inside) else of
        )
    coarse = (found.columns.granularity, found.rows.granularity) != tuple(whole.finest.values())
    more = (
        " Click a cell to see inside it."
        if coarse
        else " Hover a cell for its numbers; click it to pick that piece of the answer."
    )
    st.caption(f"**Framed above, {place.said}**: {', by '.join(parts)}.{more}")


def _pins(steps: _Steps) -> None:
    """Draws what is pinned to the edge, and the row and column of the last cell clicked, which can be."""
    offered = list(dict.fromkeys([*steps.pins, *(steps.state.get("map_cell") or ())]))
    if not offered:
        return

    def changed() -> None:
        steps.state.map_pins = list(steps.state.map_pinned)

    steps.state.map_pinned = steps.pins
    label = "Pinned to the edge (the cell you clicked last can be)"
    names: Any = {"format_func": _pin_name, "selection_mode": "multi", "key": "map_pinned", "on_change": changed}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("Pin to the edge:", width="content")
        st.pills(label, offered, label_visibility="collapsed", **names)


def _pin_name(pin: Pin) -> str:
    return f":material/keep: {LABELS[pin[0]]} “{escape_markdown(visible_label(pin[2]))}”"


def _marked(found: Importance, hits: list[tuple[int, int]], current: int) -> dict[int, float]:
    """Returns {column: width of its frame} of the words that are looked for, the one gone to framed most."""
    out: dict[int, float] = {}
    for width, spans in ((1.5, hits), (3.0, hits[current : current + 1])):
        tokens = [t for a, b in spans for t in range(a, b)]
        out |= dict.fromkeys(np.unique(found.columns.unit[np.isin(found.columns.token, tokens)]).tolist(), width)
    return out


def _selected(key: str, name: str) -> Any:
    """What is selected in a chart, {} where there is none."""
    return ((st.session_state.get(key) or {}).get("selection") or {}).get(name) or {}


@lru_cache(maxsize=32)
def _found(whole: LongMap, words: str) -> list[tuple[int, int]]:
    return whole.find(words)


@lru_cache(maxsize=8)
def overview_of(whole: LongMap, scale: Scale) -> dict[str, Any]:
    """The picture of the whole map, as the dict of a chart; kept, since only its frame changes."""
    chart = raster_heatmap_chart(
        whole.base,
        height=OVERVIEW_HEIGHT,
        scale=scale,
        clip=FULL_FROM if scale == "sqrt" else None,
        prompt_length=whole.trace.prompt_length,
        select="brush",
        part=whole.picture_part(whole.most_read()),
        title="The whole map: drag over a part of it",
        brief=True,
    )
    return quick_spec(chart, PART_DATA)


def answer_span(words: Importance, tokens: np.ndarray) -> tuple[int, int] | None:
    """The units of the answer's text that these tokens make up."""
    units = words.rows.unit[np.isin(words.rows.token, tokens)]
    return (int(units.min()), int(units.max()) + 1) if len(units) else None


def framed_rows(shown: Importance, words: Importance, picked: PickedWords, after: int = 0) -> tuple[int, int] | None:
    """Rows from ``after`` on that belong to the picked words; None for the whole answer."""
    if picked.whole:
        return None
    tokens = words.rows.token[np.isin(words.rows.unit, picked.rows)]
    rows = shown.rows.unit[np.isin(shown.rows.token, tokens)]
    rows = rows[rows >= after]
    return (int(rows.min()), int(rows.max()) + 1) if len(rows) else None
