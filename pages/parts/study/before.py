"""Before Start: the plan that the form says, what it will take, what it can see, and the buttons.

Everything here is made from the plan alone; where the form makes no plan, one sentence says why and nothing starts.
Guarded by tests/pages/test_study.py.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import HeedError
from core.models.catalogue import CATALOGUE
from core.models.memory import size_text
from core.study import estimate
from core.study.estimating import Estimate
from core.study.plan import Plan
from core.study.status import lasting
from core.study.structures import OWN, STRUCTURES
from core.study.study import Study
from pages.parts.study import models, pairs, running, structures
from pages.parts.study.encoder import encoder
from pages.parts.study.filled import KEEP, get, key, ordered, put
from pages.parts.study.items import Asked
from pages.parts.text import escape

PACE = 1.2e-10
"""Seconds a parameter and token, measured with SmolLM2 on two cores."""
PILOT = 10
"""Items of a pilot."""
WRAPPING = [name for name, form in STRUCTURES.items() if "{prompt}" in form.template]
"""Structures that take an item as it is."""
ABOUT_RHO = (
    "The smallest rank correlation over all prompts, taken without sign, that this many prompts show in 80 of 100 "
    "studies. Weaker ones may stay unseen: more items let the study see them."
)
ABOUT_PILOT = "Runs the first 10 items, taken from the tasks in turn. They count for the whole study."


def plan_of(asked: Asked) -> tuple[Plan | None, str]:
    """(the plan, "") or (None, why there is none)."""
    if asked.problem:
        return None, asked.problem
    if not get("methods"):
        return None, "No reading of attention is picked: pick at least one in the settings of the runs."
    try:
        chosen = structures.picked()
        return (
            Plan(
                name=get("name") or "",
                models=models.picked(),
                structures=chosen,
                suites=asked.suites,
                items=asked.items,
                per_task=asked.per_task,
                controls=ordered("controls", chosen),
                control_items=structures.control_items(),
                seeds=models.seeds(),
                max_new_tokens=get("tokens"),
                temperature=get("temperature"),
                top_p=get("top_p"),
                methods=tuple(get("methods") or ()),
                effects=get("effects"),
                primary=pairs.named(),
                templates={n: t for n, t in get("templates").items() if OWN + n in chosen},
                examples=asked.examples or {},
            ),
            "",
        )
    except HeedError as error:
        return None, str(error)


def before(plan: Plan | None, problem: str, done: int) -> None:
    """Draws the box with the estimate and the buttons; ``done``: runs of this machine, which the time is taken from."""
    with st.container(border=True):
        st.text_input("Name of the study", key=key("name"), max_chars=80, **KEEP)
        runs = 0
        if plan is None:
            st.warning(escape(problem), icon=":material/info:")
        else:
            runs = _estimate(plan, done)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Start",
                key=key("start"),
                type="primary",
                icon=":material/play_arrow:",
                disabled=not runs,
                on_click=_start,
                args=(plan, False),
            )
            st.button(
                f"Pilot: {PILOT} items",
                key=key("pilot"),
                icon=":material/science:",
                disabled=not runs,
                on_click=_start,
                args=(plan, True),
                help=ABOUT_PILOT,
            )
            if plan is not None:
                st.download_button(
                    "plan.json",
                    plan.to_json,
                    "plan.json",
                    "application/json",
                    key=key("download_plan"),
                    type="tertiary",
                    icon=":material/download:",
                    on_click="ignore",
                    help="Opens again here, and runs from a shell: python -m core.study run plan.json",
                )
        encoder()
        told = st.session_state.get(key("problem"))
        if told:
            st.error(escape(told), icon=":material/error:")


def _estimate(plan: Plan, done: int) -> int:
    """Draws what the plan takes; the number of runs."""
    try:
        found = _estimated(plan.id, done, plan)
    except HeedError as error:
        st.warning(escape(str(error)), icon=":material/info:")
        return 0
    seconds, about = found.seconds, "As fast as the runs that this machine has done with these models."
    if seconds is None:
        seconds, about = guess(plan, found.runs), "A guess by the size of the models: a pilot tells it better."
    rho = f"{found.smallest_rho:.2f}" if found.smallest_rho < 1 else "none"
    with st.container(horizontal=True):
        st.metric("Runs", f"{found.runs:,}", width=130)
        st.metric("Time, about", "unknown" if seconds is None else lasting(seconds), help=about, width=130)
        st.metric("Disk, about", size_text(found.disk) if found.disk > 1e6 else "1 MB", width=130)
        st.metric("Smallest |ρ| seen", rho, help=ABOUT_RHO, width=130)
    controls = f", {found.controls:,} of the runs are position controls" if found.controls else ""
    few = "" if found.smallest_rho < 1 else " So few items show no correlation, however strong."
    st.caption(f"{found.items:,} items{controls}.{few}")
    if found.skipped:
        with st.expander(f"{sum(found.skipped.values()):,} prompts are left out", icon=":material/info:"):
            for why, count in found.skipped.items():
                st.caption(f"{count:,} times: {escape(why)}.")
    if not found.runs:
        st.warning("None of these items fits these structures: pick others, or see why above.", icon=":material/info:")
        st.button("Use structures that fit any item", key=key("wrap"), on_click=put, args=("structures", WRAPPING))
    return int(found.runs)


@st.cache_resource(max_entries=32, show_spinner=False)
def _estimated(ident: str, done: int, _plan: Plan) -> Estimate:
    return estimate(_plan)


def guess(plan: Plan, runs: int) -> float | None:
    """Seconds on a plain processor by parameters and tokens; None for models of which the size is not known."""
    if any(m not in CATALOGUE for m in plan.models):
        return None
    size = sum(CATALOGUE[m].parameters for m in plan.models) / len(plan.models)
    return runs * (1 + size * (plan.max_new_tokens + 64 * plan.effects) * PACE)


def _start(plan: Plan, pilot: bool) -> None:
    """Makes the study, or takes the one of the same plan, and goes on with it."""
    state: Any = st.session_state
    put("problem", "")
    try:
        study = Study(plan)
        try:
            ident = study.id
        finally:
            study.close()
        running.start(ident, PILOT if pilot else 0)
    except HeedError as error:
        put("problem", str(error))
        return
    state[key("shown")] = ident
    state[key("view")] = "all"
