"""Computes what some methods need beside a run: words hidden, random masks, backward passes. Stored with the run."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import HeedError
from core.importance import METHODS, own_units
from core.importance.record_methods import surrogate_of
from core.jobs.job import Work
from core.jobs.probe_jobs import attribution_work, probe_work
from core.probe.time_estimate import estimate_time
from core.records import ATTRIBUTIONS, Trace
from core.records.attribution import POINTS
from core.text.units import units
from core.trust import MASKS
from pages.parts import job_progress
from pages.parts.markdown_escape import escape_markdown
from pages.parts.run_cache import MASK_COUNTS, readable_methods, stored_records, surrogate_masks

SLOT, SURROGATE = "more_methods", "surrogate"
BACKWARD = 3
"""A backward pass with its forward pass costs about as much as three forward passes."""
ABOUT = (
    "These methods run the model again on this prompt. The result is kept with the run, and the method joins the list. "
    "Times are estimates."
)


def more_methods(trace: Trace) -> None:
    """Draws the methods that cannot read this run yet, each with its cost and a button, or the running job."""
    slot = f"{SLOT} {trace.id}"
    _, _, problem = job_progress.take_result(slot)
    have = readable_methods(trace)
    larger = [count for count in MASK_COUNTS if count > _masks_made(trace)]
    missing = [n for n in METHODS if (n not in have or (n == SURROGATE and larger)) and _passes(trace, n)]
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
            if name == SURROGATE:
                _count_box(text, larger)
            time = estimate_time(trace, _passes(trace, name)).short
            text.markdown(f"**{METHODS[name].label}** · {METHODS[name].about} Takes {time}.")
            button.button("Compute", key=f"more_{name}", on_click=_start, args=(trace, name, slot), width="stretch")


def surrogate_sentence(trace: Trace) -> str:
    """Says how well the linear surrogate of this run fits; "" where none was made."""
    probe = stored_records(trace).get("masks")
    if probe is None:
        return ""
    found = surrogate_of(probe, trace)
    shown = f"{found.held_out:.2f}".replace("-", "−")
    return (
        f"The linear model was fitted to {found.masks} random masks: R² {found.fit:.2f} on these, {shown} on masks "
        "left out of the fit. 1 is perfect; near 0 it predicts no better than the mean, and its weights say little."
    )


def _masks_made(trace: Trace) -> int:
    probe = stored_records(trace).get("masks")
    return 0 if probe is None else len(probe.masks)


def _count_box(place: Any, counts: list[int]) -> None:
    """Draws the choice of how many masks the surrogate is fitted to."""
    if st.session_state.get("surrogate_count") not in counts:
        st.session_state.surrogate_count = MASKS if MASKS in counts else counts[0]
    place.segmented_control(
        "Random masks", counts, key="surrogate_count", required=True, help="More masks fit better and take longer."
    )


def _count() -> int:
    return int(st.session_state.get("surrogate_count") or MASKS)


def _passes(trace: Trace, name: str) -> int:
    """Forward passes over the run that a method's record costs, about; 0 where Heed cannot make it for this run."""
    need = next((need for need in METHODS[name].needs if need in ("probe", "masks", *ATTRIBUTIONS)), "")
    if need in ("attention-x-gradient", "rollout") and trace.model.attention != "dispatch":
        return 0
    if need == "probe":
        return len(own_units(trace.tokens, units(trace.tokens, _level(trace), range(trace.prompt_length)))) + 1
    if need == "masks":
        return _count() + 1 if surrogate_masks(trace) else 0
    costs = {"input-x-gradient": BACKWARD, "attention-x-gradient": BACKWARD, "rollout": 1}
    return costs.get(need, BACKWARD * POINTS if need == "integrated-gradients" else 0)


def _level(trace: Trace) -> str:
    return "word" if trace.tokens.proven else "token"


def _work(trace: Trace, name: str) -> Work:
    for need in METHODS[name].needs:
        if need in ATTRIBUTIONS:
            return attribution_work(trace.request, need)
    masks = surrogate_masks(trace, _count())
    if "masks" in METHODS[name].needs and masks is not None:
        return probe_work(trace.request, *masks)
    return probe_work(trace.request, _level(trace))


def _start(trace: Trace, name: str, slot: str) -> None:
    try:
        key = f"{slot} {name}" + (f" {_count()}" if name == SURROGATE else "")
        job_progress.begin_job(key, _work(trace, name), trace.request.model.device, slot)
    except HeedError as error:
        st.session_state.error = str(error)
