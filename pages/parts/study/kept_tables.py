"""A table that can be edited, and keeps its edits when it is not drawn for a while.

Streamlit's editor keeps only what was changed against the table it was given, and forgets that when it is not drawn.
So the table that was given last is kept beside what came of it, and the latter is given when the editor comes back.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.parts.study.study_form import field_key


def edit_table(name: str, token: str, frame: pd.DataFrame, **options: Any) -> pd.DataFrame:
    """Draws ``frame`` to be edited; what it is now. Another ``token`` begins anew."""
    state: Any = st.session_state
    place, widget = field_key(f"table_{name}"), field_key(f"edit_{name}_{token}")
    held = state.get(place)
    if held is None or held[0] != token:
        held = (token, frame, frame)
    elif widget not in state:
        held = (token, held[2], held[2])
    now = st.data_editor(held[1], key=widget, hide_index=True, width="stretch", **options)
    state[place] = (token, held[1], now)
    return now


def kept_edits(name: str, token: str) -> pd.DataFrame | None:
    """What was edited, where the table is not drawn now."""
    held = st.session_state.get(field_key(f"table_{name}"))
    return held[2] if held is not None and held[0] == token else None
