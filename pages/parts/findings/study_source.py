"""Draws the choice of a study: those of this machine, the shipped example, or a table from a file.

A table is read once and cached: while its study is running the page shows the runs from when it was opened and offers
newer ones with a button, or every number would change while it is being read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from core.errors import HeedError, StudyError
from core.study.findings.source import EXAMPLE, STEERING_EXAMPLE, OpenedStudy, open_folder, open_study, open_table
from pages.parts.findings.findings_address import state_key
from pages.parts.frame import APP_FOLDER
from pages.parts.markdown_escape import escape_markdown
from pages.parts.server_log import log_refused_upload

EXAMPLE_FOLDER = APP_FOLDER / "docs/example-study"
STEERING_FOLDER = APP_FOLDER / "docs/steering-study"
KEPT_STATE_NAMES = ("findings_file", "findings_stamps", "findings_address")
"""Session keys that stay when another study is picked; the last URL too, or the browser's would count as a new link."""


def pick_study() -> OpenedStudy | None:
    """Draws the picker and returns the tables of the picked study; None where there is none yet."""
    state = st.session_state
    runs, labels = _known()
    if state.get(state_key("study")) not in labels:
        gone = state.get(state_key("study"))
        if gone:
            _told(gone)
        state[state_key("study")] = next((i for i in labels if i not in _shipped()), next(iter(labels), None))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if labels:
            st.selectbox(
                "Study", list(labels), key=state_key("study"), format_func=lambda i: labels[i], persist_state="session"
            )
        for shipped, (_, name, about) in _shipped().items():
            st.button(name, icon=":material/lightbulb:", help=about, on_click=_show, args=(shipped,))
        with st.popover("Open a table", icon=":material/upload_file:"):
            _upload()
    ident = state.get(state_key("study"))
    if not ident:
        st.info("There is no study yet: make one on the page Study, or open a table of runs here.")
        return None
    found = _opened(ident, runs.get(ident, 0))
    _newer(ident, runs.get(ident, 0))
    return found


def _shipped() -> dict[str, tuple[Path, str, str]]:
    """{id: (folder, name, what it is)} of the finished studies that come with Heed."""
    found = {
        EXAMPLE: (EXAMPLE_FOLDER, "Example study", "A finished study of two small models that comes with Heed"),
        STEERING_EXAMPLE: (
            STEERING_FOLDER,
            "Steering study",
            "What changes when the instruction, or the question instead, is read more or less: a finished study of two "
            "small models that comes with Heed",
        ),
    }
    return {ident: one for ident, one in found.items() if (one[0] / "runs.parquet").exists()}


def _show(ident: str) -> None:
    state = st.session_state
    for name in list(state):
        if str(name).startswith("findings_") and name not in KEPT_STATE_NAMES:
            del state[name]
    state[state_key("study")] = ident


def _told(ident: str) -> None:
    what = "The opened table" if ident.startswith("file-") else f"The study {ident[:12]}"
    st.warning(f"{escape_markdown(what)} is not here any more: pick another, or open its table again.")


def _known() -> tuple[dict[str, int], dict[str, str]]:
    """({id: runs that the study has now, failed ones included}, {id: label} of the options, newest study first).

    A study without runs is an option only where it is already picked.
    """
    from core.study import list_studies

    file = st.session_state.get("findings_file")
    found = {} if file is None else {file[0]: f"{file[1]} (opened table)"}
    asked, every = st.session_state.get(state_key("study")), list_studies()
    found |= {s.id: _label(s) for s in every if s.status.done or s.status.failed or s.id == asked}
    runs = {s.id: s.status.done + s.status.failed for s in every}
    return runs, found | {ident: name for ident, (_, name, _) in _shipped().items()}


def _label(known: Any) -> str:
    status = known.status
    return f"{'Grid: ' * known.grid}{known.name} · {status.done:,} of {status.total:,} runs"


def _upload() -> None:
    file = st.file_uploader("A table of runs (CSV or Parquet)", type=["csv", "parquet"], key="findings_upload")
    st.caption(
        "One row a run with the columns prompt_id, task, structure and model, then metrics and features, as in "
        "the CSV of runs that this page offers. The file stays in this session."
    )
    state: Any = st.session_state
    if file is None or state.get("findings_uploaded") == file.file_id:
        return
    state.findings_uploaded = file.file_id
    try:
        found = open_table(file.name, file.getvalue())
    except HeedError as error:
        log_refused_upload("table", file.getvalue(), error)
        st.error(escape_markdown(str(error)))
        return
    _show(found.id)
    state.findings_file = (found.id, found.name, found)
    st.rerun()


def _opened(ident: str, runs: int) -> OpenedStudy:
    """The tables of this study, cached; ``runs``: how many it has now. Raises StudyError."""
    state = st.session_state
    if ident.startswith("file-"):
        file = state.get("findings_file")
        if file is None or file[0] != ident:
            raise StudyError("The opened table is not here any more: open it again.")
        return file[2]
    if ident in _shipped():
        folder, name, _ = _shipped()[ident]
        return _example(ident, str(folder), name, max(p.stat().st_mtime_ns for p in folder.iterdir()))
    stamps = state.setdefault("findings_stamps", {})
    return _study(ident, stamps.setdefault(ident, runs))


@st.cache_resource(max_entries=2, show_spinner=False)
def _example(ident: str, folder: str, name: str, changed: int) -> OpenedStudy:
    return open_folder(Path(folder), ident, name)


@st.cache_resource(max_entries=4, show_spinner="Reading the table of the study")
def _study(ident: str, stamp: int) -> OpenedStudy:
    return open_study(ident)


def _newer(ident: str, runs: int) -> None:
    """Draws a button for the runs that a running study has added since it was opened; ``runs``: those it has now."""
    stamps = st.session_state.get("findings_stamps") or {}
    if ident not in stamps:
        return
    more = runs - stamps[ident]
    if more > 0 and st.button(f"Show {more:,} newer runs", icon=":material/refresh:", type="tertiary"):
        stamps[ident] += more
        st.rerun()
