"""The forms of Compare: the question above all columns, and what one column changes of it.

Widgets start with a column's values and return what was typed. Their keys carry the column's ``uid`` (0: the question
above): a column changed from outside gets a new one, and so new widgets. What a column has in common with the question
follows it. Guarded by tests/pages/test_compare.py and tests/pages/test_compare_question.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.importance import METHODS
from core.models.catalogue import DEFAULT_MODEL, writing_models
from core.records import Trace
from core.run_settings import RUN_MODES, RunSettings
from core.study.column_labels import model_label
from core.text.segment_marks import parse_marks
from pages.parts.compare.columns import (
    LETTERS,
    OWN_SYSTEM,
    SHARED,
    Column,
    column_difference,
    column_summary,
    copy_right,
    current_columns,
    put_columns,
    question,
    remove_column,
    system_rule,
    update_column,
)
from pages.parts.conversation import Turns, add_turn_button, turns_editor, typed_turns
from pages.parts.document_box import Documents, document_button, documents_line
from pages.parts.edited_list import edited_list
from pages.parts.markdown_escape import escape_markdown
from pages.parts.model_picker import TYPED, model_of_option, model_option, settle_models
from pages.parts.run_cache import about_methods, readable_methods
from pages.parts.run_form import ABOUT_MARKS
from pages.parts.settings_fields import (
    answer_field,
    author_fields,
    sampling_fields,
    steering_fields,
    stop_field,
    system_fields,
    thinking_field,
)

LISTS = ("turns", "documents")
"""Settings that are lists, and have rows of widgets of their own."""
FIELD_NAMES = tuple(f.name for f in fields(RunSettings) if f.name not in (*LISTS, "steering", "steered_texts"))
TYPED_TEXT: dict[str, Any] = {"persist_state": "session"}
"""For texts: one that was typed just before the page was left was not drawn, and so not taken into its column yet."""
READING_FIELDS = ("method", "layers", "heads")
Shape = tuple[tuple[int, ...], int]
"""Layers with attention and number of heads of a column's model, as ``model_shape`` returns them."""


def column_header(column: Column, letter: str, trace: Trace | None) -> None:
    """Draws the column's letter and model, with the buttons Copy and Remove."""
    name = column.title or (trace.model.label if trace is not None else model_label(column.filled.model))
    st.markdown(f"**{letter} · {escape_markdown(name)}**")
    if column.title:
        return
    count = len(current_columns())
    with st.container(horizontal=True, gap="small"):
        if letter != LETTERS[-1]:
            about = "Overwrite the next column with a copy" if count == 4 else "Start the next column from this one"
            copy = "Copy to the right" if count < 3 else "Copy"
            _button(copy, "content_copy", about, _copy_right, f"copy_right_{column.uid}", column.uid)
        if count > 1:
            _button("Remove", "close", f"Remove column {letter}", remove_column, f"remove_{column.uid}", column.uid)


def _copy_right(uid: int) -> None:
    take_typed()
    copy_right(uid)


def take_typed() -> None:
    """Takes over what was typed since the columns were drawn; for a callback that makes other columns of them."""
    before, now = question(), _typed(question())
    if now != before:
        st.session_state.compare_question = now
        put_columns([_followed(c, before, now) for c in current_columns()])
    put_columns([_typed(c) for c in current_columns()])


def _typed(column: Column) -> Column:
    key, filled = partial(_key, column), column.filled
    documents = edited_list(key("documents_rows"), filled.documents).items
    return edited_column(column, turns=typed_turns(key, filled.turns), documents=documents)


def _button(text: str, icon: str, about: str, act: Callable[[int], None], key: str, uid: int) -> None:
    sign = f":material/{icon}:" if len(current_columns()) < 3 else None
    st.button(text, key=key, help=about, icon=sign, type="tertiary", on_click=act, args=(uid,))


