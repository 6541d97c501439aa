"""The view Heatmap: attention of output units to input units. A click on a cell selects its output unit."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import streamlit as st

from core import store
from core.charts.drawable import drawable_importance
from core.charts.raster_heatmap import raster_heatmap_chart
from core.charts.reading_texts import PickedWords
from core.charts.token_heatmap import fits_as_cells, heatmap
from core.records import Importance, Trace
from pages.parts.reading_controls import LEVEL_NAMES, Choices
from pages.parts.run_cache import importance, records_stamp
from pages.parts.text_selection import pick_rows
from pages.parts.views.view_figure import ViewFigure, draw_chart

KEY = "heatmap"


def heatmap_view(trace: Trace, words: Importance, chosen: Choices, picked: PickedWords) -> ViewFigure:
    """Draws the heatmap; with too many cells in a coarser granularity or as a raster picture, with a note."""
    state = st.session_state
    only, earlier = bool(state.setdefault("own_only", True)), bool(state.setdefault("earlier", False))
    level, shown = drawable_of(trace, chosen, only, earlier)
    small = fits_as_cells(shown)
    if level != chosen.level or not small:
        finer = "" if level == chosen.level else f" for {LEVEL_NAMES[chosen.level].lower()}"
        coarse = "" if level == chosen.level else f"shown by {LEVEL_NAMES[level].lower()}"
        picture = "" if small else "drawn as one picture in which each dot is the strongest of its cells"
        st.info(f"Too many cells{finer}: {', '.join(filter(None, (coarse, picture)))}.")
    if not small:
        chart = raster_heatmap_chart(shown, prompt_length=trace.prompt_length)
        draw_chart(chart, "overview")
        _inputs_shown()
        return ViewFigure(chart, lambda: store.importance_to_csv(shown), heat=True)
    chart = _chart(shown, trace.prompt_length)
    framed = heatmap(shown, prompt_length=trace.prompt_length, picked=_rows(shown, words, picked), select="cell")
    spans = [_span(words, tokens) for tokens in _tokens(shown)]

    def clicked() -> None:
        cells = st.session_state[KEY]["selection"].get("cell") or []
        if cells and (span := spans[int(cells[0]["row"])]):
            pick_rows("reader", *span)

    draw_chart(framed, KEY, on_select=clicked, selection_mode="cell")
    _inputs_shown("Hover a cell for its numbers; click it to pick that piece of the answer.")
    return ViewFigure(chart, lambda: store.importance_to_csv(shown), heat=True)


def _inputs_shown(about: str = "") -> None:
    """Draws, below the chart, which inputs it shows."""
    with st.container(horizontal=True, vertical_alignment="center"):
        kept: dict[str, Any] = {"persist_state": "session"}
        st.toggle("Your words only", key="own_only", help="Off: markup and the system message too.", **kept)
        about_earlier = "A second block: what the answer read of itself."
        st.toggle("Earlier output too", key="earlier", help=about_earlier, **kept)
        st.caption(about, width="content")


def drawable_of(trace: Trace, chosen: Choices, only: bool = True, earlier: bool = False) -> tuple[str, Importance]:
    """(granularity, importance) of the heatmap by the page's settings: the finest that can be drawn."""
    return _drawable(trace, replace(chosen, strength=1.0), only, earlier, records_stamp(trace, chosen.method))


@lru_cache(maxsize=8)
def _drawable(trace: Trace, chosen: Choices, only: bool, earlier: bool, _: tuple | None) -> tuple[str, Importance]:
    """Kept between reruns: a click picks a row and changes no cell."""

    def by_units(columns: str, rows: str) -> Importance:
        inputs = "all" if earlier else "prompt"
        return importance(trace, chosen.method, **chosen.picked, inputs=inputs, columns=columns, rows=rows)

    return drawable_importance(trace, by_units, chosen.level, only)


@lru_cache(maxsize=8)
def _chart(shown: Importance, prompt_length: int) -> Any:
    return heatmap(shown, prompt_length=prompt_length)


def _tokens(found: Importance) -> list[np.ndarray]:
    return [found.rows.tokens_of(i) for i in range(len(found.rows))]


def _span(words: Importance, tokens: np.ndarray) -> tuple[int, int] | None:
    """The units of the answer's text that these tokens make up."""
    units = words.rows.unit[np.isin(words.rows.token, tokens)]
    return (int(units.min()), int(units.max()) + 1) if len(units) else None


def _rows(shown: Importance, words: Importance, picked: PickedWords) -> tuple[int, int] | None:
    """Rows of the heatmap that belong to the picked words; None for the whole answer."""
    if picked.whole:
        return None
    tokens = words.rows.token[np.isin(words.rows.unit, picked.rows)]
    rows = shown.rows.unit[np.isin(shown.rows.token, tokens)]
    return (int(rows.min()), int(rows.max()) + 1) if len(rows) else None
