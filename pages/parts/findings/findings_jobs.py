"""Computes the findings of a filtered study in a background job and caches them; drawing a page never computes them.

The cache key is study, filter and version of the table. Results are kept in the server's memory and, for a study of
this machine, also in its folder. Predictions take minutes and are a job of their own, started with a button.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from core.jobs import Work
from core.study.findings.cache import compute_opened, findings_name, load_findings, save_findings
from core.study.findings.source import FILTERS, OpenedStudy
from pages.parts import job_progress
from pages.parts.findings.findings_address import state_key

FINDINGS_SLOT = "findings_job"
PREDICTING = "findings_predicting"
LANE = "findings"
"""Statistics need no model, so they have a queue of their own."""
MANY = 20_000
"""Runs from which on it is told that findings take long."""
ABOUT_MANY = (
    "The findings of so many runs take hours on a small machine; they are computed once and kept. A filter above makes "
    "it quicker. Meanwhile every run can be read below."
)
KEPT_FINDINGS = 24
"""Most results kept in memory."""


def picked_filter() -> dict[str, list[str]]:
    """The filter: {name: picked values}."""
    return {name: list(st.session_state.get(state_key(name)) or ()) for name in FILTERS}


@st.cache_resource(max_entries=KEPT_FINDINGS, show_spinner=False)
def _shelf(name: str) -> dict[str, Any]:
    """The cached findings of this name, for all sessions; the job fills the dict."""
    return {}


def findings_of(opened: OpenedStudy) -> Any:
    """The cached findings of these tables; else starts a job and returns None."""
    name = findings_name(opened)
    kept = _shelf(name)
    busy = job_progress.collect_job(FINDINGS_SLOT)
    if "found" not in kept:
        stored = load_findings(opened.folder, name)
        if stored is not None:
            kept["found"] = stored
    state = st.session_state
    if "found" in kept:
        if state.get("findings_wanted") not in (None, name):
            job_progress.leave_job(FINDINGS_SLOT)  # which computes the findings of another filter
        state.findings_wanted = None
        return kept["found"]
    if state.get("findings_wanted") != name or not (busy or job_progress.has_note(FINDINGS_SLOT)):
        job_progress.leave_job(FINDINGS_SLOT)
        job_progress.begin_job(f"findings {name}", _work(opened, name, False), LANE, FINDINGS_SLOT)
        state.findings_wanted = name
    return None


def findings_waiting(runs: int) -> bool:
    """Draws the running job and returns True; else draws how it ended and a button to start, and returns False.

    ``runs``: how many the findings are of.
    """
    waits = job_progress.job_waits(FINDINGS_SLOT)
    if runs >= MANY:
        st.caption(ABOUT_MANY)
    if waits:
        return True
    if st.button("Compute the findings", type="primary", icon=":material/play_arrow:"):
        job_progress.leave_job(FINDINGS_SLOT)
        st.rerun()
    return False


def predict_button(opened: OpenedStudy) -> None:
    """Draws the button that computes the predictions, or the progress of their job."""
    name = findings_name(opened)
    about = "Learns from the other prompts, many times over: some minutes on a small machine"
    ask = job_progress.Ask(
        f"findings {name} whole", "Compute the predictions", about, None, LANE, {"key": "findings_predict"}
    )
    job_progress.job_slot(PREDICTING, ask, _work(opened, name, True))


def _work(opened: OpenedStudy, name: str, slow: bool) -> Work:
    kept = _shelf(name)

    def work(tell: Callable[..., None], cancelled: Callable[[], bool]) -> None:
        kept["found"] = compute_opened(opened, slow=slow, progress=tell, cancelled=cancelled)
        save_findings(kept["found"], opened.folder, name)

    return work
