"""The page Explore: pick, write, run, and see what every word of the answer read."""

from __future__ import annotations

import streamlit as st

from core import store
from core.errors import HeedError
from core.records import Trace
from pages.parts import progress
from pages.parts.cached import open_trace
from pages.parts.charts import advance
from pages.parts.form import LOVE, SKY, fill, form, mode, prepare
from pages.parts.frame import cache_line, examples, frame
from pages.parts.picker import pick_model
from pages.parts.view import view

EXAMPLES = {"One word: the sky": SKY, "Six words: love": LOVE}


def explore() -> None:
    """Draws the page."""
    advance()
    presenting = st.query_params.get("present") == "1"
    frame("Explore", bare=presenting)
    try:
        shipped = examples()
    except HeedError as error:
        st.error(str(error))
        shipped = []
    shown = _shown(shipped)
    if presenting and shown is not None:
        view(shown, present=True)
        return
    model = pick_model()
    cache_line()
    st.header("What did the model read while it wrote?", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        mode()
        _examples(shipped)
    draft = form(model)
    busy = progress.current() is not None
    if st.button("Run", type="primary", icon=":material/play_arrow:", disabled=busy, width=160, key="run_button"):
        found = progress.start(draft)
        if found:
            _show(found)
        st.rerun()
    if st.session_state.get("error"):
        st.error(st.session_state.error, icon=":material/error:")
    if busy:
        progress.watch()
    elif shown is not None:
        view(shown)


def _shown(shipped: list[str]) -> Trace | None:
    """The run on the page: just finished, named in the address, or the first example."""
    prepare()
    finished = progress.collect()
    if finished:
        _show(finished)
    asked = st.query_params.get("run") or (shipped[0] if shipped else None)
    if asked is None:
        return None
    try:
        run_id = store.prefix(asked)
        trace = None if run_id is None else open_trace(run_id)
    except HeedError as error:
        st.session_state.error = str(error)
        return None
    if trace is None:
        st.session_state.error = f"There is no stored run {asked[:12]}: it may have been deleted. Press Run to make a new one."
        return None
    _adopt(trace)
    return trace


def _adopt(trace: Trace) -> None:
    """A run opened from outside puts its prompt and settings into the form, once."""
    state = st.session_state
    if state.get("shown") != trace.id:
        if not state.pop("own", False):
            fill(trace.request)
        state.shown = trace.id


def _show(run_id: str) -> None:
    st.session_state.own = True
    st.session_state.error = ""
    st.query_params["run"] = run_id


def _examples(shipped: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        st.caption("Examples, already run", width="content")
        for (label, _), run_id in zip(EXAMPLES.items(), shipped, strict=False):
            if st.button(label, key=f"example_{run_id[:8]}", type="tertiary", icon=":material/lightbulb:"):
                st.session_state.shown, st.session_state.error = None, ""
                st.query_params["run"] = run_id
                st.rerun()
