"""The view Table: input units by how much they were read, strongest first."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core import store
from core.charts.reading_table import reading_bars, reading_table
from core.charts.reading_texts import PickedWords
from core.charts.text_labels import visible_label
from core.importance.reading_summary import own_columns
from core.records import Importance, Trace
from pages.parts.reading_controls import Choices
from pages.parts.run_cache import importance
from pages.parts.views.view_figure import ViewFigure
from pages.parts.views.view_figure import csv_head as lines

DRAWN = 20
"""Inputs in the bar chart that is exported."""


def table_view(trace: Trace, words: Importance, chosen: Choices, picked: PickedWords) -> ViewFigure:
    """Draws the table; the figure is a bar chart of its first rows."""
    if chosen.level != words.columns.granularity:
        words = importance(trace, chosen.method, **chosen.picked, columns=chosen.level, rows=chosen.texts)
    own = own_columns(words)
    everything = st.toggle("Markup and system message too", key="table_all", persist_state="session")
    columns = np.arange(len(words.columns)) if everything or not len(own) else own
    found = reading_table(words, picked.rows, columns)
    share = words.unit == "share"
    value = "Share of attention" if share else "Score"
    shown = found.rename(columns={"value": value, "times": "× uniform"}).drop(columns="uniform")
    if share:
        shown[value] *= 100
    formats = {
        value: st.column_config.NumberColumn(format="%.2f %%" if share else "%.4f", help="Mean over the picked steps"),
        "× uniform": st.column_config.NumberColumn(format="%.2f", help="1 is what reading everything equally gives"),
        "Token": st.column_config.NumberColumn(help="Where it begins in the prompt, counted from 1"),
    }
    height = min(420, 38 + 35 * max(len(shown), 1))
    st.dataframe(shown, hide_index=True, height=height, column_config=formats)

    def csv() -> str:
        facts = lines(trace, chosen, "table", sink=chosen.sink, picked=picked.name)
        names = ("input", "from", "token", words.unit, "uniform", "multiple")
        return store.tidy_csv(facts, names, found.itertuples(index=False))

    act = "reading" if trace.request.writer else "writing"
    when = f"while {act} {visible_label(picked.name, 60)}"
    return ViewFigure(reading_bars(found.head(DRAWN), words, when), csv)
