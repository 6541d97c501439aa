"""The selection in the two texts, shared by the texts, the select box (for the keyboard) and the charts."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.charts.reading_texts import PickedWords, rows_of_answer, words_of_selection
from core.charts.shaded_texts import shown_columns
from core.charts.text_labels import visible_label
from core.records import Importance, Trace

WHOLE = "whole"
ABOUT_WORD = "The same as a click in the answer. Drag over several words there to pick a span."


def picked_words(trace: Trace, words: Importance, key: str) -> PickedWords:
    """The current selection in the texts drawn under ``key``."""
    state = st.session_state
    return words_of_selection(trace, words, state.get(f"{key}:selection") if state.get(f"{key}:version") else None)


def pick_rows(key: str, start: int, end: int) -> None:
    """Selects units ``start`` .. ``end`` (excluded) of the answer. Call before the texts are drawn (in a callback)."""
    st.session_state[f"{key}:selection"] = {"side": "answer", "start": start, "end": end}


def pick_inputs(words: Importance, key: str, tokens: np.ndarray) -> None:
    """Selects, in the input, from the first to the last shown unit of these tokens. Call before the texts are drawn."""
    inside = np.isin(words.columns.token, tokens)
    places = np.flatnonzero(np.isin(shown_columns(words), words.columns.unit[inside]))
    if len(places):
        span = {"start": int(places[0]), "end": int(places[-1]) + 1}
        st.session_state[f"{key}:selection"] = {"side": "input"} | span


def select_box(trace: Trace, words: Importance, key: str) -> None:
    """Draws a select box of answer words for the keyboard; it follows clicks in the texts."""
    state = st.session_state
    rows = rows_of_answer(trace, words)
    box = f"{key}:box"
    chosen = state.get(f"{key}:selection") or {"side": "", "start": 0, "end": 0}
    single = chosen["side"] == "answer" and chosen["end"] - chosen["start"] == 1
    names = {WHOLE: "The whole answer"} | {
        str(i): f"{n + 1} · {visible_label(words.rows.labels[i], 40)}" for n, i in enumerate(rows)
    }
    state[box] = str(chosen["start"]) if single and str(chosen["start"]) in names else WHOLE

    def moved() -> None:
        now = state[box]
        if now != WHOLE:
            pick_rows(key, int(now), int(now) + 1)
        elif len(rows):
            pick_rows(key, int(rows[0]), int(rows[-1]) + 1)

    st.selectbox(
        "Word of the answer", list(names), key=box, format_func=lambda k: names[k], on_change=moved, help=ABOUT_WORD
    )
