"""The view Outputs: a table of answer lengths and log-probabilities, and a word diff of two answers."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core import store
from core.charts.text_labels import significant_digits
from core.comparing import answer_table as numbers
from pages.parts.compare.matched_columns import MatchedColumns
from pages.parts.compare.views.chart_views import SHOWN_COLUMNS, comparison_head
from pages.parts.compare.views.column_picker import pick_pair
from pages.parts.run_view import FINISHED
from pages.parts.two_answers import two_answers
from pages.parts.views.view_figure import ViewFigure

COLUMN_TITLES = {
    "words": "Words",
    "characters": "Characters",
    "tokens": "Tokens",
    "finish": "Finish",
    "mean_logprob": "Mean log-probability (nats)",
    "perplexity": "Perplexity",
    "mean_entropy": "Mean entropy (nats)",
    "seconds": "Seconds",
}


def outputs_view(all_of: MatchedColumns) -> ViewFigure:
    """Draws the table and the word diff of a pair."""
    table = numbers(all_of.traces)
    lines = {label: [_said(name, value) for value in table[name]] for name, label in COLUMN_TITLES.items()}
    rows = [{"": label} | dict(zip(all_of.names, line, strict=True)) for label, line in lines.items()]
    st.dataframe(rows, hide_index=True, width="stretch")
    st.caption("Means are over the tokens of the answer itself: no thinking, no end token.")
    _difference(all_of)

    def csv() -> str:
        table["answer"] = [t.answer for t in all_of.traces]
        return store.tidy_csv(comparison_head(all_of, "outputs"), tuple(table.columns), table.itertuples(index=False))

    return ViewFigure(None, csv)


def _said(name: str, value: Any) -> str:
    """A value of the table as readable text."""
    if name == "finish":
        return FINISHED[value]
    if name in ("words", "characters", "tokens"):
        return f"{value:,}"
    return significant_digits(float(value)) if value == value else "none"


def _difference(all_of: MatchedColumns) -> None:
    if len(all_of.drawn) < 2:
        with st.container(border=True):
            st.text(all_of.traces[0].answer or "The answer is empty.")
        return
    pair = pick_pair(all_of, SHOWN_COLUMNS)
    if pair is None:
        return
    a, b = pair
    two_answers(
        (all_of.traces[a].answer, all_of.traces[b].answer),
        (all_of.names[a], all_of.names[b]),
        (all_of.letters[a], all_of.letters[b]),
    )
