"""The view Outputs: a table of answer lengths and log-probabilities, and a word diff of two answers."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import streamlit as st

from core import store
from core.charts.text_labels import significant_digits
from core.comparing import answer_table as numbers
from core.comparing import word_diff
from pages.parts.compare.matched_columns import MatchedColumns
from pages.parts.compare.views.chart_views import SHOWN_COLUMNS, comparison_head
from pages.parts.compare.views.column_picker import pick_pair
from pages.parts.markdown_escape import escape_markdown
from pages.parts.run_view import FINISHED
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
    one, other = (all_of.traces[i].answer for i in pair)
    pieces = word_diff(one, other)
    for i, side, place in zip(pair, ("a", "b"), st.columns(2), strict=True):
        with place.container(border=True):
            st.caption(escape_markdown(all_of.names[i]))
            sign = "−" if side == "a" else "+"
            text = diff_markdown(
                [(p.kind != "same", getattr(p, side)) for p in pieces], sign, "orange" if side == "a" else "blue"
            )
            st.markdown(text or "*The answer is empty.*")
    a, b = (all_of.letters[i] for i in pair)
    same = one == other
    st.caption(
        "Word for word the same answer."
        if same
        else f"On orange ground after − what only {a} wrote, on blue ground after + what only {b} wrote."
    )


def diff_markdown(pieces: list[tuple[bool, str]], sign: str, colour: str) -> str:
    """Markdown in which changed pieces have a coloured background and a sign in front.

    Markdown inside the texts is escaped; line breaks stay.
    """
    joined = [(c, "".join(t for _, t in run)) for c, run in groupby((p for p in pieces if p[1]), key=lambda p: p[0])]
    lines = [""]
    for changed, text in joined:
        for i, part in enumerate(text.split("\n")):
            if i:
                lines.append("")
            word = escape_markdown(part)
            if word:
                space = " " if part[:1].isspace() and lines[-1] else ""
                lines[-1] += space + (f":{colour}-background[**{sign}** {word}]" if changed else word)
            lines[-1] += " " if part[-1:].isspace() and lines[-1] else ""
    return "  \n".join(lines)
