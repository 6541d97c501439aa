"""Computes the findings of a filtered study in a background job and caches them; drawing a page never computes them.

The cache key is study, filter and version of the table. Results are kept in the server's memory and, for a study of
this machine, also in its folder. Predictions take minutes and are a job of their own, started with a button.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from core.errors import HeedError
from core.jobs import Work
from core.study.findings.cache import compute_opened, findings_name, load_findings, save_findings
from core.study.findings.source import FILTERS, OpenedStudy
from pages.parts import job_progress
from pages.parts.findings.findings_address import state_key
from pages.parts.markdown_escape import escape_markdown

FINDINGS_SLOT = "findings_job"
PREDICTING = "findings_predicting"
LANE = "findings"
"""Statistics need no model, so they have a queue of their own."""
KEPT_FINDINGS = 24
"""Most results kept in memory."""


def picked_filter() -> dict[str, list[str]]:
    """The filter: {name: picked values}."""
    return {name: list(st.session_state.get(state_key(name)) or ()) for name in FILTERS}


@st.cache_resource(max_entries=KEPT_FINDINGS, show_spinner=False)
def _shelf(name: str) -> dict[str, Any]:
    """The cached findings of this name; ``_collect`` fills the dict."""
    return {}


def findings_of(opened: OpenedStudy) -> Any:
    """The cached findings of these tables; else starts a job and returns None."""
    name = findings_name(opened)
    kept = _shelf(name)
    _collect(FINDINGS_SLOT)
    if "found" not in kept:
        stored = load_findings(opened.folder, name)
        if stored is not None:
            kept["found"] = stored
    if "found" in kept:
        _forget(name)
        return kept["found"]
    state = st.session_state
    if state.get("findings_wanted") != name or job_progress.current_job(FINDINGS_SLOT) is None:
        if state.get("findings_failed") == name:
            return None
        job_progress.leave_job(FINDINGS_SLOT)
        job_progress.begin_job(f"findings {name}", _work(opened, name, False), LANE, FINDINGS_SLOT)
        state.findings_wanted = name
    return None


def _forget(name: str) -> None:
    """Leaves a job that computes the findings of another filter."""
    if st.session_state.get("findings_wanted") not in (None, name):
        job_progress.leave_job(FINDINGS_SLOT)
    st.session_state.findings_wanted = None


def _collect(slot: str) -> None:
    """Moves a finished job's result into the cache of all sessions, its error into the session."""
    state = st.session_state
    ended, result, error = job_progress.take_result(slot)
    if not ended:
        return
    if result is not None:
        name, found = result
        _shelf(name)["found"] = found
    elif error:
        state.findings_error = error
        state.findings_failed = state.get("findings_wanted")


def findings_waiting() -> bool:
    """Draws the running job and returns True; else draws the last error and a button to start, and returns False."""
    state = st.session_state
    if job_progress.current_job(FINDINGS_SLOT) is not None:
        job_progress.watch_job(FINDINGS_SLOT)
        return True
    if state.get("findings_error"):
        st.error(escape_markdown(state.findings_error), icon=":material/error:")
    if st.button("Compute the findings", type="primary", icon=":material/play_arrow:"):
        state.findings_error, state.findings_failed = "", None
        st.rerun()
    return False


def predict_button(opened: OpenedStudy) -> None:
    """Draws the button that computes the predictions, or the progress of their job."""
    _collect(PREDICTING)
    if job_progress.current_job(PREDICTING) is not None:
        job_progress.watch_job(PREDICTING)
        return
    told = st.session_state.pop("findings_error", "")
    if told:
        st.error(escape_markdown(told), icon=":material/error:")
    about = "Learns from the other prompts, many times over: some minutes on a small machine"
    if st.button("Compute the predictions", icon=":material/play_arrow:", help=about, key="findings_predict"):
        try:
            name = findings_name(opened)
            job_progress.begin_job(f"findings {name} whole", _work(opened, name, True), LANE, PREDICTING)
        except HeedError as error:
            st.error(escape_markdown(str(error)))
            return
        st.rerun()


def collect_findings() -> None:
    """Collects finished predictions. Call before anything is drawn."""
    _collect(PREDICTING)


def _work(opened: OpenedStudy, name: str, slow: bool) -> Work:
    def work(tell: Callable[..., None], cancelled: Callable[[], bool]) -> Any:
        found = compute_opened(opened, slow=slow, progress=tell, cancelled=cancelled)
        save_findings(found, opened.folder, name)
        return name, found

    return work
