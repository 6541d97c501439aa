"""Computes what some methods need beside a run: words hidden, random masks, backward passes. Stored with the run."""

from __future__ import annotations

import streamlit as st

from core.errors import HeedError
from core.importance import METHODS, own_units
from core.jobs.job import Work
from core.jobs.probe_jobs import attribution_work, probe_work
from core.probe.time_estimate import estimate_time
from core.records import ATTRIBUTIONS, Trace
from core.text.units import units
from core.trust import MASKS
from pages.parts import job_progress
from pages.parts.markdown_escape import escape_markdown
from pages.parts.run_cache import readable_methods, surrogate_masks

SLOT = "more_methods"
BACKWARD = 3
"""A backward pass with its forward pass costs about as much as three forward passes."""
POINTS = 16
ABOUT = (
    "These methods run the model again on this prompt. The result is kept with the run, and the method joins the list. "
    "Times are estimates."
)


def more_methods(trace: Trace) -> None:
    """Draws the methods that cannot read this run yet, each with its cost and a button, or the running job."""
    slot = f"{SLOT} {trace.id}"
    _, _, problem = job_progress.take_result(slot)
    have = readable_methods(trace)
    missing = [name for name in METHODS if name not in have and _passes(trace, name)]
    busy = job_progress.current_job(slot) is not None
    if not missing and not busy and not problem:
        return
    with st.expander("More methods", icon=":material/add_circle:", expanded=busy or bool(problem)):
        st.caption(ABOUT)
        if problem:
            st.error(escape_markdown(problem), icon=":material/error:")
        if busy:
            job_progress.watch_job(slot)
            return
        for name in missing:
            text, button = st.columns([4, 1], vertical_alignment="center")
            time = estimate_time(trace, _passes(trace, name)).short
            text.markdown(f"**{METHODS[name].label}** · {METHODS[name].about} Takes {time}.")
            button.button("Compute", key=f"more_{name}", on_click=_start, args=(trace, name, slot), width="stretch")


def _passes(trace: Trace, name: str) -> int:
    """Forward passes over the run that a method's record costs, about; 0 where Heed cannot make it for this run."""
    need = next((need for need in METHODS[name].needs if need in ("probe", "masks", *ATTRIBUTIONS)), "")
    if need in ("attention-x-gradient", "rollout") and trace.model.attention != "dispatch":
        return 0
    if need == "probe":
        return len(own_units(trace.tokens, units(trace.tokens, _level(trace), range(trace.prompt_length)))) + 1
    if need == "masks":
        return MASKS + 1 if surrogate_masks(trace) else 0
    costs = {"input-x-gradient": BACKWARD, "attention-x-gradient": BACKWARD, "rollout": 1}
    return costs.get(need, BACKWARD * POINTS if need == "integrated-gradients" else 0)


def _level(trace: Trace) -> str:
    return "word" if trace.tokens.proven else "token"


def _work(trace: Trace, name: str) -> Work:
    for need in METHODS[name].needs:
        if need in ATTRIBUTIONS:
            return attribution_work(trace.request, need)
    masks = surrogate_masks(trace)
    if "masks" in METHODS[name].needs and masks is not None:
        return probe_work(trace.request, *masks)
    return probe_work(trace.request, _level(trace))


def _start(trace: Trace, name: str, slot: str) -> None:
    try:
        job_progress.begin_job(f"{slot} {name}", _work(trace, name), trace.request.model.device, slot)
    except HeedError as error:
        st.session_state.error = str(error)
