"""A study grows: new tasks, items, structures, models or seeds. Only what is new is run."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from core.errors import HeedError
from core.models.catalogue import CATALOGUE
from core.study.items import TASKS
from core.study.plan import Plan
from core.study.structures import STRUCTURES
from core.study.study import Study
from core.study.words import structure_words, task_words
from pages.parts.picker import option
from pages.parts.study import running
from pages.parts.study.filled import key
from pages.parts.text import escape


def extend(study: Study, plan: Plan) -> None:
    """Draws what can be added."""
    ident = study.id
    more = _asked(ident, plan)
    told = st.session_state.pop(key("extend_problem"), "")
    if told:
        st.error(escape(told), icon=":material/error:")
    st.button(
        "Add and run",
        key=key(f"extend_{ident}"),
        icon=":material/play_arrow:",
        disabled=not more,
        on_click=_add,
        args=(ident, more),
        help="What is done already is kept and not run again.",
    )


def _asked(ident: str, plan: Plan) -> dict[str, Any]:
    """What is picked to be added, as fields of the plan."""

    def several(label: str, name: str, options: list[str], words: Any, **more: Any) -> list[str]:
        return list(
            st.multiselect(
                label, options, key=key(f"more_{name}_{ident}"), format_func=words, placeholder="None", **more
            )
        )

    found: dict[str, Any] = {
        "structures": several(
            "Structures", "structures", [s for s in STRUCTURES if s not in plan.structures], structure_words
        ),
        "models": several(
            "Models", "models", [m for m in CATALOGUE if m not in plan.models], option, accept_new_options=True
        ),
        "suites": several("Tasks", "suites", [t for t in TASKS if t not in plan.suites], task_words),
    }
    every = [*plan.structures, *found["structures"]]
    left = [s for s in every if s not in plan.controls]
    found["controls"] = several("Position controls for", "controls", left, structure_words)
    if plan.per_task is not None:
        limit = st.number_input("Items of each task", plan.per_task, 10_000, key=key(f"more_per_task_{ident}"))
        found["per_task"] = int(limit) if limit > plan.per_task else None
    if plan.hot:
        typed = st.text_input("More seeds", key=key(f"more_seeds_{ident}"), placeholder="e.g. 3, 4")
        found["seeds"] = [int(s) for s in re.findall(r"(?<![\w-])\d{1,10}(?!\w)", typed)]
    return {name: value for name, value in found.items() if value}


def _add(ident: str, more: dict[str, Any]) -> None:
    try:
        study = Study(ident)
        try:
            study.extend(**more)
        finally:
            study.close()
        running.start(ident)
    except HeedError as error:
        st.session_state[key("extend_problem")] = str(error)
        return
    for name in list(st.session_state):
        if str(name).startswith(key("more_")) and str(name).endswith(ident):
            del st.session_state[name]
