"""Computes what some methods need beside a run: words hidden, random masks, backward passes. Stored with the run."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.importance import METHODS
from core.importance.record_methods import surrogate_of
from core.importance.surrogate import surrogate_sentence
from core.jobs.job import Work
from core.jobs.probe_jobs import attribution_work, probe_time, probe_work
from core.probe.time_estimate import TimeEstimate, estimate_attribution
from core.records import ATTRIBUTIONS, Trace
from core.trust import MASKS
from pages.parts import job_progress
from pages.parts.run_cache import MASK_COUNTS, readable_methods, stored_records, surrogate_masks

SLOT, SURROGATE = "more_methods", "surrogate"
ABOUT = (
    "These methods run the model again on this prompt. The result is kept with the run, and the method joins the list. "
    "Times are estimates."
)


def more_methods(trace: Trace) -> None:
    """Draws the methods that cannot read this run yet, each with its cost and a button, or the running job."""
    slot = f"{SLOT} {trace.id}"
    busy = job_progress.collect_job(slot)
    have = readable_methods(trace)
    larger = [count for count in MASK_COUNTS if count > _masks_made(trace)]
    missing = [n for n in METHODS if (n not in have or (n == SURROGATE and larger)) and _able(trace, n)]
    if not missing and not busy:
        return
    with st.expander("More methods", icon=":material/add_circle:", expanded=busy or job_progress.has_note(slot)):
        st.caption(ABOUT)
        if job_progress.job_waits(slot):
            return
        for name in missing:
            text, button = st.columns([4, 1], vertical_alignment="center")
            if name == SURROGATE:
                _count_box(text, larger)
            work, time = _work(trace, name)
            text.markdown(f"**{METHODS[name].label}** · {METHODS[name].about} Takes {time.short}.")
            looks = {"key": f"more_{name}", "icon": None, "width": "stretch"}
            key = f"{slot} {name}" + (f" {_count()}" if name == SURROGATE else "")
            model = trace.request.model
            ask = job_progress.Ask(key, "Compute", "", time, model.device, looks, model.name)
            with button:
                job_progress.job_button(slot, ask, work)


def surrogate_fit(trace: Trace) -> str:
    """Says how well the linear surrogate of this run fits; "" where none was made."""
    probe = stored_records(trace).get("masks")
    return "" if probe is None else surrogate_sentence(surrogate_of(probe, trace))


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


def _need(name: str) -> str:
    """The record beside the run that a method needs and that is made here; empty where there is none."""
    return next((need for need in METHODS[name].needs if need in ("probe", "masks", *ATTRIBUTIONS)), "")


def _able(trace: Trace, name: str) -> bool:
    """Whether Heed can make the method's record for this run."""
    need = _need(name)
    if need in ATTRIBUTIONS and trace.model.kind != "decoder":
        return False
    if need in ("attention-x-gradient", "rollout"):
        return trace.model.attention == "dispatch"
    return bool(need) and (need != "masks" or surrogate_masks(trace) is not None)


def _work(trace: Trace, name: str) -> tuple[Work, TimeEstimate]:
    """The job that makes the method's record, and how long it takes."""
    need = _need(name)
    if need in ATTRIBUTIONS:
        return attribution_work(trace.request, need), estimate_attribution(trace, need)
    masks = surrogate_masks(trace, _count()) if need == "masks" else None
    asked = masks or ("word" if trace.tokens.proven else "token", "mask", None)
    return probe_work(trace.request, *asked), probe_time(trace, *asked)
