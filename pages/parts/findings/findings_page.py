"""Draws the page Findings: study and filter, then outcomes, correlations, predictions, downloads.

All content comes from ``core.study``; this module only sets its order. Guarded by tests/pages/test_findings.py.
"""

from __future__ import annotations

import streamlit as st

from core.errors import HeedError
from core.study.column_labels import model_label, structure_label, task_label
from core.study.findings.source import FILTERS, OpenedStudy, filter_study
from pages.parts.findings import (
    correlation_section,
    findings_address,
    findings_files,
    findings_jobs,
    overview_section,
    prediction_section,
    steering_section,
    structures_section,
    study_source,
)
from pages.parts.markdown_escape import escape_markdown

FILTER_WORDS = {"model": model_label, "task": task_label, "structure": structure_label}
FILTER_LABELS = {"model": "Models", "task": "Tasks", "structure": "Structures"}


def findings_page() -> None:
    """Draws the page Findings."""
    st.title("Findings", anchor=False)
    st.caption("What a study found: how good the answers were, and whether importance went with it.")
    try:
        findings_address.adopt_address()
        whole = study_source.pick_study()
        if whole is not None:
            _draw(whole)
    except HeedError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
    findings_address.write_address()


def _draw(whole: OpenedStudy) -> None:
    _filters(whole)
    opened = filter_study(whole, findings_jobs.picked_filter())
    if not len(opened.runs):
        st.info("No run is left: take away a filter.")
        return
    found = findings_jobs.findings_of(opened)
    overview_section.overview_section(opened, found)
    if found is None:
        findings_jobs.findings_waiting(len(opened.runs))
    else:
        structures_section.structures_section(found, opened)
    pair = correlation_section.correlation_section(opened, found)
    if found is not None:
        steering_section.steering_section(opened, found)
        prediction_section.prediction_section(opened, found)
        findings_files.study_downloads(opened, found, pair)


def _filters(whole: OpenedStudy) -> None:
    state = st.session_state
    places = st.columns(len(FILTERS))
    for name, place in zip(FILTERS, places, strict=True):
        options = list(dict.fromkeys(whole.runs[name]))
        own = findings_address.state_key(name)
        kept = [v for v in state.get(own) or () if v in options]
        if state.get(own) != kept:
            state[own] = kept
        place.multiselect(
            FILTER_LABELS[name],
            options,
            key=own,
            format_func=FILTER_WORDS[name],
            placeholder="All",
            persist_state="session",
        )
