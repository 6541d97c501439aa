"""The page Study: a plan to start, or the studies of this machine, one of them open.

``?study=ID`` opens that study. A newcomer lands on a plan that is ready to start; whoever has a study under way and
comes back lands on it. Guarded by tests/pages/test_study.py.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import HeedError
from core.study.study import Known, studies
from pages.parts.frame import phone
from pages.parts.study import before, filled, models, pairs, prompts, running, shelf, structures
from pages.parts.study.filled import KEEP, key
from pages.parts.study.items import items
from pages.parts.text import escape

VIEWS = {"new": "New study", "all": "Studies"}


def study() -> None:
    """Draws the page."""
    st.title("Study", anchor=False)
    st.caption(
        "Many prompts, laid out in several ways: how good are the answers, what did the model read, and do the two go "
        "together?"
    )
    filled.prepare()
    known = studies()
    _open(known)
    view = _switch(known)
    try:
        if view == "all":
            _address(shelf.shelf(known))
        else:
            _address("")
            _new(sum(k.status.done for k in known))
    except HeedError as error:
        st.error(escape(str(error)), icon=":material/error:")


def _open(known: list[Known]) -> None:
    """The study of the address where it is a new one; on a first visit the one that is under way."""
    state: Any = st.session_state
    asked = st.query_params.get("study", "")
    found = next((k.id for k in known if asked and k.id.startswith(asked)), "")
    if asked and asked != state.get(key("address")):
        state[key("address")] = asked
        state[key("view")] = "all"
        state[key("shown")] = found
        gone = f"There is no study {asked[:16]} on this machine: it may have been deleted."
        state[key("lost")] = "" if found else gone
    elif key("view") not in state:
        moving = next((k.id for k in known if running.phase(k.status, running.job_of(k.id)) in running.MOVING), "")
        state[key("shown")] = moving
        state[key("view")] = "all" if moving else "new"


def _switch(known: list[Known]) -> str:
    """New study, or the studies there are."""
    st.segmented_control(
        "View",
        list(VIEWS),
        key=key("view"),
        required=True,
        format_func=lambda v: f"{VIEWS[v]} ({len(known)})" if v == "all" and known else VIEWS[v],
        label_visibility="collapsed",
        **KEEP,
    )
    return str(st.session_state[key("view")])


def _address(shown: str) -> None:
    st.session_state[key("address")] = shown
    if shown and st.query_params.get("study") != shown:
        st.query_params["study"] = shown
    elif not shown and "study" in st.query_params:
        del st.query_params["study"]


def _new(done: int) -> None:
    """The form beside its estimate, the buttons and the prompts; on a phone the buttons come first."""
    if phone():
        box, form, shown = st.container(), st.container(), st.container()
    else:
        form, side = st.columns([1.25, 1], gap="large")
        box, shown = side.container(), side.container()
    with form:
        with st.container(border=True):
            st.markdown("**1 · Items**: what is asked")
            asked = items()
        with st.container(border=True):
            st.markdown("**2 · Structures**: how each prompt is laid out")
            structures.structures()
        with st.container(border=True):
            st.markdown("**3 · Models**: who answers")
            models.models()
            with st.expander("Settings of the runs", icon=":material/tune:"):
                models.settings()
            with st.expander(pairs.label(), icon=":material/bookmark_star:", key=key("pairs_box")):
                pairs.pairs()
        shelf.opener()
    plan, problem = before.plan_of(asked)
    with box:
        before.before(plan, problem, done)
    if plan is not None:
        with shown:
            prompts.prompts(plan)
