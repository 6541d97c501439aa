"""The findings of a study and a filter, computed as a job with progress and kept; the page never computes them.

They are kept under study, filter and version of the table: for the server in memory, and for a study of this machine
also in its folder. Predictions take minutes and are a job of their own, asked for with a button.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from core.errors import HeedError
from core.findings.found import compute, load, name_of, save
from core.findings.opened import FILTERS, Opened
from core.jobs import Work
from pages.parts import progress
from pages.parts.findings.address import key
from pages.parts.text import escape

SLOT = "findings_job"
PREDICTING = "findings_predicting"
LANE = "findings"
"""Statistics need no model: they wait in a line of their own."""
KEPT = 24
"""Results that a server remembers."""


def picked() -> dict[str, list[str]]:
    """The filter."""
    return {name: list(st.session_state.get(key(name)) or ()) for name in FILTERS}


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _shelf(name: str) -> dict[str, Any]:
    """What is kept under a name; filled by ``_take``."""
    return {}


def found_of(opened: Opened) -> Any:
    """Findings of these tables: kept ones at once; else a job is under way and None comes."""
    name = name_of(opened)
    kept = _shelf(name)
    _collect(SLOT)
    if "found" not in kept:
        stored = load(opened.folder, name)
        if stored is not None:
            kept["found"] = stored
    if "found" in kept:
        _forget(name)
        return kept["found"]
    state = st.session_state
    if state.get("findings_wanted") != name or progress.current(SLOT) is None:
        if state.get("findings_failed") == name:
            return None
        progress.leave(SLOT)
        progress.begin(f"findings {name}", _work(opened, name, False), LANE, SLOT)
        state.findings_wanted = name
    return None


def _forget(name: str) -> None:
    """Work on another filter goes on for nobody."""
    if st.session_state.get("findings_wanted") not in (None, name):
        progress.leave(SLOT)
    st.session_state.findings_wanted = None


def _collect(slot: str) -> None:
    """Puts a finished job's result where everybody finds it; tells its error."""
    state = st.session_state
    ended, result, error = progress.over(slot)
    if not ended:
        return
    if result is not None:
        name, found = result
        _shelf(name)["found"] = found
    elif error:
        state.findings_error = error
        state.findings_failed = state.get("findings_wanted")


def waiting() -> bool:
    """Draws the job that computes the findings; False where there is none, with what went wrong."""
    state = st.session_state
    if progress.current(SLOT) is not None:
        progress.watch(SLOT)
        return True
    if state.get("findings_error"):
        st.error(escape(state.findings_error), icon=":material/error:")
    if st.button("Compute the findings", type="primary", icon=":material/play_arrow:"):
        state.findings_error, state.findings_failed = "", None
        st.rerun()
    return False


def predict(opened: Opened) -> None:
    """The button that computes predictions, or their progress."""
    _collect(PREDICTING)
    if progress.current(PREDICTING) is not None:
        progress.watch(PREDICTING)
        return
    told = st.session_state.pop("findings_error", "")
    if told:
        st.error(escape(told), icon=":material/error:")
    about = "Learns from the other prompts, many times over: some minutes on a small machine"
    if st.button("Compute the predictions", icon=":material/play_arrow:", help=about, key="findings_predict"):
        try:
            name = name_of(opened)
            progress.begin(f"findings {name} whole", _work(opened, name, True), LANE, PREDICTING)
        except HeedError as error:
            st.error(escape(str(error)))
            return
        st.rerun()


def collected() -> None:
    """Takes what finished before anything is drawn."""
    _collect(PREDICTING)


def _work(opened: Opened, name: str, slow: bool) -> Work:
    def work(tell: Callable[..., None], cancelled: Callable[[], bool]) -> Any:
        found = compute(opened, slow=slow, progress=tell, cancelled=cancelled)
        save(found, opened.folder, name)
        return name, found

    return work
