"""Draws proposed segments of items that are one whole prompt, for a person to correct and confirm.

Unconfirmed, such items can only be used in structures that wrap a whole prompt. Guarded by
tests/pages/test_study_upload.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.records import Item
from core.study.item_files import ITEM_PARTS
from core.study.item_tables import with_segments
from core.study.segment_guess import propose_segments
from pages.parts.study.kept_tables import edit_table
from pages.parts.study.study_form import KEPT_FIELDS, field_key

ABOUT_SEGMENTS = (
    "Read through the proposal and correct it. Structures that move a part (instruction last, delimiters …) need the "
    "parts; without them these items are asked as they are, step by step, or in a role."
)


def confirmed_segments(items: Sequence[Item], token: str) -> tuple[Item, ...]:
    """Draws the table; returns the items, with the confirmed segments where they had none."""
    whole = [i for i in items if not i.segments]
    if not whole:
        return tuple(items)
    many = len(whole) == len(items)
    about = "No item has named parts." if many else f"{len(whole):,} of {len(items):,} items have no named parts."
    st.caption(f"{about} Heed proposes where instruction, context and question stand.")
    on = st.toggle("Use parts as proposed below", key=field_key(f"parts_{token}"), help=ABOUT_SEGMENTS, **KEPT_FIELDS)
    if not on:
        return tuple(items)
    st.caption(ABOUT_SEGMENTS)
    table = edit_table(
        "parts",
        token,
        _proposal(tuple((i.id, i.prompt) for i in whole)),
        height=260,
        column_config={
            "use": st.column_config.CheckboxColumn("Use", width=50),
            "id": st.column_config.TextColumn("Item", disabled=True, width=90),
            **{name: st.column_config.TextColumn(name.capitalize(), width="medium") for name in ITEM_PARTS},
        },
    )
    return with_segments(items, table)


@st.cache_data(max_entries=8, show_spinner=False)
def _proposal(prompts: tuple[tuple[str, str], ...]) -> pd.DataFrame:
    rows = [
        {"use": True, "id": ident, **dict.fromkeys(ITEM_PARTS, ""), **propose_segments(text)} for ident, text in prompts
    ]
    return pd.DataFrame(rows, columns=["use", "id", *ITEM_PARTS])
