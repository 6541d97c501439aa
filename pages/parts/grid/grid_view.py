"""Draws an open grid: progress, the table that fills as answers come, what can be done with it; a click opens a run.

The table is a component (core/charts/answer_grid.js), registered once, on import.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from core import people, store
from core.charts.answer_grid import answer_grid_data, answer_grid_source
from core.errors import HeedError
from core.jobs.study_jobs import open_work
from core.study.grid_answers import grid_csv, read_grid
from core.study.study import Study, list_studies
from pages.parts import job_progress
from pages.parts.markdown_escape import escape_markdown
from pages.parts.sharing import sharing_line
from pages.parts.study.study_progress import MOVING, pause_study, progress_bar, start_study, study_job, study_phase

OPENING = "grid_opening"
"""The slot of the job that computes a run again."""
GRID_POLL = 1.0
"""Seconds between two looks at a running grid."""
_JS, _CSS = answer_grid_source()
_table = st.components.v2.component("heed_grid", html='<div class="heed-grid"></div>', css=_CSS, js=_JS)


def grid_view(ident: str) -> None:
    """Draws the grid. Raises StoreError where it cannot be opened."""
    if problem := st.session_state.pop("grid_problem", ""):
        st.error(escape_markdown(problem), icon=":material/error:")
    study = Study(ident)
    try:
        _opening(study)
        status = study.status()
        now, own = study_phase(status, study_job(ident)), people.is_owner("study", ident)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{escape_markdown(study.name)}**", width="content")
            if now in MOVING:
                st.button("Cancel", icon=":material/stop_circle:", key="grid_stop", on_click=pause_study, args=(ident,))
            elif own and (not status.over or status.failed):
                label = "Try what failed again" if status.over else "Go on"
                st.button(label, icon=":material/play_arrow:", key="grid_go", on_click=_go_on, args=(ident,))
            file: Any = {"file_name": f"grid-{ident[:8]}.csv", "mime": "text/csv", "on_click": "ignore"}
            look: Any = {"icon": ":material/download:", "type": "tertiary", "disabled": not status.done}
            st.download_button("CSV", lambda: grid_csv(ident), key="grid_csv", **file, **look)
            where: Any = {"icon": ":material/insights:", "query_params": {"study": ident}, "disabled": not status.done}
            st.page_link("pages/findings.py", label="Open in Findings", **where)
            if own:
                with st.popover("Delete", icon=":material/delete:", type="tertiary", disabled=now in MOVING):
                    st.button("Delete these answers", key="grid_delete", on_click=_delete, args=(ident,))
        sharing_line("study", ident)
    finally:
        study.close()
    st.fragment(_live, run_every=GRID_POLL if now in MOVING else None)(ident, now)


def _live(ident: str, seen: str) -> None:
    """Draws progress and table; reruns the whole page when the phase changes or a run is to be opened."""
    study = Study(ident)
    try:
        status, job = study.status(), study_job(ident)
        if study_phase(status, job) != seen:
            st.rerun()
        if seen != "done" or status.failed:
            progress_bar(status, job, seen)
        data = answer_grid_data(read_grid(study))
    finally:
        study.close()

    def opened() -> None:
        st.session_state.grid_opened = st.session_state.grid_table.opened

    _table(data=data, key="grid_table", on_opened_change=opened)
    if st.session_state.get("grid_opened"):
        st.rerun()


def _go_on(ident: str) -> None:
    try:
        start_study(ident, retry=True)
    except HeedError as error:
        st.session_state.grid_problem = str(error)


def _delete(ident: str) -> None:
    if any(known.id == ident for known in list_studies()):  # pressed twice: it is gone
        try:
            Study(ident).delete()
        except HeedError as error:
            st.session_state.grid_problem = str(error)
            return
    st.session_state.grid_shown = ""
    st.query_params.clear()


def _opening(study: Study) -> None:
    """Opens a clicked answer in Explore; one whose rows are not stored is computed again first, which takes seconds."""
    cell = st.session_state.pop("grid_opened", None)
    _, run, error = job_progress.take_result(OPENING)
    try:
        if cell and store.has_run(study.request(cell).id):
            run = study.request(cell).id
        elif cell:
            job_progress.begin_job(f"open {study.id} {cell}", open_work(study.id, cell), "cpu", OPENING)
    except HeedError as problem:
        error = str(problem)
    if run:
        back = {"page": "grid", "query": {"grid": study.id, "cell": run}, "steps": [], "run": run}
        st.session_state.findings_back = back
        st.switch_page("pages/explore.py", query_params={"run": run})
    if error:
        st.error(escape_markdown(error), icon=":material/error:")
    if job_progress.current_job(OPENING) is not None:
        job_progress.watch_job(OPENING)
