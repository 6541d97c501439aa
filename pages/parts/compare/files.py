"""The comparison as files: one figure, one table, one JSON that opens again, here and on the page Runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from core import store
from core.errors import HeedError
from core.importance import METHODS
from core.store import Opened, Shown
from pages.parts.cached import open_trace
from pages.parts.compare.columns import LEVELS, MOST
from pages.parts.compare.matched import Matched
from pages.parts.compare.presets import adopt, of_run
from pages.parts.compare.views.charts import csv
from pages.parts.downloads import File, buttons, pictures
from pages.parts.text import escape
from pages.parts.views.figure import Figure


def downloads(all_of: Matched, figure: Figure, level: str, table: bool) -> None:
    """Draws the buttons. Nothing is made before it is asked for. ``table``: the view has numbers of its own."""
    files: list[File] = pictures(figure.chart)
    about = "Every number of the comparison in long form: words, words without partner, groups"
    files.append(("CSV", lambda: csv(all_of), "text/csv", about))
    if table:
        files.append(("CSV of this view", figure.csv, "text/csv", "The numbers of the view above"))
    about = "The columns and the complete runs they show; opens again here and on the page Runs"
    files.append(("JSON", lambda: to_json(all_of, level), "application/json", about))
    words = "".join("".join(t.tokens.texts) + t.request.author for t in all_of.traces)
    buttons(files, "heed-compare-" + "-".join(t.id[:4] for t in all_of.traces), words)


def to_json(all_of: Matched, level: str) -> bytes:
    """The file of this comparison."""
    columns = [Shown(d.trace.id, d.seen.column.method, d.seen.column.layers, d.seen.column.heads) for d in all_of.drawn]
    return store.comparison_to_json(all_of.traces, columns, {"granularity": level})


def opener() -> None:
    """The box that opens a file; what it held is kept as runs and shown in the columns."""
    with st.expander("Open a comparison from a file (JSON)", icon=":material/upload_file:"):
        file = st.file_uploader("A JSON file saved here or on Explore", type=["json"], key="compare_upload")
        state: Any = st.session_state
        if file is None or state.get("compare_uploaded") == file.file_id:
            return
        try:
            keep(store.opened(file.getvalue()))
        except HeedError as error:
            st.error(escape(str(error)))
            return
    state.compare_uploaded = file.file_id
    st.rerun()


def keep(found: Opened) -> None:
    """Keeps the runs of an opened file; Compare shows its columns when it is drawn next. Raises StoreError."""
    for trace in found.traces:
        store.save(trace)
    st.session_state.compare_opened = replace(found, traces=())


def take() -> bool:
    """Makes the columns of a file that was opened those of the page; only before widgets are drawn."""
    found: Opened | None = st.session_state.pop("compare_opened", None)
    if found is None:
        return False
    columns = []
    for shown in found.columns[:MOST]:
        trace = open_trace(shown.run)
        if trace is not None:
            method = shown.method if shown.method in METHODS else "mean-attention"
            columns.append(replace(of_run(trace), method=method, layers=shown.layers, heads=shown.heads))
    if columns:
        adopt(columns)
    if found.settings.get("granularity") in LEVELS:
        st.session_state.compare_level = found.settings["granularity"]
    return bool(columns)
