"""Downloads of a comparison (figure, CSV, JSON), and the upload that opens such a JSON again.

Guarded by tests/pages/test_compare.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from core import store
from core.charts.comparison_page import ComparisonReport
from core.charts.comparison_report import comparison_report
from core.errors import HeedError
from core.importance import DEFAULT_METHOD, METHODS
from core.store import OpenedComparison, SavedColumn
from pages.parts.compare.columns import COMPARE_LEVELS, MOST_COLUMNS
from pages.parts.compare.compare_views import comparison_csv
from pages.parts.compare.matched_columns import MatchedColumns
from pages.parts.compare.presets import adopt_columns, column_of_run
from pages.parts.copy_link import copy_link
from pages.parts.download_buttons import File, file_buttons, picture_files_of
from pages.parts.markdown_escape import escape_markdown
from pages.parts.run_cache import open_trace, stored_records
from pages.parts.server_log import log_refused_upload
from pages.parts.views.view_figure import ViewFigure


def comparison_downloads(all_of: MatchedColumns, figure: ViewFigure, level: str, table: bool) -> None:
    """Draws the buttons; a file is made when its button is pressed. ``table``: the view has numbers of its own."""
    about = "For a colleague: texts, difference, agreement, stored knock-outs and settings on one page"
    shared = bool(st.session_state.get("compare_scale", True))
    files: dict[str, list[File]] = {
        "One-page report": [
            ("PDF", lambda: report_of(all_of, shared).pdf().data, "application/pdf", about),
            ("HTML", lambda: report_of(all_of, shared).html(), "text/html", about),
        ]
    }
    view = picture_files_of(figure.chart) + [("CSV", figure.csv, "text/csv", "The view's numbers")] * table
    files |= {"View": view} if view else {}
    about = "Every number of the comparison in long form: words, words without partner, groups"
    files["Comparison"] = [("CSV", lambda: comparison_csv(all_of), "text/csv", about)]
    about = "The columns and the complete runs they show; opens again here and on the page Runs"
    files["Comparison"].append(("JSON", lambda: comparison_json(all_of, level), "application/json", about))
    words = "".join("".join(t.tokens.texts) + t.request.author for t in all_of.traces)
    with st.container(horizontal=True, vertical_alignment="center"):
        copy_link()
        file_buttons(files, "heed-compare-" + "-".join(t.id[:4] for t in all_of.traces), words)


def report_of(all_of: MatchedColumns, shared: bool) -> ComparisonReport:
    """The comparison as a report, with the knock-outs that are stored beside its runs."""
    probes = [stored_records(t).get("probe") for t in all_of.traces]
    words = [d.words for d in all_of.drawn]
    return comparison_report(all_of.traces, words, all_of.agreed(), names=all_of.names, probes=probes, shared=shared)


def comparison_json(all_of: MatchedColumns, level: str) -> bytes:
    """The comparison with its complete runs as JSON bytes."""
    columns = [
        SavedColumn(d.trace.id, d.seen.column.method, d.seen.column.layers, d.seen.column.heads) for d in all_of.drawn
    ]
    return store.comparison_to_json(all_of.traces, columns, {"granularity": level})


def comparison_opener() -> None:
    """Draws the upload box; stores an uploaded comparison's runs and shows them in the columns."""
    if told := st.session_state.pop("compare_kept", ""):
        st.info(told, icon=":material/info:")
    with st.expander("Open a comparison from a file (JSON)", icon=":material/upload_file:"):
        file = st.file_uploader("A JSON file saved here or on Explore", type=["json"], key="compare_upload")
        state: Any = st.session_state
        if file is None or state.get("compare_uploaded") == file.file_id:
            return
        try:
            state.compare_kept = kept_sentence(keep_comparison(store.comparison_from_json(file.getvalue())))
        except HeedError as error:
            log_refused_upload("comparison", file.getvalue(), error)
            st.error(escape_markdown(str(error)))
            return
    state.compare_uploaded = file.file_id
    st.rerun()


def keep_comparison(found: OpenedComparison) -> list[str]:
    """Stores the runs of an opened file; Compare shows its columns at the next rerun. Raises StoreError.

    Returns the ids of those that were stored before: these stay as they are.
    """
    kept = [trace.id for trace in found.traces if not store.import_run(trace)]
    st.session_state.compare_opened = replace(found, traces=())
    return kept


def kept_sentence(kept: Sequence[str]) -> str:
    """What a person is told of runs of a file that were stored before; empty where there are none."""
    if not kept:
        return ""
    names = ", ".join(run[:8] for run in kept)
    if len(kept) == 1:
        return f"Run {names} was stored here before: the stored run is kept and shown, not the one in the file."
    return f"The runs {names} were stored here before: the stored runs are kept and shown, not those in the file."


def take_opened() -> bool:
    """Replaces the page's columns by those of an opened file; True if it did. Call before any widget is drawn."""
    found: OpenedComparison | None = st.session_state.pop("compare_opened", None)
    if found is None:
        return False
    columns = []
    for shown in found.columns[:MOST_COLUMNS]:
        trace = open_trace(shown.run)
        if trace is not None:
            method = shown.method if shown.method in METHODS else DEFAULT_METHOD
            columns.append(replace(column_of_run(trace), method=method, layers=shown.layers, heads=shown.heads))
    if columns:
        adopt_columns(columns)
    if found.settings.get("granularity") in COMPARE_LEVELS:
        st.session_state.compare_level = found.settings["granularity"]
    return bool(columns)
