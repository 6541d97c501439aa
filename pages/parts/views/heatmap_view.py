"""The view Heatmap: attention of output units to input units.

A map with few cells is drawn as cells; a click on one selects its output unit. A larger one is drawn by
pages/parts/views/large_map.py: all of it as one picture, and a part of it as cells.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import streamlit as st

from core import store
from core.charts.drawable import drawable_importance
from core.charts.long_map import LongMap
from core.charts.matrix_layout import Scale
from core.charts.raster_heatmap import FULL_FROM, raster_heatmap_chart
from core.charts.reading_texts import PickedWords
from core.charts.token_heatmap import fits_as_cells, heatmap
from core.records import Importance, Trace
from pages.parts.reading_controls import LEVEL_NAMES, Choices, answer_levels
from pages.parts.run_cache import importance, records_stamp
from pages.parts.text_selection import pick_rows
from pages.parts.views.large_map import answer_span, framed_rows, large_map
from pages.parts.views.view_figure import ViewFigure, draw_chart

KEY = "heatmap"
SAME = ""
"""Granularity of the answer: the one of the input, where answers are cut so."""
SCALES = {"sqrt": "Square root", "linear": "Even"}
ABOUT_SCALE = (
    "Square root shows small shares beside large ones. A large map has its last colour from the "
    f"{FULL_FROM:g}th percentile of its cells on. Numbers on hover are the true ones either way."
)


def heatmap_view(trace: Trace, words: Importance, chosen: Choices, picked: PickedWords) -> ViewFigure:
    """Draws the heatmap as cells where there are few, else as a picture with a part of it as cells."""
    state = st.session_state
    only, earlier = bool(state.setdefault("own_only", True)), bool(state.setdefault("earlier", False))
    rows = _answer_level(trace, chosen)
    whole = _long_map(trace, replace(chosen, strength=1.0), rows, only, earlier, records_stamp(trace, chosen.method))
    if not fits_as_cells(whole.base):
        scale: Scale = state.setdefault("heat_scale_large", "sqrt")
        large_map(whole, words, picked, scale)
        _inputs_shown(trace, "heat_scale_large")
        clip = FULL_FROM if scale == "sqrt" else None
        chart = partial(raster_heatmap_chart, whole.base, scale=scale, clip=clip, prompt_length=trace.prompt_length)
        return ViewFigure(chart, lambda: store.importance_to_csv(whole.base), heat=True)
    scale = state.setdefault("heat_scale", "linear")
    shown = whole.base
    frame = framed_rows(shown, words, picked)

    def clicked() -> None:
        cells = st.session_state[KEY]["selection"].get("cell") or []
        if cells and (span := answer_span(words, shown.rows.tokens_of(int(cells[0]["row"])))):
            pick_rows("reader", *span)

    draw_chart(_cells(shown, trace.prompt_length, scale, frame), KEY, on_select=clicked, selection_mode="cell")
    _inputs_shown(trace, "heat_scale", "Hover a cell for its numbers; click it to pick that piece of the answer.")
    chart = partial(heatmap, shown, prompt_length=trace.prompt_length, scale=scale)
    return ViewFigure(chart, lambda: store.importance_to_csv(shown), heat=True)


def _inputs_shown(trace: Trace, scale: str, about: str = "") -> None:
    """Draws, below the chart, which inputs it shows, how the answer is cut, and how values become colours."""
    with st.container(horizontal=True, vertical_alignment="center"):
        kept: dict[str, Any] = {"persist_state": "session"}
        st.toggle("Your words only", key="own_only", help="Off: markup and the system message too.", **kept)
        about_earlier = "A second block: what the answer read of itself."
        st.toggle("Earlier output too", key="earlier", help=about_earlier, **kept)
        with st.popover("Answer and colours", icon=":material/tune:"):
            cuts, names = [SAME, *answer_levels(trace)], {SAME: "As the input"} | LEVEL_NAMES
            st.selectbox("Answer by", cuts, key="answer_level", format_func=names.__getitem__, **kept)
            about_scale: dict[str, Any] = {"key": scale, "help": ABOUT_SCALE, "required": True}
            st.segmented_control("Colours", list(SCALES), format_func=SCALES.__getitem__, **about_scale, **kept)
        st.caption(about, width="content")


def _answer_level(trace: Trace, chosen: Choices) -> str:
    """The granularity of the answer: what was chosen for it, else that of the input where an answer has it."""
    state, known = st.session_state, answer_levels(trace)
    if state.setdefault("answer_level", SAME) not in (SAME, *known):
        state.answer_level = SAME
    return state.answer_level or (chosen.level if chosen.level in known else known[0])


@lru_cache(maxsize=32)
def _cells(shown: Importance, prompt_length: int, scale: Scale, frame: tuple[int, int] | None) -> dict[str, Any]:
    """Kept, since making the chart is a third of what it costs to open a run, and many open the same."""
    return heatmap(shown, prompt_length=prompt_length, scale=scale, picked=frame, select="cell").to_dict(validate=False)


@lru_cache(maxsize=16)
def _long_map(trace: Trace, chosen: Choices, rows: str, only: bool, earlier: bool, _: tuple | None) -> LongMap:
    """Kept between reruns: a click picks a row and changes no cell."""

    def by_units(columns: str, rows: str) -> Importance:
        inputs = "all" if earlier else "prompt"
        return importance(trace, chosen.method, **chosen.picked, inputs=inputs, columns=columns, rows=rows)

    return LongMap(trace, by_units, chosen.level, rows, only, earlier)


def drawable_of(trace: Trace, chosen: Choices, only: bool = True, earlier: bool = False) -> tuple[str, Importance]:
    """(granularity, importance) of the heatmap of a file, which has no second picture: the finest drawn as cells."""
    return _drawable(trace, replace(chosen, strength=1.0), only, earlier, records_stamp(trace, chosen.method))


@lru_cache(maxsize=8)
def _drawable(trace: Trace, chosen: Choices, only: bool, earlier: bool, _: tuple | None) -> tuple[str, Importance]:
    def by_units(columns: str, rows: str) -> Importance:
        inputs = "all" if earlier else "prompt"
        return importance(trace, chosen.method, **chosen.picked, inputs=inputs, columns=columns, rows=rows)

    return drawable_importance(trace, by_units, chosen.level, only)
