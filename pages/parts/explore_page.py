"""Draws the page Explore: choose a model, write a prompt, run it, and see what each answer word attended to."""

from __future__ import annotations

import streamlit as st

from core.errors import HeedError
from core.records import ModelKey, Trace
from pages.parts import job_progress
from pages.parts.explore_address import linked_run, pass_over_linked_run
from pages.parts.findings.back_link import back_link
from pages.parts.frame import cache_line, example_ids, page_frame, shortcut_button, stored_id
from pages.parts.markdown_escape import escape_markdown
from pages.parts.model_picker import pick_model
from pages.parts.run_cache import open_trace
from pages.parts.run_form import (
    earlier_run,
    fill_form,
    form_draft,
    length_line,
    mode_switch,
    prepare_form,
    prompt_box,
    settings_box,
    steering_line,
)
from pages.parts.run_view import run_view
from pages.parts.views.steps_view import advance_step

EXAMPLES = ("One word: the sky", "Six words: love")
"""Names of the shipped runs, in the order of their files."""


def explore_page() -> None:
    """Draws the page Explore."""
    advance_step()
    presenting = st.query_params.get("present") == "1"
    page_frame("Explore", bare=presenting)
    shipped = _shipped()
    shown, problem = _shown(shipped)
    if presenting and shown is not None:
        run_view(shown, present=True)
        return
    model = pick_model()
    cache_line()
    page = st.container(gap="xsmall")
    with page:
        _page(model, shown, shipped, problem)


def _page(model: str, shown: Trace | None, shipped: list[str], problem: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header("What did the model read while it wrote?", anchor=False, width="content")
        _examples(shipped)
    busy = job_progress.current_job() is not None
    mode_switch(None if busy else shown)
    prompt_box()
    length_line(model)
    steering_line()
    row = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    left = row.container(horizontal=True, width="content")
    go = left.button(
        "Run",
        type="primary",
        icon=":material/play_arrow:",
        disabled=busy,
        width=120,
        key="run_button",
        help="Ctrl+Enter does the same.",
    )
    with left:
        settings_box()
    if shortcut_button("run_shortcut", busy) or go:
        _start(model)
        st.rerun()
    told = st.session_state.get("error") or ("" if busy else problem)
    if job_progress.is_unfinished():
        st.info(job_progress.UNFINISHED, icon=":material/restart_alt:")
    if told:
        st.error(escape_markdown(told), icon=":material/error:")
    if busy:
        job_progress.watch_job()
    elif not told:
        earlier_run(model, shown.request if shown else None, job_progress.has_note())
    if shown is not None and not busy:
        back_link(shown.id)
        run_view(shown, row=row)


def _start(model: str) -> None:
    """Shows the stored run of what stands in the form, or starts its job; an error is stored for the page to show."""
    try:
        found = job_progress.start_run(form_draft(model))
    except HeedError as error:  # a steered part that is not in the prompt any more
        st.session_state.error = str(error)
        return
    if found:
        _show(found)


def _shipped() -> list[str]:
    try:
        return example_ids()
    except HeedError as error:
        st.error(escape_markdown(str(error)))
        return []


def _shown(shipped: list[str]) -> tuple[Trace | None, str]:
    """(run to show, ""): just finished, named in the URL, or the first example; else (None, why there is none)."""
    prepare_form()
    if (found := job_progress.found_draft()) is not None:
        fill_form(found.request(ModelKey(found.model, "")))
    elif (unfinished := job_progress.unfinished_request()) is not None:
        fill_form(unfinished)
    finished = job_progress.collect_run()
    if finished:
        _show(finished)
    state = st.session_state
    asked = state.pop("opened", None) or linked_run() or state.get("shown")
    asked = asked or (shipped[0] if shipped else None)
    if asked is None:
        return None, ""
    try:
        run_id = stored_id(asked)
        trace = None if run_id is None else open_trace(run_id, job_progress.last_request())
    except HeedError as error:
        st.session_state.broken = (asked, str(error))
        return None, str(error)
    if trace is None:
        return None, _missing(asked)
    _adopt(trace)
    return trace, ""


def _missing(asked: str) -> str:
    """Why the run named in the URL cannot be shown; for a damaged run the error with which it failed to open."""
    broken, told = st.session_state.get("broken") or ("", "")
    if broken == asked:
        return told
    return f"There is no stored run {asked[:12]}: it may have been deleted. Press Run to make a new one."


def _adopt(trace: Trace) -> None:
    """Fills the form once with the settings of a run opened by URL; a run started here leaves the form alone."""
    state = st.session_state
    if state.get("shown") != trace.id:
        if state.get("own") != trace.id and job_progress.current_job() is None and not job_progress.is_unfinished():
            fill_form(trace.request)
        state.shown = trace.id


def _show(run_id: str) -> None:
    pass_over_linked_run()
    st.session_state.update(own=run_id, opened=run_id, error="")


def _examples(shipped: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        st.caption("Examples, already run", width="content")
        for label, run_id in zip(EXAMPLES, shipped, strict=False):
            key = f"example_{run_id[:8]}"
            st.button(label, key=key, type="tertiary", icon=":material/lightbulb:", on_click=_open, args=(run_id,))


def _open(run_id: str) -> None:
    """Shows a stored run with its prompt and settings, and leaves the job of a run in progress."""
    job_progress.leave_job()
    job_progress.let_go()
    pass_over_linked_run()
    st.session_state.update(shown=None, own=None, error="", request=None, opened=run_id)
