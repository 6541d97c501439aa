"""Makes the plan from the form and draws its estimate (runs, time, disk, statistical power) and the buttons.

Everything is computed from the plan alone; where the form makes no plan, a sentence says why and Start does nothing. It
is never switched off: the press itself may end the typing of what was missing, and would then be lost.
Guarded by tests/pages/test_study.py.
"""

from __future__ import annotations

import streamlit as st

from core.errors import HeedError
from core.models.memory_estimate import size_text
from core.processes import command_text
from core.study import estimate_plan
from core.study.plan import Plan
from core.study.plan_estimate import PlanEstimate
from core.study.prompt_structures import OWN_PREFIX, STRUCTURES
from core.study.study import Study
from core.study.study_status import duration_words
from pages.parts.engine_picker import engine_picker
from pages.parts.markdown_escape import escape_markdown
from pages.parts.study import models_section, primary_pairs, structures_editor, study_progress
from pages.parts.study.encoder_offer import encoder_offer
from pages.parts.study.items_section import ItemChoice
from pages.parts.study.study_form import KEPT_FIELDS, field_key, get_field, ordered_choice, put_field

PILOT = 10
"""Items of a pilot."""
ABOUT_RHO = (
    "The weakest rank correlation over all prompts, positive or negative, that a study of this size finds in 80 of 100 "
    "tries. Weaker ones may go undetected: add items."
)
ABOUT_PILOT = "Runs the first 10 items, taken from the tasks in turn. They count for the whole study."


def plan_of(asked: ItemChoice) -> tuple[Plan | None, str]:
    """(the plan, "") or (None, why there is none)."""
    if asked.problem:
        return None, asked.problem
    if not get_field("methods"):
        return None, "No reading of attention is picked: pick at least one in the settings of the runs."
    try:
        chosen = structures_editor.picked_structures()
        return (
            Plan(
                name=get_field("name") or "",
                models=models_section.picked_models(),
                structures=chosen,
                suites=asked.suites,
                items=asked.items,
                per_task=asked.per_task,
                controls=ordered_choice("controls", chosen),
                control_items=structures_editor.control_items(),
                seeds=models_section.picked_seeds(),
                max_new_tokens=get_field("tokens"),
                temperature=get_field("temperature"),
                top_p=get_field("top_p"),
                methods=tuple(get_field("methods") or ()),
                effects=get_field("effects"),
                primary=primary_pairs.named_pairs(),
                templates={n: t for n, t in get_field("templates").items() if OWN_PREFIX + n in chosen},
                examples=asked.examples or {},
                metrics=get_field("metrics"),
                components=get_field("components"),
                steering=structures_editor.picked_steering(),
            ),
            "",
        )
    except HeedError as error:
        return None, str(error)


def start_box(plan: Plan | None, problem: str, done: int) -> None:
    """Draws the estimate and the buttons; ``done``: number of runs done on this machine, on which the time is based."""
    with st.container(border=True):
        st.text_input("Name of the study", key=field_key("name"), max_chars=80, **KEPT_FIELDS)
        runs = 0
        if plan is None:
            st.warning(escape_markdown(problem), icon=":material/info:")
        else:
            runs = _estimate(plan, done)
        engine_picker()
        with st.container(horizontal=True, vertical_alignment="center"):
            go = st.button(
                "Start",
                key=field_key("start"),
                type="primary",
                icon=":material/play_arrow:",
            )
            pilot = st.button(
                f"Pilot: {PILOT} items",
                key=field_key("pilot"),
                icon=":material/science:",
                help=ABOUT_PILOT,
            )
            if plan is not None:
                st.download_button(
                    "plan.json",
                    plan.to_json,
                    "plan.json",
                    "application/json",
                    key=field_key("download_plan"),
                    type="tertiary",
                    icon=":material/download:",
                    on_click="ignore",
                    help=f"Opens again here, and runs from a shell: {command_text('study', 'run', 'plan.json')}",
                )
        # Not by on_click: its arguments are of the run before, so a field edited just before the press would not count.
        if plan is not None and runs and (go or pilot):
            _start(plan, pilot)
            st.rerun()
        encoder_offer()
        told = st.session_state.get(field_key("problem"))
        if told:
            st.error(escape_markdown(told), icon=":material/error:")


def structures_of_whole_prompts() -> list[str]:
    """Structures that take an item as one whole prompt."""
    return [name for name, form in STRUCTURES.items() if "{prompt}" in form.template]


def _estimate(plan: Plan, done: int) -> int:
    """Draws the estimate; returns the number of runs."""
    try:
        found = _estimated(plan.id, done, plan)
    except HeedError as error:
        st.warning(escape_markdown(str(error)), icon=":material/info:")
        return 0
    seconds, about = found.seconds, "As fast as the runs that this machine has done with these models."
    if not found.measured:
        about = "A guess by the size of the models: a pilot tells it better."
    rho = f"{found.smallest_rho:.2f}" if found.smallest_rho < 1 else "none"
    with st.container(horizontal=True):
        st.metric("Runs", f"{found.runs:,}", width=130)
        st.metric("Time, about", "unknown" if seconds is None else duration_words(seconds), help=about, width=130)
        st.metric("Disk, about", size_text(found.disk) if found.disk > 1e6 else "1 MB", width=130)
        st.metric("Smallest |ρ|", rho, help=ABOUT_RHO, width=130)
    controls = f", {found.controls:,} of the runs are position controls" if found.controls else ""
    few = "" if found.smallest_rho < 1 else " So few items cannot detect any correlation, however strong."
    st.caption(f"{found.items:,} items{controls}.{few}")
    if found.skipped:
        with st.expander(f"{sum(found.skipped.values()):,} prompts are left out", icon=":material/info:"):
            for why, count in found.skipped.items():
                st.caption(f"{count:,} times: {escape_markdown(why)}.")
    if not found.runs:
        st.warning("None of these items fits these structures: pick others, or see why above.", icon=":material/info:")
        fitting = ("structures", structures_of_whole_prompts())
        st.button("Use structures that fit any item", key=field_key("wrap"), on_click=put_field, args=fitting)
    return int(found.runs)


@st.cache_resource(max_entries=32, show_spinner=False)
def _estimated(ident: str, done: int, _plan: Plan) -> PlanEstimate:
    return estimate_plan(_plan)


def _start(plan: Plan, pilot: bool) -> None:
    """Creates the study, or opens the one of the same plan, starts it, and names it in the address: it is shown."""
    put_field("problem", "")
    try:
        study = Study(plan)
        try:
            ident = study.id
        finally:
            study.close()
        study_progress.start_study(ident, PILOT if pilot else 0)
    except HeedError as error:
        put_field("problem", str(error))
        return
    st.query_params["study"] = ident