def question_editor(row: DeltaGenerator, shape: Shape, system_control: Callable[[], None]) -> Column:
    """Draws the question above the columns, its settings folded into ``row``; columns follow what is changed in it."""
    column = question()
    _prepare(column)
    lists = _messages(column, "The prompt of every column", placeholder="Write what the models should read")
    about = f"Every column: {column_summary(edited_column(column, **lists))}"
    with row.popover("Settings", icon=":material/tune:", help=about):
        _mode(column)
        _settings(column)
        system_control()
        _method(column, shape, None)
    with row:
        _adding(column, **lists)
    now = edited_column(column, **lists)
    if now != column:
        st.session_state.compare_question = now
        put_columns([_followed(c, column, now) for c in current_columns()])
    _rerun_for(column, now)
    return now


def _followed(column: Column, before: Column, now: Column) -> Column:
    """``column`` with what it had in common with the question ``before``, as it is ``now``."""
    state: Any = st.session_state
    old, new, own = before.filled, now.filled, column.filled
    for name in [n for n in FIELD_NAMES if getattr(old, n) == getattr(own, n) != getattr(new, n)]:
        own = replace(own, **{name: getattr(new, name)})
        state[_key(column, name)] = "" if name == "prompt" else getattr(new, name)
    for name in [n for n in LISTS if getattr(old, n) == getattr(own, n) != getattr(new, n)]:
        own = replace(own, **{name: getattr(new, name)})
    for name in [n for n in READING_FIELDS if getattr(before, n) == getattr(column, n) != getattr(now, n)]:
        value = getattr(now, name)
        column = replace(column, **{name: value})
        state[_key(column, name)] = list(value) if isinstance(value, tuple) else value
    return replace(column, filled=own)


def column_editor(column: Column, shape: Shape, trace: Trace | None = None) -> Column:
    """Draws what the column changes and returns the edited column.

    ``trace``: its run, which decides what methods are offered.
    """
    _prepare(column)
    about = escape_markdown(column_difference(edited_column(column), question()))
    with st.expander(f"Edit · {about}", expanded=column.open, icon=":material/edit:", key=f"edit_{column.uid}"):
        model_field(column)
        lists = _messages(column, "Its own prompt", placeholder="As above")
        with st.container(horizontal=True, gap="small"):
            _adding(column, **lists)
        with st.popover("Settings", icon=":material/tune:", width="stretch"):
            _mode(column)
            _settings(column)
        _method(column, shape, trace)
    now = edited_column(column, **lists)
    if now != column:
        update_column(now)
    _rerun_for(column, now)
    return now


def _rerun_for(before: Column, now: Column) -> None:
    """Draws the page again where a list got longer or shorter, which the line above the editor tells."""
    if any(len(getattr(before.filled, name)) != len(getattr(now.filled, name)) for name in LISTS):
        st.rerun()


def _key(column: Column, name: str) -> str:
    return f"c{column.uid}_{name}"


def _prepare(column: Column) -> None:
    """Gives the column's values to widgets that have no session state (Streamlit drops it when they are not drawn)."""
    shared = column.uid != 0 and column.filled.prompt == question().filled.prompt
    st.session_state.setdefault(_key(column, "prompt"), "" if shared else column.filled.prompt)
    for name in FIELD_NAMES:
        st.session_state.setdefault(_key(column, name), getattr(column.filled, name))
    for name in READING_FIELDS:
        value = getattr(column, name)
        st.session_state.setdefault(_key(column, name), list(value) if isinstance(value, tuple) else value)


def edited_column(column: Column, **lists: Any) -> Column:
    """The column with the values of its widgets; fields whose widgets were not drawn keep their values."""
    state = st.session_state
    found: dict[str, Any] = {name: state.get(_key(column, name)) for name in FIELD_NAMES}
    found = {name: getattr(column.filled, name) if value is None else value for name, value in found.items()}
    found["model"] = model_of_option(str(found["model"])) or DEFAULT_MODEL
    if column.uid:
        found["prompt"] = found["prompt"] or question().filled.prompt
    read: dict[str, Any] = {name: state.get(_key(column, name), getattr(column, name)) for name in READING_FIELDS}
    read |= {name: tuple(read[name] or ()) for name in ("layers", "heads")}
    exact = () if found["part"] and found["factor"] != 1 else column.filled.steering
    kept: dict[str, Any] = {name: lists.get(name, getattr(column.filled, name)) for name in LISTS} | {
        "steering": exact,
        "steered_texts": column.filled.steered_texts if exact else (),
    }
    return replace(column, filled=RunSettings(**found, **kept), **read)


