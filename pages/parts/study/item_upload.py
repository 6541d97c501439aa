"""Draws the upload of own items: mapping of columns, faulty lines, segments, instructions, preview.

The file is kept in the session, since ``st.file_uploader`` forgets it when the page is left. What a person changes
(columns, segments, instructions) belongs to that file and is kept with it. Guarded by tests/pages/test_study_upload.py.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import HeedError
from core.records import Item
from core.study.import_items import FACTOR, FIELDS, ImportedItems, columns_of, guess_mapping, read_items
from core.study.item_files import Example
from core.study.item_tables import hold_out_examples
from pages.parts.markdown_escape import escape_markdown
from pages.parts.server_log import log_refused_upload
from pages.parts.study import instruction_editor, segments_editor
from pages.parts.study.study_form import (
    ALL_ITEMS,
    KEPT_FIELDS,
    UploadedFile,
    field_key,
    get_field,
    opened_examples,
    opened_items,
)

TYPES = ["csv", "tsv", "jsonl", "json", "txt", "eval"]
ABOUT_UPLOAD = (
    "CSV or JSON lines with one item a line: a whole prompt, or instruction, context and question; where you have "
    "them, a right answer, instructions to verify, a given answer, a rating. The IFEval file and logs of inspect_ai "
    "(.eval: its answers are given answers) are read as they are."
)
FIELD_LABELS = {
    "id": "Name of the item",
    "task": "Task",
    "prompt": "Whole prompt",
    "instruction": "Instruction",
    "context": "Context",
    "question": "Question",
    "reference": "Right answer",
    "instructions": "Instructions to verify",
    "answer": "Given answer, to be scored",
    "rating": "Human rating",
}
PREVIEW = 5
TOLD = 20
"""Most faulty lines that are listed."""


@dataclass(frozen=True)
class OwnItems:
    """Items of a file or of an opened plan."""

    items: tuple[Item, ...] = ()
    examples: dict[str, tuple[Example, ...]] = field(default_factory=dict)
    problem: str = ""


def own_items() -> OwnItems:
    """Draws the upload box and everything below it; returns the items."""
    file: UploadedFile | None = st.session_state.get(field_key("file"))
    if file is None:
        return _opened()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/description: **{escape_markdown(file.name)}**", width="content")
        st.button("Another file", key=field_key("file_drop"), icon=":material/close:", type="tertiary", on_click=_drop)
    try:
        read = _read(file)
    except HeedError as error:
        log_refused_upload("items", file.data, error)
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return OwnItems(problem=f"{file.name} cannot be read yet: see the message at the file.")
    if not read.items:
        return OwnItems(problem=f"No line of {file.name} could be read: change the columns, or the file.")
    return _made(file, read)


def _opened() -> OwnItems:
    """Draws the upload box; returns the items of an opened plan until a file is uploaded."""
    number = st.session_state.get(field_key("uploads"), 0)
    st.file_uploader("A file of items", TYPES, key=field_key(f"upload_{number}"), on_change=_take, help=ABOUT_UPLOAD)
    found = opened_items()
    if not found:
        st.caption(ABOUT_UPLOAD)
        return OwnItems(problem="There is no item yet: upload a file, or pick built-in tasks.")
    st.caption(f"{len(found):,} items of the opened plan. A file takes their place.")
    _preview(found)
    return OwnItems(tuple(found), opened_examples())


def _take() -> None:
    state: Any = st.session_state
    number = state.get(field_key("uploads"), 0)
    file = state[field_key(f"upload_{number}")]
    if file is not None:
        state[field_key("file")] = UploadedFile(file.name, file.getvalue(), uuid.uuid4().hex[:8])
        state[field_key("uploads")] = number + 1


def _drop() -> None:
    st.session_state[field_key("file")] = None


@st.cache_data(max_entries=16, show_spinner=False)
def _columns(data: bytes) -> list[str]:
    return columns_of(data)


@st.cache_data(max_entries=16, show_spinner=False)
def _items(data: bytes, mapping: tuple[tuple[str, str], ...] | None) -> ImportedItems:
    return read_items(data, mapping=None if mapping is None else dict(mapping))


def _read(file: UploadedFile) -> ImportedItems:
    """Draws the column mapping and reads the file with it. Raises PromptError."""
    first = _items(file.data, None) if _guessable(file.data) else None
    if first is not None and first.kind in ("ifeval", "eval"):
        _faults(first)
        return first
    mapping = _mapping(file, _columns(file.data))
    read = _items(file.data, tuple(mapping.items()))
    _faults(read)
    return read


def _guessable(data: bytes) -> bool:
    """False where the file cannot be read with guessed columns, so that they have to be mapped by hand."""
    try:
        _items(data, None)
    except HeedError:
        if not _columns(data):
            raise
        return False
    return True


def _mapping(file: UploadedFile, columns: Sequence[str]) -> dict[str, str]:
    """Draws the select boxes of the mapping, which start with a guess; returns {field: column}."""
    guess = guess_mapping(columns)
    named = [f"{FIELD_LABELS[f].lower()} ← {guess[f]}" for f in FIELDS if f in guess]
    lost = not any(f in guess for f in ("prompt", "instruction", "context", "question"))
    picked: dict[str, str] = {}
    state = st.session_state
    label = f"Columns: {escape_markdown(', '.join(named)) or 'none known'}"
    with st.expander(label, icon=":material/view_column:", expanded=lost):
        places = st.columns(2)
        for number, name in enumerate(FIELDS):
            widget = field_key(f"map_{name}_{file.token}")
            state.setdefault(widget, guess.get(name))
            place = places[number % 2]
            column = place.selectbox(
                FIELD_LABELS[name], list(columns), key=widget, placeholder="no column", **KEPT_FIELDS
            )
            if column:
                picked[name] = column
        widget = field_key(f"map_factors_{file.token}")
        state.setdefault(widget, [c for c in columns if c.startswith(FACTOR)])
        rest = [c for c in columns if c not in picked.values()]
        state[widget] = [c for c in state[widget] if c in rest]
        about = "Columns to compare by in the tables, e.g. difficulty or topic."
        factors = st.multiselect("Factors", rest, key=widget, placeholder="none", help=about, **KEPT_FIELDS)
    return picked | {c if c.startswith(FACTOR) else FACTOR + c: c for c in factors}


def _faults(read: ImportedItems) -> None:
    if not read.errors:
        return
    count = len(read.errors)
    with st.expander(f"{count:,} {'line is' if count == 1 else 'lines are'} left out", icon=":material/warning:"):
        for error in read.errors[:TOLD]:
            st.caption(escape_markdown(error))
        if count > TOLD:
            st.caption(f"and {count - TOLD:,} more.")


def _made(file: UploadedFile, read: ImportedItems) -> OwnItems:
    """Draws the editors and the preview; returns the items with confirmed segments, and held-out examples."""
    token = f"{file.token}{_digest(read)}"
    items = segments_editor.confirmed_segments(read.items, token)
    items = instruction_editor.confirmed_instructions(items, token)
    solved = [i for i in items if i.reference and (i.segments.get("context") or i.segments.get("question"))]
    first, second = st.columns(2)
    first.number_input("Only the first items (0: all)", 0, 1_000_000, key=field_key("limit"), **KEPT_FIELDS)
    shots = 0
    if len(solved) > 3:
        about = "The first items with a right answer become solved examples for few-shot, and are not asked themselves."
        shots = int(
            second.number_input("Hold out as examples", 0, 3, key=field_key("shots"), help=about, **KEPT_FIELDS)
        )
    examples, items = hold_out_examples(items, shots)
    limit = int(get_field("limit"))
    items = items[:limit] if limit != ALL_ITEMS else items
    st.caption(f"{len(items):,} items.")
    _preview(items)
    return OwnItems(items, examples, "" if items else "No item is left: hold out fewer examples.")


def _digest(read: ImportedItems) -> str:
    """A hash of the items, since edits belong to the items that they were made on."""
    return hashlib.sha256(repr(read.items).encode()).hexdigest()[:8]


def _preview(items: Sequence[Item]) -> None:
    """Draws a table of the first items."""
    first = items[:PREVIEW]
    rows = [
        {
            "Item": i.id,
            "Task": i.task,
            **({"Prompt": i.prompt} if i.prompt else {}),
            **{name.capitalize(): text for name, text in i.segments.items()},
            "Right answer": " / ".join(i.reference),
            "To verify": ", ".join(instruction_editor.kind_words(t.id) for t in i.instructions),
            **dict(i.factors),
        }
        for i in first
    ]
    frame = pd.DataFrame(rows)
    frame = frame[[c for c in frame if frame[c].astype(str).str.strip().any()]]
    st.dataframe(frame, hide_index=True, key=field_key("preview"))
