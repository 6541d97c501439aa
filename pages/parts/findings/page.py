"""The page Findings: pick a study, filter it, and read outcomes first, then what goes with them.

Everything that is drawn comes from ``core.study``; this says in which order. Guarded by tests/pages/test_findings.py.
"""

from __future__ import annotations

import streamlit as st

from core.errors import HeedError
from core.findings.opened import FILTERS, Opened, filtered
from core.study.words import model_words, structure_words, task_words
from pages.parts.findings import address, against, asked, files, predicting, source, structures, work
from pages.parts.text import escape

WORDS = {"model": model_words, "task": task_words, "structure": structure_words}
LABELS = {"model": "Models", "task": "Tasks", "structure": "Structures"}


def findings_page() -> None:
    """Draws the page."""
    st.title("Findings", anchor=False)
    st.caption("What a study found: how good the answers were, and whether importance went with it.")
    try:
        address.adopt()
        whole = source.pick()
        if whole is not None:
            _draw(whole)
    except HeedError as error:
        st.error(escape(str(error)), icon=":material/error:")
    address.write()


def _draw(whole: Opened) -> None:
    _filters(whole)
    opened = filtered(whole, work.picked())
    if not len(opened.runs):
        st.info("No run is left: take away a filter.")
        return
    work.collected()
    found = work.found_of(opened)
    asked.asked(opened, found)
    if found is None:
        work.waiting()
    else:
        structures.structures(found, opened)
    pair = against.against(opened, found)
    if found is not None:
        predicting.predicting(opened, found)
        files.downloads(opened, found, pair)


def _filters(whole: Opened) -> None:
    state = st.session_state
    places = st.columns(len(FILTERS))
    for name, place in zip(FILTERS, places, strict=True):
        options = list(dict.fromkeys(whole.runs[name]))
        own = address.key(name)
        kept = [v for v in state.get(own) or () if v in options]
        if state.get(own) != kept:
            state[own] = kept
        place.multiselect(
            LABELS[name], options, key=own, format_func=WORDS[name], placeholder="All", persist_state="session"
        )
