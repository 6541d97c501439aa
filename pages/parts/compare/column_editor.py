"""The form that edits one column of Compare: widgets start with the column's values and return what was typed.

Widget keys carry the column's ``uid``: a column changed from outside gets a new one, and so new widgets.
Guarded by tests/pages/test_compare.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import Any

import streamlit as st

from core.importance import METHODS
from core.models.catalogue import CATALOGUE, DEFAULT_MODEL
from core.records import Trace
from pages.parts.compare.columns import (
    LETTERS,
    OWN_SYSTEM,
    Column,
    column_summary,
    copy_right,
    current_columns,
    remove_column,
    update_column,
)
from pages.parts.markdown_escape import escape_markdown
from pages.parts.model_picker import TYPED, model_of_option, model_option, settle_models
from pages.parts.run_cache import about_methods, readable_methods
from pages.parts.run_form import ABOUT_MARKS, TURN_ROLES
from pages.parts.run_settings import RUN_MODES, RunSettings
from pages.parts.settings_fields import (
    answer_field,
    author_fields,
    sampling_fields,
    stop_field,
    system_fields,
    thinking_field,
)

FIELD_NAMES = tuple(f.name for f in fields(RunSettings) if f.name != "turns")
READING_FIELDS = ("method", "layers", "heads")


def column_header(column: Column, letter: str, trace: Trace | None) -> None:
    """Draws the column's letter and model, with the buttons Copy and Remove."""
    name = column.title or (trace.model.label if trace is not None else model_name(column.filled.model))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{letter} · {escape_markdown(name)}**", width="content")
        if column.title:
            return
        with st.container(horizontal=True, width="content", gap="xsmall"):
            if letter != LETTERS[-1]:
                full = len(current_columns()) == len(LETTERS)
                right = "Overwrite the next column with a copy" if full else "Start the next column from this one"
                copy = "Copy to the right" if len(current_columns()) < 3 else "Copy"
                _button(copy, "content_copy", right, copy_right, f"copy_right_{column.uid}", column.uid)
            if len(current_columns()) > 1:
                _button("Remove", "close", f"Remove column {letter}", remove_column, f"remove_{column.uid}", column.uid)


def _button(text: str, icon: str, about: str, act: Callable[[int], None], key: str, uid: int) -> None:
    sign = f":material/{icon}:" if len(current_columns()) < 3 else None
    st.button(text, key=key, help=about, icon=sign, type="tertiary", on_click=act, args=(uid,))


def column_editor(
    column: Column, policy: str, layers: tuple[int, ...], heads: int, trace: Trace | None = None
) -> Column:
    """Draws the editor and returns the edited column.

    ``layers`` and ``heads``: those that its model has. ``trace``: its run, which decides what methods are offered.
    """
    _prepare(column)
    about = escape_markdown(column_summary(edited_column(column), short=len(current_columns()) > 2))
    with st.expander(f"Edit · {about}", expanded=column.open, icon=":material/edit:", key=f"edit_{column.uid}"):
        _model(column)
        mode = st.segmented_control("Prompt as", RUN_MODES, key=_key(column, "mode"), required=True, width="stretch")
        raw = mode == "Raw" or (mode == "Given answer" and column.filled.raw_given)
        what = "Raw text, read as it stands" if raw else "Your message"
        st.text_area(what, key=_key(column, "prompt"), height=110, help=ABOUT_MARKS)
        if mode == "Given answer":
            answer_field(partial(_key, column))
            author_fields(partial(_key, column), "of this column")
        with st.popover("Settings", icon=":material/tune:", width="stretch"):
            turns = _settings(column, policy, mode or "Chat", raw)
        _method(column, layers, heads, trace)
    now = edited_column(column, turns)
    if now != column:
        update_column(now)
    return now


def model_name(model: str) -> str:
    """The label of a catalogue model; any other name unchanged."""
    return CATALOGUE[model].label if model in CATALOGUE else model


def _key(column: Column, name: str) -> str:
    return f"c{column.uid}_{name}"


