"""What is picked in the two texts: one truth for the texts, the select box (keyboard) and the charts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.charts.reader import shown_columns
from core.records import Importance, Trace

WHOLE = "whole"
ABOUT = "The same as a click in the answer. Drag over several words there to pick a span."


@dataclass(frozen=True)
class Picked:
    """Rows of the importance (output units) and, where the input was clicked, its columns."""

    rows: np.ndarray
    columns: np.ndarray | None
    name: str
    """In words: "the whole answer", "“blue”"."""


def answer_rows(trace: Trace, words: Importance) -> np.ndarray:
    """int [A] rows that belong to the answer: no thinking, no end token."""
    first = trace.prompt_length
    parts = trace.tokens.parts
    rows = {int(u) for t, u in zip(words.rows.token, words.rows.unit, strict=True) if parts[t] == "answer" and t >= first}
    return np.array(sorted(rows), int)


def picked_words(trace: Trace, words: Importance, key: str) -> Picked:
    """What is picked now in the texts drawn under ``key``."""
    rows = answer_rows(trace, words)
    kept = f"{key}:selection"
    state = st.session_state
    chosen = state.get(kept) if state.get(f"{key}:version") else None
    if not chosen or not len(rows):
        return Picked(rows, None, "the whole answer")
    picked = np.arange(int(chosen["start"]), int(chosen["end"]))
    if chosen["side"] == "input":
        shown = shown_columns(trace, words)
        columns = shown[picked[picked < len(shown)]]
        return Picked(rows, columns, "the whole answer")
    picked = picked[picked < len(words.rows)]
    if not len(picked) or set(rows) <= set(picked.tolist()):
        return Picked(rows, None, "the whole answer")
    labels = [words.rows.labels[i].strip() for i in picked]
    name = labels[0] if len(labels) == 1 else f"{labels[0]} … {labels[-1]}"
    return Picked(picked, None, f"“{name}”")


def select_box(trace: Trace, words: Importance, key: str) -> None:
    """The same choice for the keyboard; follows clicks in the texts."""
    state = st.session_state
    rows = answer_rows(trace, words)
    box, kept = f"{key}:box", f"{key}:selection"
    chosen = state.get(kept)
    single = chosen and chosen["side"] == "answer" and chosen["end"] - chosen["start"] == 1
    state[box] = str(chosen["start"]) if single and chosen["start"] in rows else WHOLE
    names = {WHOLE: "The whole answer"} | {str(i): f"{n + 1} · {words.rows.labels[i]}" for n, i in enumerate(rows)}

    def moved() -> None:
        now = state[box]
        span = (int(rows[0]), int(rows[-1]) + 1) if now == WHOLE and len(rows) else (int(now), int(now) + 1)
        state[kept] = {"side": "answer", "start": span[0], "end": span[1]}

    st.selectbox("Word of the answer", list(names), key=box, format_func=names.get, on_change=moved, help=ABOUT)
