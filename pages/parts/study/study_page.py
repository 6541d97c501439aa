"""Draws the page Study: the form of a new study, or the list of studies with one of them open.

``?study=ID`` opens that study. A first visit shows a plan that is ready to start, or the study that is running.
Guarded by tests/pages/test_study.py.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import HeedError
from core.study.quality.own_metric import checked_own_metrics
from core.study.study import StudyInfo, list_studies
from pages.parts.frame import is_phone
from pages.parts.markdown_escape import escape_markdown
from pages.parts.study import (
    models_section,
    primary_pairs,
    prompt_preview,
    start_box,
    structures_editor,
    study_form,
    study_list,
    study_progress,
)
from pages.parts.study.items_section import items_section
from pages.parts.study.own_metrics import own_metrics
from pages.parts.study.study_form import KEPT_FIELDS, field_key

STUDY_VIEWS = {"new": "New study", "all": "Studies"}


def study_page() -> None:
    """Draws the page Study."""
    st.title("Study", anchor=False)
    st.caption(
        "Many prompts, laid out in several ways: how good are the answers, what did the model read, and do the two go "
        "together?"
    )
    study_form.prepare_study_form()
    asked = st.query_params.get("study")
    known = [k for k in list_studies() if not k.grid or k.id == asked]  # grids are listed on their own page
    _open(known)
    view = _switch(known)
    try:
        if view == "all":
            _address(study_list.study_list(known))
        else:
            _address("")
            _new(sum(k.status.done for k in known))
    except HeedError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")


def _open(known: list[StudyInfo]) -> None:
    """Opens the study named in a new URL; on a first visit the one that is running."""
    state: Any = st.session_state
    asked = st.query_params.get("study", "")
    found = next((k.id for k in known if asked and k.id.startswith(asked)), "")
    if asked and asked != state.get(field_key("address")):
        state[field_key("address")] = asked
        state[field_key("view")] = "all"
        state[field_key("shown")] = found
        gone = f"There is no study {asked[:16]} on this machine: it may have been deleted."
        state[field_key("lost")] = "" if found else gone
    elif field_key("view") not in state:
        moving = next(
            (
                k.id
                for k in known
                if study_progress.study_phase(k.status, study_progress.study_job(k.id)) in study_progress.MOVING
            ),
            "",
        )
        state[field_key("shown")] = moving
        state[field_key("view")] = "all" if moving else "new"


def _switch(known: list[StudyInfo]) -> str:
    """Draws the switch between the form and the list of studies; returns the picked one."""
    st.segmented_control(
        "View",
        list(STUDY_VIEWS),
        key=field_key("view"),
        required=True,
        format_func=lambda v: f"{STUDY_VIEWS[v]} ({len(known)})" if v == "all" and known else STUDY_VIEWS[v],
        label_visibility="collapsed",
        **KEPT_FIELDS,
    )
    return str(st.session_state[field_key("view")])


def _address(shown: str) -> None:
    st.session_state[field_key("address")] = shown
    if shown and st.query_params.get("study") != shown:
        st.query_params["study"] = shown
    elif not shown and "study" in st.query_params:
        del st.query_params["study"]


def _new(done: int) -> None:
    """Draws the form beside estimate, buttons and prompts; on a phone the estimate and the buttons come first."""
    if is_phone():
        box, form, shown = st.container(), st.container(), st.container()
    else:
        form, side = st.columns([1.25, 1], gap="large")
        box, shown = side.container(), side.container()
    with form:
        with st.container(border=True):
            st.markdown("**1 · Items**: what is asked")
            asked = items_section()
        with st.container(border=True):
            st.markdown("**2 · Structures**: how each prompt is laid out")
            structures_editor.structures_editor()
        with st.container(border=True):
            st.markdown("**3 · Models**: who answers")
            models_section.models_section()
            with st.expander("Settings of the runs", icon=":material/tune:"):
                models_section.settings_section()
            with st.expander(primary_pairs.pairs_label(), icon=":material/bookmark_star:", key=field_key("pairs_box")):
                primary_pairs.primary_pairs()
            metrics = study_form.get_field("metrics")
            label = f"Own metrics: {len(metrics)}" if metrics else "Own metrics (optional)"
            with st.expander(label, icon=":material/rule:", key=field_key("metrics_box")):
                own_metrics(
                    lambda: study_form.get_field("metrics"),
                    "new",
                    lambda some: study_form.put_field("metrics", checked_own_metrics(some)),
                )
        study_list.plan_opener()
    plan, problem = start_box.plan_of(asked)
    with box:
        start_box.start_box(plan, problem, done)
    if plan is not None:
        with shown:
            prompt_preview.prompt_preview(plan)