def _prepare(column: Column) -> None:
    """Gives the column's values to widgets that have no session state (Streamlit drops it when they are not drawn)."""
    for name in FIELD_NAMES:
        st.session_state.setdefault(_key(column, name), getattr(column.filled, name))
    for name in READING_FIELDS:
        value = getattr(column, name)
        st.session_state.setdefault(_key(column, name), list(value) if isinstance(value, tuple) else value)


def edited_column(column: Column, turns: tuple[tuple[str, str], ...] | None = None) -> Column:
    """The column with the values of its widgets; fields whose widgets were not drawn keep their values."""
    turns = column.filled.turns if turns is None else turns
    state = st.session_state
    found: dict[str, Any] = {name: state.get(_key(column, name)) for name in FIELD_NAMES}
    found = {name: getattr(column.filled, name) if value is None else value for name, value in found.items()}
    found["model"] = model_of_option(str(found["model"])) or DEFAULT_MODEL
    read: dict[str, Any] = {name: state.get(_key(column, name), getattr(column, name)) for name in READING_FIELDS}
    read |= {name: tuple(read[name] or ()) for name in ("layers", "heads")}
    return replace(column, filled=RunSettings(**found, turns=turns), **read)


def _model(column: Column) -> None:
    key = _key(column, "model")
    settle_models(key)
    options = list(CATALOGUE)
    if st.session_state[key] not in options:
        options.insert(0, st.session_state[key] or DEFAULT_MODEL)
    st.selectbox("Model", options, key=key, format_func=model_option, accept_new_options=True, help=TYPED)


def _settings(column: Column, policy: str, mode: str, raw: bool) -> tuple[tuple[str, str], ...]:
    """Draws the settings that seldom change; returns the earlier turns."""
    key = partial(_key, column)
    if mode != "Given answer":
        sampling_fields(key, st, st)
        stop_field(key)
    if raw:
        st.caption("Raw text has no system message and no turns.")
        return column.filled.turns
    if policy == OWN_SYSTEM:
        system_fields(key)
    thinking_field(key)
    return _turns(column)


def _turns(column: Column) -> tuple[tuple[str, str], ...]:
    """Draws and returns the earlier turns. Adding or removing one gives all of them new widget keys."""
    turns = column.filled.turns
    found = []
    for i, (role, text) in enumerate(turns):
        key = f"{_key(column, 'turn')}_{i}_{len(turns)}"
        now = st.selectbox(f"Turn {i + 1}", TURN_ROLES, index=int(role == "assistant"), key=f"{key}_role")
        said = st.text_area(f"Text of turn {i + 1}", text, key=f"{key}_text", height=68, label_visibility="collapsed")
        found.append((now, said))
    add, drop = st.columns(2)
    if add.button("Add an earlier turn", key=_key(column, "turn_add"), icon=":material/add:", type="tertiary"):
        found.append(("user" if len(found) % 2 == 0 else "assistant", ""))
        _again(column, tuple(found))
    if found and drop.button(
        "Remove the last", key=_key(column, "turn_drop"), icon=":material/close:", type="tertiary"
    ):
        _again(column, tuple(found[:-1]))
    return tuple(found)


def _again(column: Column, turns: tuple[tuple[str, str], ...]) -> None:
    update_column(edited_column(column, turns))
    st.rerun()


def _method(column: Column, layers: tuple[int, ...], heads: int, trace: Trace | None) -> None:
    key = _key(column, "method")
    names = dict.fromkeys([*readable_methods(trace), st.session_state[key]])  # what it has stays until it is changed
    st.selectbox("Method", names, key=key, format_func=lambda m: METHODS[m].label, help=about_methods(trace))
    if not METHODS[st.session_state[key]].picks:
        return
    for name, have, label in (("layers", layers, "Layers"), ("heads", tuple(range(heads)), "Heads")):
        picked = st.session_state[_key(column, name)] = list(st.session_state[_key(column, name)] or ())
        options = sorted({*have, *picked})  # what another model had stays until it is taken out
        st.multiselect(label, options, key=_key(column, name), placeholder=f"All {name}")
