"""Draws the forms that extend a study: more items, structures, models, seeds, methods, or longer answers where cut off.

Only what is new is run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import streamlit as st

from core.errors import HeedError
from core.importance import study_methods
from core.models.catalogue import writing_models
from core.study.column_labels import structure_label, task_label
from core.study.item_files import TASKS
from core.study.plan import Plan
from core.study.prompt_structures import STRUCTURES
from core.study.study import Study
from pages.parts.markdown_escape import escape_markdown
from pages.parts.model_picker import model_of_option, model_option, settle_models
from pages.parts.study import study_progress
from pages.parts.study.models_section import ABOUT_LEARNED, method_option
from pages.parts.study.study_form import field_key

NOTHING = "Nothing is picked that the study does not have: pick something above, then press Add and run."


def extend_study(study: Study, plan: Plan) -> None:
    """Draws the forms and their buttons."""
    ident = study.id
    lengthen_answers(study)
    read_answers_again(study)
    _fields(ident, plan)
    told = st.session_state.pop(field_key("extend_problem"), "")
    if told:
        st.error(escape_markdown(told), icon=":material/error:")
    st.button(
        "Add and run",
        key=field_key(f"extend_{ident}"),
        icon=":material/play_arrow:",
        on_click=_add,
        args=(ident, plan),
        help="What is done already is kept and not run again.",
    )


def lengthen_answers(study: Study) -> None:
    """Draws the form that lets answers go on that the token limit cut off; nothing where none was."""
    tokens = study.cut_off().values()
    if not tokens:
        return
    ident, least, last = study.id, min(tokens), max(tokens)
    at = f"{last:,}" if least == last else f"{least:,} to {last:,}"
    some = "1 answer was" if len(tokens) == 1 else f"{len(tokens):,} answers were"
    st.markdown(f"**{some} cut off at {at} tokens.** What depends on their end is undefined.")
    for why, count in study.kept_short().items():
        st.caption(f"{count:,} could not be made longer and stayed as they are: {escape_markdown(why)}")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = field_key(f"longer_{ident}_{last}")
        st.number_input("New limit, tokens", least + 1, 100_000, max(256, 2 * last), key=key)
        st.button(
            "Let them go on",
            key=field_key(f"lengthen_{ident}"),
            icon=":material/play_arrow:",
            on_click=_lengthen,
            args=(ident, key),
            help="Writes these answers anew with the larger limit. All others are kept and not run again.",
        )


def read_answers_again(study: Study) -> None:
    """Draws the button that reads answers again for features that they lack; nothing where none lacks any."""
    for why, count in study.not_read_again().items():
        st.caption(f"{count:,} could not be read again and stayed as they are: {escape_markdown(why)}")
    count = len(study.outdated())
    if not count:
        return
    some = "1 run lacks" if count == 1 else f"{count:,} runs lack"
    st.markdown(f"**{some} features** that this version of Heed, or a method of this study, adds.")
    st.button(
        "Read them again",
        key=field_key(f"again_{study.id}"),
        icon=":material/refresh:",
        on_click=_read_again,
        args=(study.id,),
        help="One pass over each prompt with the answer that it has. Answers and verdicts stay as they are.",
    )


def _read_again(ident: str) -> None:
    _start(ident, lambda study: study.read_again())


def _start(ident: str, change: Callable[[Study], object]) -> bool:
    """Changes the study and runs what is then to be done; returns whether that began. Keeps the reason if not."""
    try:
        study = Study(ident)
        try:
            change(study)
        finally:
            study.close()
        study_progress.start_study(ident)
    except HeedError as error:
        st.session_state[field_key("extend_problem")] = str(error)
        return False
    return True


def _lengthen(ident: str, key: str) -> None:
    tokens = int(st.session_state[key])  # what was typed last, even if the button was pressed at once
    _start(ident, lambda study: study.lengthen(tokens))


def _fields(ident: str, plan: Plan) -> None:
    """Draws the controls."""

    def several(label: str, name: str, options: list[str], words: Any, **more: Any) -> None:
        key = field_key(f"more_{name}_{ident}")
        st.multiselect(label, options, key=key, format_func=words, placeholder="None", **more)

    settle_models(field_key(f"more_models_{ident}"))
    several("Structures", "structures", [s for s in STRUCTURES if s not in plan.structures], structure_label)
    models = [m for m in writing_models() if m not in plan.models]
    several("Models", "models", models, model_option, accept_new_options=True)
    several("Tasks", "suites", [t for t in TASKS if t not in plan.suites], task_label)
    about = "Answers that are there already are read again, one pass each. " + ABOUT_LEARNED
    methods = [m for m in study_methods() if m not in plan.methods]
    several("Attention methods", "methods", methods, method_option, help=about)
    every = [*plan.structures, *_asked(ident, plan).get("structures", ())]
    several("Position controls for", "controls", [s for s in every if s not in plan.controls], structure_label)
    if plan.per_task is not None:
        st.number_input("Items of each task", plan.per_task, 10_000, key=field_key(f"more_per_task_{ident}"))
    if plan.hot:
        st.text_input("More seeds", key=field_key(f"more_seeds_{ident}"), placeholder="e.g. 3, 4")


def _asked(ident: str, plan: Plan) -> dict[str, Any]:
    """What the controls ask to add, as fields of the plan: as typed last, even if the button was pressed at once."""

    def typed(name: str) -> Any:
        return st.session_state.get(field_key(f"more_{name}_{ident}"))

    found: dict[str, Any] = {n: list(typed(n) or ()) for n in ("structures", "models", "suites", "methods", "controls")}
    found["models"] = list(map(model_of_option, found["models"]))
    if plan.per_task is not None and (limit := int(typed("per_task") or 0)) > plan.per_task:
        found["per_task"] = limit
    if plan.hot:
        found["seeds"] = [int(s) for s in re.findall(r"(?<![\w-])\d{1,10}(?!\w)", typed("seeds") or "")]
    return {name: value for name, value in found.items() if value}


def _add(ident: str, plan: Plan) -> None:
    more = _asked(ident, plan)
    if not more:  # the button is never switched off: the press itself may end the typing, and would then be lost
        st.session_state[field_key("extend_problem")] = NOTHING
        return

    def extend(study: Study) -> None:
        study.extend(**more)
        if "methods" in more and study.outdated():
            study.read_again()

    if not _start(ident, extend):
        return
    for name in list(st.session_state):
        if str(name).startswith(field_key("more_")) and str(name).endswith(ident):
            del st.session_state[name]
