"""The selection in the two texts, shared by the texts, the select box (for the keyboard) and the charts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.charts.shaded_texts import shown_columns
from core.charts.text_labels import visible_label
from core.records import Importance, Trace

WHOLE = "whole"
ABOUT_WORD = "The same as a click in the answer. Drag over several words there to pick a span."


@dataclass(frozen=True)
class PickedWords:
    """Rows of the importance (output units) and, where the input was clicked, its columns."""

    rows: np.ndarray
    columns: np.ndarray | None
    name: str
    """Display text: "the whole answer", "“blue”"."""
    whole: bool = True
    """The whole answer is picked."""


def rows_of_answer(trace: Trace, words: Importance) -> np.ndarray:
    """int [A] rows that belong to the answer: no thinking, no end token."""
    first, parts = trace.prompt_length, trace.tokens.parts
    pairs = zip(words.rows.token, words.rows.unit, strict=True)
    return np.array(sorted({int(u) for t, u in pairs if parts[t] == "answer" and t >= first}), int)


def picked_words(trace: Trace, words: Importance, key: str) -> PickedWords:
    """The current selection in the texts drawn under ``key``."""
    rows = rows_of_answer(trace, words)
    state = st.session_state
    chosen = state.get(f"{key}:selection") if state.get(f"{key}:version") else None
    if not chosen or not len(rows):
        return PickedWords(rows, None, "the whole answer")
    picked = np.arange(int(chosen["start"]), int(chosen["end"]))
    if chosen["side"] == "input":
        shown = shown_columns(words)
        return PickedWords(rows, shown[picked[picked < len(shown)]], "the whole answer")
    picked = picked[picked < len(words.rows)]
    if not len(picked) or set(rows) <= set(picked.tolist()):
        return PickedWords(rows, None, "the whole answer")
    labels = [words.rows.labels[i].strip() or visible_label(words.rows.labels[i]) for i in picked]
    name = labels[0] if len(labels) == 1 else f"{labels[0]} … {labels[-1]}"
    return PickedWords(picked, None, f"“{name}”", whole=False)


def pick_rows(key: str, start: int, end: int) -> None:
    """Selects units ``start`` .. ``end`` (excluded) of the answer. Call before the texts are drawn (in a callback)."""
    st.session_state[f"{key}:selection"] = {"side": "answer", "start": start, "end": end}


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
