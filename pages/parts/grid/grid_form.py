"""Draws the form of a grid: prompts pasted or of a CSV, models, samples, what it will take, and Run."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import HeedError
from core.models.catalogue import writing_models
from core.records import Item
from core.run_settings import MOST_NEW_TOKENS
from core.study.grid import FIRST_FIELDS, MOST_SAMPLES, grid_estimate, grid_plan, open_grid, pasted_items, table_items
from core.study.study_status import duration_words
from pages.parts.engine_picker import engine_picker
from pages.parts.frame import shortcut_button
from pages.parts.markdown_escape import escape_markdown
from pages.parts.model_picker import TYPED, fetch_sentence, model_of_option, model_option, settle_models
from pages.parts.server_log import log_refused_upload
from pages.parts.study.study_progress import start_study

KEPT: dict[str, Any] = {"persist_state": "session"}
ABOUT_TEXT = "What follows a tab is the right answer: two columns pasted from a spreadsheet give prompts with answers."
ABOUT_CSV = "A column prompt; if you have them, reference (the right answer), system (a system message) and name."
ABOUT_SAMPLES = (
    "1 is greedy: always the likeliest token. More are drawn at temperature 0.7, and the table compares them."
)
EXAMPLES = "Answer in one word: What color is the sky?\nName three fruits. Do not use commas."


def grid_form() -> str:
    """Draws the form; returns the id of a grid that was just started, else ""."""
    for name, value in FIRST_FIELDS.items():
        st.session_state.setdefault(f"grid_{name}", value)
    left, right = st.columns(2, gap="medium")
    with left:
        items = _prompts()
    with right:
        settle_models("grid_models")
        have = list(dict.fromkeys([*writing_models(), *st.session_state.grid_models]))
        box: dict[str, Any] = {"format_func": model_option, "accept_new_options": True, "help": TYPED}
        picked = st.multiselect("Models", have, key="grid_models", placeholder="Pick or type a model", **box, **KEPT)
        models = tuple(dict.fromkeys(map(model_of_option, picked)))
        for sentence in filter(None, map(fetch_sentence, models)):
            st.caption(f":material/download: {escape_markdown(sentence)}")
        one, two = st.columns(2)
        samples = one.number_input("Samples", 1, MOST_SAMPLES, key="grid_samples", help=ABOUT_SAMPLES, **KEPT)
        tokens = two.number_input("New tokens", 1, MOST_NEW_TOKENS, key="grid_tokens", **KEPT)
        engine_picker()
    return _run(items, models, int(samples), int(tokens))


def _prompts() -> tuple[Item, ...]:
    """Draws the box and the upload; returns the prompts. A file that is open counts instead of the box."""
    label = "Prompts, a blank line between two" if st.session_state.grid_lines else "Prompts, one a line"
    text = st.text_area(label, key="grid_text", height=150, placeholder=EXAMPLES, help=ABOUT_TEXT, **KEPT)
    with st.container(horizontal=True, vertical_alignment="center"):
        several = st.toggle("Prompts of several lines", key="grid_lines", **KEPT)
        with st.popover("CSV", icon=":material/upload_file:"):
            file = st.file_uploader(ABOUT_CSV, ["csv", "tsv", "jsonl", "txt"], key="grid_file")
    if file is None:
        return pasted_items(text or "", several)
    try:
        read = table_items(file.getvalue())
    except HeedError as error:
        log_refused_upload("prompts", file.getvalue(), error)
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return ()
    st.caption(escape_markdown(f"{len(read.items):,} prompts of {file.name} are asked, not those of the box."))
    if read.errors:
        told = f"{len(read.errors):,} lines are left out, the first: {read.errors[0]}"
        st.warning(escape_markdown(told), icon=":material/info:")
    return read.items


def _run(items: tuple[Item, ...], models: tuple[str, ...], samples: int, tokens: int) -> str:
    """Draws Run and what it will take, or why it cannot run; returns the id of a grid that was just started, else "".

    Run is never switched off: the press itself may end the typing of the first prompt, and would then be lost.
    """
    row = st.container(horizontal=True, vertical_alignment="center")
    look: dict[str, Any] = {"type": "primary", "icon": ":material/play_arrow:", "width": 160}
    go = row.button("Run", key="grid_run", help="Ctrl+Enter does the same.", **look)
    go |= shortcut_button("grid_shortcut", False)
    try:
        plan = grid_plan(items, models, samples, tokens)
        count, seconds = grid_estimate(plan)
        row.caption(f"{count:,} answers" + (f" · about {duration_words(seconds)}" if seconds else ""))
        if not go:
            return ""
        made = open_grid(plan)
        start_study(made)
    except HeedError as error:
        (st.error if go else st.caption)(escape_markdown(str(error)))
        return ""
    return made
