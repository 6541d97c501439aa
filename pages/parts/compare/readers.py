"""The two shaded texts of every column, on one scale; a click on a word marks its partner in all columns.

Guarded by tests/pages/test_compare.py and tests/browser/test_compare.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from core.charts.reader import reader_data, shown_columns
from core.importance import answer_mean
from core.records import Importance, Trace
from pages.parts.compare.asked import Seen
from pages.parts.reader import reader
from pages.parts.selection import answer_rows
from pages.parts.text import escape
from pages.parts.view import FINISHED, QUIET

HEIGHT = 300


@dataclass(frozen=True, eq=False)
class Drawn:
    """A column that can be drawn: its run and how it is read by word."""

    seen: Seen
    trace: Trace
    words: Importance
    """Rows and columns by the unit of the page, sink apart."""


def most(drawn: Drawn) -> float:
    """The largest mean of a shown input over the whole answer."""
    rows = answer_rows(drawn.trace, drawn.words)
    shown = shown_columns(drawn.trace, drawn.words)
    values = answer_mean(drawn.words, rows)[0][shown] if len(rows) else np.zeros(0)
    return float(values.max(initial=0.0))


def texts(drawn: Drawn, maximum: float | None, extra: dict[str, Any]) -> None:
    """Draws one column's texts under who wrote them."""
    trace = drawn.trace
    st.markdown(f"**{escape(trace.model.label)}**")
    by = f"written by {escape(trace.request.author)}, as read by this model · " if trace.request.author else ""
    st.caption(f"{by}{_finish(trace)} · run {trace.id[:8]}", help=escape(trace.model.caption))
    data = reader_data(trace, drawn.words, maximum=maximum, **extra)
    reader(data | QUIET, key=key(drawn), height=HEIGHT)


def key(drawn: Drawn) -> str:
    """Of the reader of this column."""
    return f"side_{drawn.seen.column.uid}"


def _finish(trace: Trace) -> str:
    return f"{trace.prompt_length} tokens in, {trace.steps} out, {FINISHED[trace.finish]}"


def spread(drawn: Sequence[Drawn], column: np.ndarray | None) -> int | None:
    """The aligned unit that was clicked last in an input text, marked in every column; None where none is.

    ``column`` [run, unit]: the aligned units as columns of each run's importance. Called before the texts are drawn.
    """
    state: Any = st.session_state
    before: dict[str, Any] = state.get("compare_clicks", {})
    now = {key(d): state.get(f"{key(d)}:selection") for d in drawn}
    fresh = [k for k in now if now[k] is not None and now[k] != before.get(k)]
    cleared = [k for k in now if now[k] is None and before.get(k) is not None]
    if column is not None and fresh:
        now = _everywhere(drawn, column, fresh[0], now)
    elif cleared:
        now = dict.fromkeys(now)
    for name, picked in now.items():
        state[f"{name}:selection"] = picked
    state.compare_clicks = now
    return _unit(drawn, column, now)


def _everywhere(drawn: Sequence[Drawn], column: np.ndarray, name: str, now: dict[str, Any]) -> dict[str, Any]:
    """What was picked in one text, as the partners in the others; a pick in an answer leaves the others whole."""
    run = [key(d) for d in drawn].index(name)
    click = now[name]
    found = dict.fromkeys(now) | {name: click}
    if click["side"] != "input":
        return found
    shown = shown_columns(drawn[run].trace, drawn[run].words)
    picked = shown[int(click["start"]) : int(click["end"])]
    units = np.flatnonzero(np.isin(column[run], picked))
    for other, d in enumerate(drawn):
        if other != run and (span := _span(d, column[other, units])):
            found[key(d)] = {"side": "input", "start": span[0], "end": span[1]}
    return found


def _span(drawn: Drawn, columns: np.ndarray) -> tuple[int, int] | None:
    """First and one past the last of these columns, as the text counts them."""
    shown = shown_columns(drawn.trace, drawn.words)
    places = np.flatnonzero(np.isin(shown, columns[columns >= 0]))
    return (int(places.min()), int(places.max()) + 1) if len(places) else None


def _unit(drawn: Sequence[Drawn], column: np.ndarray | None, now: dict[str, Any]) -> int | None:
    """The first aligned unit that is picked in some input text."""
    if column is None:
        return None
    for run, d in enumerate(drawn):
        picked = now[key(d)]
        if picked and picked["side"] == "input":
            shown = shown_columns(d.trace, d.words)
            units = np.flatnonzero(np.isin(column[run], shown[int(picked["start"]) : int(picked["end"])]))
            if len(units):
                return int(units[0])
    return None
