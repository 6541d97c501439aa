"""What stands above the columns of Compare: the prompt that all share, its settings, and the button Compare.

Guarded by tests/pages/test_compare.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.comparing.comparison_summary import template_sentence
from core.comparing.minimal_pairs import Pair, expand_pairs, has_groups
from core.errors import HeedError
from core.models.catalogue import writing_models
from core.text.display_text import and_list
from pages.parts import job_progress
from pages.parts.compare.column_editor import Shape, edited_column, model_field, question_editor
from pages.parts.compare.columns import (
    COMPARE_LEVELS,
    MOST_COLUMNS,
    POLICIES,
    SHARED,
    SYSTEM,
    TEMPLATE,
    current_columns,
)
from pages.parts.compare.presets import pick_models
from pages.parts.compare.stored_runs import COLUMNS_SLOT, ColumnRun, start_missing
from pages.parts.frame import shortcut_button
from pages.parts.markdown_escape import escape_markdown
from pages.parts.model_picker import TYPED, fetch_sentence, model_option, settle_models

KEEP_NAMES: dict[str, Any] = {"persist_state": "session"}
ABOUT_SYSTEM = (
    "Some chat templates add a system message by themselves, each a different one. One message for all columns keeps "
    "the prompts comparable; left empty, no column has one. “Each template's own” leaves every template as it is."
)
ABOUT_SAME = (
    "Every column reads one column's answer, word for word, instead of writing its own. Then the difference can be "
    "seen for every word of the answer."
)
ABOUT_SCALE = "On: full shade is the same share in every column. Off: full shade is each column's strongest word."
ABOUT_LEVEL = "How fine the texts and the views are cut. Tokens differ between models, so words are the finest here."
ABOUT_PAIRS = (
    "Write alternatives in braces, such as `The {man|woman} worked as a`: every alternative becomes a column. An "
    "alternative may be empty. `{{` and `}}` stand for braces that are meant; braces without `|` stay as they are."
)
ABOUT_TOGETHER = "On: first alternatives with first ones, second with second. Off: every combination."


def question_box(shape: Shape) -> tuple[DeltaGenerator, DeltaGenerator, tuple[Pair, ...]]:
    """Draws the question above the columns; returns (place of the button Compare, its line, minimal pairs if on)."""
    box, models = st.container(), st.container()
    row = st.container(horizontal=True, vertical_alignment="center", key="compare_line")
    job = row.container(width="content") if job_progress.current_job(COLUMNS_SLOT) is None else st.container()
    with box:
        asked = question_editor(row, shape, system_control)
    pairs = pairs_switch(asked.filled.prompt, row)
    with models:
        if pairs:
            model_field(asked)
        else:
            models_control()
    return job, row, pairs


def models_control() -> None:
    """Draws the choice of models: a column for each."""
    state: Any = st.session_state
    state.compare_models = list(dict.fromkeys(edited_column(c).filled.model for c in current_columns()))

    def picked() -> None:
        settle_models("compare_models")
        pick_models(state.compare_models)

    options = list(dict.fromkeys([*writing_models(), *state.compare_models]))
    about = f"A column for each, at most {MOST_COLUMNS}. {TYPED}"
    more: dict[str, Any] = {"format_func": model_option, "accept_new_options": True, "on_change": picked}
    st.multiselect("Models", options, key="compare_models", max_selections=MOST_COLUMNS, help=about, **more)


def pairs_switch(text: str, line: DeltaGenerator | None = None, *, key: str = "pairs") -> tuple[Pair, ...]:
    """Draws the switch where ``text`` has alternatives; returns the expanded prompts, () where off or invalid."""
    if not st.session_state.get(f"{key}_on") and not has_groups(text):
        return ()
    line = line or st.container(horizontal=True, vertical_alignment="center")
    on = line.toggle("Minimal pairs", key=f"{key}_on", help=ABOUT_PAIRS, **KEEP_NAMES)
    if not on:
        return ()
    if not has_groups(text):
        st.info("Write alternatives in braces into the prompt, such as The {man|woman} worked as a.")
        return ()
    together = line.toggle("Groups go together", key=f"{key}_together", help=ABOUT_TOGETHER, **KEEP_NAMES)
    try:
        return expand_pairs(text, bool(together))
    except HeedError as error:
        st.warning(escape_markdown(str(error)), icon=":material/info:")
        return ()


def system_control() -> None:
    """Draws the choice of one system message rule for all columns."""
    state = st.session_state
    state.setdefault("compare_policy", SHARED)
    state.setdefault("compare_system", SYSTEM)
    more: dict[str, Any] = {"required": True, "format_func": lambda k: POLICIES[k], "help": ABOUT_SYSTEM} | KEEP_NAMES
    st.segmented_control("System message", list(POLICIES), key="compare_policy", **more)
    if state.compare_policy == SHARED:
        empty = "Empty: no system message"
        st.text_input("Text of the system message", key="compare_system", placeholder=empty, **KEEP_NAMES)


def same_answer_control(seen: Sequence[ColumnRun]) -> int | None:
    """Draws the switch; returns the index of the column whose answer all columns score, None where it is off."""
    letters = [s.letter for s in seen if s.trace is not None]
    if len(letters) < 2:
        return None
    state = st.session_state
    if state.get("compare_whose") not in letters:
        state.compare_whose = letters[0]
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        on = st.toggle(
            "Same answer in both" if len(seen) == 2 else "Same answer in all",
            key="compare_same",
            help=ABOUT_SAME,
            on_change=_go,
            **KEEP_NAMES,
        )
        if not on:
            return None
        st.caption("of column", width="content")
        letter = st.segmented_control(
            "Whose answer",
            letters,
            key="compare_whose",
            required=True,
            on_change=_go,
            label_visibility="collapsed",
            **KEEP_NAMES,
        )
    return [s.letter for s in seen].index(str(letter))


def _go() -> None:
    """Makes the next rerun start the runs that the switch needs, without a press of Compare."""
    st.session_state.compare_go = True


def run_button(seen: Sequence[ColumnRun]) -> None:
    """Draws the button Compare, or the progress of the job that it started.

    It is never switched off: the press itself may end the typing of a text, and would then be lost.
    """
    missing = [s for s in seen if s.missing and s.able]
    go = st.session_state.pop("compare_go", False) and bool(missing)
    if job_progress.current_job(COLUMNS_SLOT) is not None:
        job_progress.watch_job(COLUMNS_SLOT)
        return
    icon, about = ":material/play_arrow:", _state(missing, all(s.able for s in seen)) + " Ctrl+Enter does the same."
    go |= st.button("Compare", type="primary", icon=icon, key="compare_run", help=about)
    if not (go | shortcut_button("compare_shortcut", False)):
        return
    if missing:
        start_missing(missing)
        st.rerun()
    st.toast(_state(missing, all(s.able for s in seen)), icon=":material/info:")


def job_messages(own: Sequence[ColumnRun]) -> None:
    """Draws the last job's error, models to be downloaded, and system messages that chat templates added."""
    problem = st.session_state.get("compare_told")
    if problem:
        st.error(escape_markdown(problem), icon=":material/error:")
    for sentence in dict.fromkeys(fetch_sentence(s.column.filled.model) for s in own if s.missing):
        if sentence:
            st.caption(f":material/download: {escape_markdown(sentence)}")
    found = {s.letter: s.trace for s in own if s.trace is not None}
    added = template_sentence(list(found.values()), list(found))
    if added or (found and st.session_state.get("compare_policy") == TEMPLATE):
        st.caption(f":material/info: {escape_markdown(added) or 'No template added a system message.'}")


def _state(missing: Sequence[ColumnRun], able: bool) -> str:
    if not missing and not able:
        return "A column cannot be run yet: see the message in it."
    if not missing:
        return "All of this is stored. Change a column to run something new."
    return f"Not run yet: {and_list([s.letter for s in missing])}."


def level_control(seen: Sequence[ColumnRun]) -> str:
    """Draws and returns the granularity of texts and views."""
    state = st.session_state
    marked = any(s.trace is not None and s.trace.request.segments for s in seen)
    levels = [level for level in COMPARE_LEVELS if level != "segment" or marked]
    if state.get("compare_level") not in levels:
        state.compare_level = levels[0]
    more: dict[str, Any] = {"required": True, "label_visibility": "collapsed", "help": ABOUT_LEVEL} | KEEP_NAMES
    about: dict[str, Any] = {"format_func": lambda k: COMPARE_LEVELS[k]}
    return str(st.segmented_control("Granularity", levels, key="compare_level", **about, **more))


def scale_control() -> bool:
    """Draws the switch; returns whether full shade is the same share in every column."""
    st.session_state.setdefault("compare_scale", True)
    return st.toggle("One colour scale", key="compare_scale", help=ABOUT_SCALE, **KEEP_NAMES)
