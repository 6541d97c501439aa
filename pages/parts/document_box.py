"""Draws the documents that stand before a prompt: files and pasted passages, each with its name and a way to remove it.

Reading files is done by ``core.text.document_text``. Used by Explore and by every column of Compare; ``key`` turns the
name of a field into the key of its widget. Guarded by tests/pages/test_document_box.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st

from core.errors import HeedError
from core.text.document_text import DOCUMENT_TYPES, MOST_BYTES, Document, passage_of, read_document
from pages.parts.edited_list import EditedList, edited_list
from pages.parts.markdown_escape import escape_markdown
from pages.parts.server_log import log_refused_upload
from pages.parts.settings_fields import SettingKey

Documents = tuple[tuple[str, str], ...]
"""(name, text) of each."""
SHOWN = 2000
"""Characters of a document that its preview shows."""
ABOUT_DOCUMENTS = (
    "Files and passages that the model reads before your message. Each is a part of its own: Segment, below a run, "
    "says how much of each was read."
)


def document_button(key: SettingKey, documents: Sequence[tuple[str, str]], **kept: Any) -> None:
    """Draws the popover in which files and pasted passages are added."""
    rows = edited_list(key("documents_rows"), documents)
    state = st.session_state
    with st.popover("Add a document", icon=":material/note_add:", help=ABOUT_DOCUMENTS, type="tertiary"):
        uploads = key(f"document_files_{state.get(key('document_uploads'), 0)}")
        st.file_uploader(
            "Text, Markdown or PDF files",
            type=[kind[1:] for kind in DOCUMENT_TYPES],
            accept_multiple_files=True,
            key=uploads,
            max_upload_size=MOST_BYTES // 1_000_000,
            on_change=_take_files,
            args=(key, rows, uploads),
        )
        st.text_area("Or a passage", key=key("passage"), height=100, placeholder="Paste a passage", **kept)
        name = f"Passage {1 + sum(n.startswith('Passage ') for n, _ in rows.items)}"
        st.text_input("Its name", key=key("passage_name"), placeholder=name, max_chars=60, **kept)
        st.button("Add the passage", key=key("passage_add"), on_click=_take_passage, args=(key, rows, name))
        for told, failed in state.get(key("documents_told")) or ():
            (st.error if failed else st.info)(escape_markdown(told))


def documents_line(key: SettingKey, documents: Sequence[tuple[str, str]]) -> Documents:
    """Draws the documents in one line, each a popover with its text; returns them as they now are."""
    rows = edited_list(key("documents_rows"), documents)
    if rows.rows:
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=key("documents_line")):
            for number, (name, text) in rows.rows:
                label = f"{escape_markdown(name)} · {_words(text)}"
                with st.popover(label, icon=":material/description:", key=key(f"document_{number}")):
                    cut = f"\n… {len(text) - SHOWN:,} more characters" if len(text) > SHOWN else ""
                    st.text(text[:SHOWN] + cut)
                    drop: dict[str, Any] = {"icon": ":material/close:", "on_click": rows.drop, "args": (number,)}
                    st.button("Remove this document", key=key(f"document_drop_{number}"), **drop)
    return rows.settled()


def _words(text: str) -> str:
    count = len(text.split())
    return f"{count:,} word{'s' * (count != 1)}"


def _take_files(key: SettingKey, rows: EditedList, uploads: str) -> None:
    state = st.session_state
    files = state.get(uploads) or []
    state[key("document_uploads")] = state.get(key("document_uploads"), 0) + 1  # an empty uploader for the next ones
    _take(key, rows, [partial(read_document, file.name, file.getvalue()) for file in files])


def _take_passage(key: SettingKey, rows: EditedList, name: str) -> None:
    state = st.session_state
    given = state[key("passage_name")].strip() or name
    if _take(key, rows, [partial(passage_of, given, state[key("passage")])]):
        state.update({key("passage"): "", key("passage_name"): ""})


def _take(key: SettingKey, rows: EditedList, readers: Sequence[Callable[[], Document]]) -> bool:
    """Adds what the readers return; keeps notes and errors for the popover. True where all of it was read."""
    told: list[tuple[str, bool]] = []
    for read in readers:
        try:
            found = read()
        except HeedError as error:
            told.append((str(error), True))
            log_refused_upload("document", b"", error)
            continue
        rows.add((found.name, found.text))
        told += [(note, False) for note in found.notes]
    st.session_state[key("documents_told")] = told
    return not any(failed for _, failed in told)
