"""The view Passages (and turns): how much each part of the prompt was read, and by which sentence of the answer.

A click on a row picks that part in the texts above, which then show who read it. Guarded by
tests/pages/test_parts_view.py.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core import store
from core.charts.crop import crop_importance
from core.charts.reading_table import reading_bars, reading_table
from core.charts.reading_texts import PickedWords
from core.charts.text_labels import visible_label
from core.charts.token_heatmap import fits_as_cells, heatmap
from core.importance import answer_mean, group_rows
from core.records import Importance, Trace
from core.text.answer_outline import folded_outline
from pages.parts.reading_controls import Choices
from pages.parts.run_cache import importance
from pages.parts.text_selection import pick_inputs
from pages.parts.views.view_figure import NO_FIGURE, ViewFigure, csv_head, draw_chart

if TYPE_CHECKING:
    import pandas as pd

KINDS = {"segment": "Passages", "turn": "Turns", "sentence": "Sentences"}
ABOUT_KINDS = (
    "Passages: the segments that you marked in the prompt, e.g. with [[context: ...]]. Turns: the messages of the "
    "conversation. Sentences: of all that was written."
)
TABLE = "parts_table"
OPENING = 80
"""Characters with which a part is shown to begin."""
DRAWN = 20
"""Sentences in the bar chart that is exported."""


def part_kinds(trace: Trace) -> list[str]:
    """The kinds of parts that this run's prompt has, the most telling first; none where spans are not proven."""
    if not trace.tokens.proven:
        return []
    has = {"segment": bool(trace.request.segments), "turn": len(trace.request.messages) > 1}
    return [kind for kind in KINDS if has.get(kind, True)]


def parts_view(trace: Trace, words: Importance, chosen: Choices, picked: PickedWords) -> ViewFigure:
    """Draws the ranked list of parts, and below it how much each sentence of the answer read of each."""
    kinds = part_kinds(trace)
    if not kinds:
        st.info("Where this run's tokens stand in the text is not proven, so its parts cannot be told apart.")
        return NO_FIGURE
    if st.session_state.setdefault("parts_by", kinds[0]) not in kinds:
        st.session_state.parts_by = kinds[0]
    if len(kinds) > 1:
        st.segmented_control(
            "Parts",
            kinds,
            key="parts_by",
            required=True,
            format_func=KINDS.__getitem__,
            help=ABOUT_KINDS,
            label_visibility="collapsed",
            persist_state="session",
        )
    kind = st.session_state.parts_by
    found = importance(trace, chosen.method, **chosen.picked, columns=kind, rows=chosen.texts)
    written = np.array([c for c, role in enumerate(found.columns.roles) if role != "template"], int)
    ranked = written[np.argsort(-answer_mean(found, picked.rows)[0][written], kind="stable")]
    table = reading_table(found, picked.rows, ranked)
    _table(trace, words, found, ranked, table)
    grid = _by_sentence(trace, chosen, kind, written)
    when = f"while {'reading' if trace.request.writer else 'writing'} {visible_label(picked.name, 60)}"
    chart = reading_bars(table.head(DRAWN), found, when)
    if kind != "sentence" and fits_as_cells(grid) and len(grid.rows) > 1:
        chart = heatmap(grid, prompt_length=trace.prompt_length)
        st.caption("How much each sentence of the answer read of each part:")
        draw_chart(chart, "parts")
    return ViewFigure(chart, lambda: _csv(trace, chosen, picked, table, grid))


def _by_sentence(trace: Trace, chosen: Choices, kind: str, written: np.ndarray) -> Importance:
    """Sentences of the answer (thinking is one) x parts of the prompt, in the order of both texts."""
    tokens = importance(trace, chosen.method, **chosen.picked, columns=kind, rows="token")
    rows = folded_outline(trace.tokens)
    return crop_importance(group_rows(tokens, rows), np.arange(len(rows)), written)


def _table(trace: Trace, words: Importance, found: Importance, ranked: np.ndarray, table: pd.DataFrame) -> None:
    share = found.unit == "share"
    value = "Share of attention" if share else "Score"
    columns = found.columns
    openings = []
    for c in ranked:
        message, start, end = (int(part[c]) for part in (columns.message, columns.start, columns.end))
        text = trace.tokens.sources[message].text[start:end] if start >= 0 else ""
        openings.append(visible_label(" ".join(text.split()), OPENING) if text else "what stands outside all of them")
    names = {"Input": "Part", "value": value, "times": "× uniform"}
    shown = table.rename(columns=names).drop(columns=["uniform", "From"])
    shown["Tokens"] = [len(columns.tokens_of(int(c))) for c in ranked]
    order = [value, "× uniform", "Part", "Tokens", "Token"]  # on a phone the first columns are what is seen
    if columns.granularity == "sentence":
        shown["Part"] = openings
    else:
        shown["Begins with"] = openings
        order.append("Begins with")
    if share:
        shown[value] *= 100
    most = float(shown[value].max()) if len(shown) else 0.0
    bar = st.column_config.ProgressColumn(
        format="%.2f %%", min_value=0.0, max_value=most if most > 0 else 1.0, help="Mean over the picked steps"
    )
    formats = {
        value: bar if share else st.column_config.NumberColumn(format="%.4f"),
        "× uniform": st.column_config.NumberColumn(format="%.2f", help="1 is what reading everything equally gives"),
        "Token": st.column_config.NumberColumn("At token", help="Where it begins in the prompt, counted from 1"),
        "Tokens": st.column_config.NumberColumn(help="How long it is: a long part is read more by chance already"),
    }

    def clicked() -> None:
        rows = st.session_state[TABLE]["selection"]["rows"]
        if rows and columns.start[ranked[rows[0]]] >= 0:
            pick_inputs(words, "reader", columns.tokens_of(int(ranked[rows[0]])))
        else:
            st.session_state["reader:selection"] = None

    st.dataframe(
        shown,
        hide_index=True,
        height=min(420, 38 + 35 * max(len(shown), 1)),
        column_config=formats,
        column_order=order,
        key=TABLE,
        on_select=clicked,
        selection_mode="single-row",
    )
    st.caption("Click the left edge of a row to see that part in the text above, and which sentences read it.")


def _csv(trace: Trace, chosen: Choices, picked: PickedWords, table: pd.DataFrame, grid: Importance) -> str:
    tables = [(picked.name, table)]
    tables += [
        (label, reading_table(grid, np.array([row]), np.arange(len(grid.columns))))
        for row, label in enumerate(grid.rows.labels)
    ]
    lines = ([(name, *line) for line in part.itertuples(index=False)] for name, part in tables)
    names = ("answer", "input", "from", "token", grid.unit, "uniform", "multiple")
    facts = csv_head(trace, chosen, "parts", sink=chosen.sink, picked=picked.name)
    return store.tidy_csv(facts, names, itertools.chain.from_iterable(lines))