def _is_raw(column: Column) -> bool:
    mode = st.session_state[_key(column, "mode")]
    return mode == "Raw" or (mode == "Given answer" and column.filled.raw_given)


def _mode(column: Column) -> None:
    st.segmented_control("Prompt as", RUN_MODES, key=_key(column, "mode"), required=True, width="stretch")


def _messages(column: Column, label: str, placeholder: str) -> dict[str, Any]:
    """Draws the earlier turns, the documents and the prompt; returns {name: value} of the lists among them."""
    key, filled = partial(_key, column), column.filled
    policy, text = system_rule()
    if filled.turns and not _is_raw(column) and not column.uid and policy == SHARED and text.strip():
        st.caption(f"System (in Settings): {escape_markdown(text)}")
    turns = filled.turns if _is_raw(column) else turns_editor(key, filled.turns, **TYPED_TEXT)
    documents = documents_line(key, filled.documents)
    _prompt_field(column, label, placeholder)
    return {"turns": turns, "documents": documents}


def _adding(column: Column, turns: Turns, documents: Documents) -> None:
    """Draws the buttons that add to the column's prompt; both lists are those that were just drawn."""
    if not _is_raw(column):
        add_turn_button(partial(_key, column), turns)
    document_button(partial(_key, column), documents)


def _prompt_field(column: Column, label: str, placeholder: str) -> None:
    """Draws the prompt, and the answer where one is given."""
    label += ", raw text" if _is_raw(column) else ""
    more: dict[str, Any] = {"height": "content" if column.uid else 80, "placeholder": placeholder} | TYPED_TEXT
    st.text_area(label, key=_key(column, "prompt"), help=ABOUT_MARKS, **more)
    if st.session_state[_key(column, "mode")] == "Given answer":
        answer_field(partial(_key, column), **TYPED_TEXT)
        author_fields(partial(_key, column), "of this column")


def model_field(column: Column) -> None:
    """Draws the choice of the column's model."""
    key = _key(column, "model")
    settle_models(key)
    options = writing_models()
    if st.session_state[key] not in options:
        options.insert(0, st.session_state[key] or DEFAULT_MODEL)
    st.selectbox("Model", options, key=key, format_func=model_option, accept_new_options=True, help=TYPED)


def _settings(column: Column) -> None:
    """Draws the settings that seldom change."""
    key = partial(_key, column)
    if st.session_state[key("mode")] != "Given answer":
        sampling_fields(key, st, st)
        stop_field(key)
    steering_fields(key, _parts(column))
    if _is_raw(column):
        st.caption("Raw text has no system message and no turns.")
        return
    if column.uid and system_rule()[0] == OWN_SYSTEM:
        system_fields(key)
    thinking_field(key)


def _parts(column: Column) -> list[str]:
    """The named parts of the column's prompt."""
    prompt = st.session_state[_key(column, "prompt")] or question().filled.prompt
    names = [name for s in parse_marks(prompt)[1] for name in (s.name, s.label) if name]
    return list(dict.fromkeys([*names, *(name for name, _ in column.filled.documents)]))


def _method(column: Column, shape: Shape, trace: Trace | None) -> None:
    key = _key(column, "method")
    names = dict.fromkeys([*readable_methods(trace), st.session_state[key]])  # what it has stays until it is changed
    st.selectbox("Method", names, key=key, format_func=lambda m: METHODS[m].label, help=about_methods(trace))
    if not METHODS[st.session_state[key]].picks:
        return
    layers, heads = shape
    for name, have, label in (("layers", layers, "Layers"), ("heads", tuple(range(heads)), "Heads")):
        picked = st.session_state[_key(column, name)] = list(st.session_state[_key(column, name)] or ())
        options = sorted({*have, *picked})  # what another model had stays until it is taken out
        st.multiselect(label, options, key=_key(column, name), placeholder=f"All {name}")
