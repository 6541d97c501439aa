"""The editable table of verifiable instructions: those of the uploaded file, and those detected in its texts.

Only unambiguous patterns are detected. The words that ask for an instruction must stand in the prompt: they are the
span whose importance is measured. Guarded by tests/pages/test_study_upload.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from core.records import Item
from core.study.import_items import detected_instructions
from core.study.item_tables import with_instructions
from core.study.quality.instructions import INSTRUCTIONS
from pages.parts.markdown_escape import escape_markdown
from pages.parts.study.kept_tables import edit_table
from pages.parts.study.study_form import KEPT_FIELDS, field_key

ABOUT_INSTRUCTIONS = (
    "Each line is one instruction that an answer can be checked against. Change, add or delete lines; the words must "
    "stand in the item, or be empty, then they are looked for."
)
EDITOR_COLUMNS = ["item", "kind", "settings", "words"]
TOLD = 8


def confirmed_instructions(items: Sequence[Item], token: str) -> tuple[Item, ...]:
    """Draws the table; returns the items with the instructions in it."""
    given = sum(len(i.instructions) for i in items)
    token += "s" if any(i.segments for i in items) else "w"
    frame = _table(tuple(items), token)
    with st.expander(f"Instructions to verify: {len(frame):,}", icon=":material/rule:"):
        found = len(frame) - given
        st.caption(f"{given:,} came with the file, {found:,} were recognised in the texts. {ABOUT_INSTRUCTIONS}")
        on = st.toggle("Verify these", True, key=field_key(f"told_{token}"), **KEPT_FIELDS)
        if not on:
            return tuple(replace(i, instructions=()) for i in items)
        now = edit_table(
            "told",
            token,
            frame,
            num_rows="dynamic",
            height=240,
            column_config={
                "item": st.column_config.SelectboxColumn("Item", options=[i.id for i in items], required=True),
                "kind": st.column_config.SelectboxColumn(
                    "Instruction", options=list(INSTRUCTIONS), required=True, format_func=kind_words, width="medium"
                ),
                "settings": st.column_config.TextColumn("Settings", help='JSON, e.g. {"count": 3}'),
                "words": st.column_config.TextColumn("Words that ask for it", width="large"),
            },
        )
        made, problems = with_instructions(items, now)
        for problem in problems[:TOLD]:
            st.warning(escape_markdown(problem), icon=":material/info:")
        if len(problems) > TOLD:
            st.caption(f"and {len(problems) - TOLD:,} more.")
    return made


@st.cache_data(max_entries=8, show_spinner=False)
def _table(_items: tuple[Item, ...], token: str) -> pd.DataFrame:
    """One row for each instruction: the file's own, and for items without any those that are detected."""
    rows = []
    for item in _items:
        for told in item.instructions or detected_instructions(item):
            rows.append(
                {"item": item.id, "kind": told.id, "settings": json.dumps(dict(told.kwargs)), "words": told.text}
            )
    return pd.DataFrame(rows, columns=EDITOR_COLUMNS)


def kind_words(ident: Any) -> str:
    """The label of a kind of instruction, with "(IFEval)" where Heed has a check of the same label."""
    label = INSTRUCTIONS[ident].label
    twice = sum(check.label == label for check in INSTRUCTIONS.values()) > 1
    return f"{label} (IFEval)" if twice and not ident.startswith("heed:") else label
