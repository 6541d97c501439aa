"""The view Table: input units by how much they were read, strongest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from core import store
from core.charts.text_labels import caption_of, title_block, visible_label
from core.importance import answer_mean
from core.importance.reading_summary import own_columns
from core.records import Importance, Trace
from pages.parts.reading_controls import Choices
from pages.parts.run_cache import importance
from pages.parts.text_selection import PickedWords
from pages.parts.views.view_figure import ViewFigure
from pages.parts.views.view_figure import csv_head as lines

if TYPE_CHECKING:
    import pandas as pd

DRAWN = 20
"""Inputs in the bar chart that is exported."""


def table_view(trace: Trace, words: Importance, chosen: Choices, picked: PickedWords) -> ViewFigure:
    """Draws the table; the figure is a bar chart of its first rows."""
    if chosen.level != words.columns.granularity:
        words = importance(trace, chosen.method, **chosen.picked, columns=chosen.level, rows=chosen.texts)
    own = own_columns(words)
    everything = st.toggle("Markup and system message too", key="table_all", persist_state="session")
    columns = np.arange(len(words.columns)) if everything or not len(own) else own
    found = _numbers(words, picked, columns)
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
    return ViewFigure(_bars(found.head(DRAWN), words, f"while {act} {visible_label(picked.name, 60)}"), csv)


def _numbers(words: Importance, picked: PickedWords, columns: np.ndarray) -> pd.DataFrame:
    import pandas as pd  # takes a quarter of a second, which the first visit need not wait for

    values, uniform = (mean[columns] for mean in answer_mean(words, picked.rows))
    frame = pd.DataFrame(
        {
            "Input": [words.columns.labels[c] for c in columns],
            "From": [words.columns.roles[c] for c in columns],
            "Token": [int(words.columns.tokens_of(int(c)).min()) + 1 for c in columns],
            "value": values,
            "uniform": uniform,
            "times": np.where(uniform > 0, values / np.where(uniform > 0, uniform, 1), np.nan),
        }
    )
    return frame.sort_values("value", ascending=False, ignore_index=True, kind="stable")


def _bars(frame: pd.DataFrame, words: Importance, when: str) -> Any:
    import altair as alt

    share = words.unit == "share"
    names = [f"{i + 1}. {visible_label(label)}" for i, label in enumerate(frame["Input"])]
    data = [{"name": n, "value": float(v)} for n, v in zip(names, frame["value"], strict=True)]
    x = alt.X(
        "value:Q", title="share of attention" if share else "score", axis=alt.Axis(format="~p" if share else "~f")
    )
    title = title_block(f"Inputs read most {when}", caption_of(words))
    return (
        alt.Chart(alt.InlineData(values=data), title=title)
        .mark_bar(color="#0072B2")
        .encode(x=x, y=alt.Y("name:N", sort=None, title=None))
        .properties(width=560)
    )
