"""An editable table that keeps its edits while it is not drawn.

``st.data_editor`` stores only the changes to the table it was given, and forgets them when it is not drawn. So its last
input and the edited result are both kept, and the result becomes the input when the editor is drawn again.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.parts.study.study_form import field_key


def edit_table(name: str, token: str, frame: pd.DataFrame, **options: Any) -> pd.DataFrame:
    """Draws ``frame`` in an editor and returns the edited table. Another ``token`` drops earlier edits."""
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
