"""Draws the page Grid: prompts x models in one table, the form of a new one, and the earlier ones.

A grid is a small study and runs as one: its job goes on when the page is closed, and ``?grid=ID`` opens it anywhere
with the same HEED_HOME. Guarded by tests/pages/test_grid.py and tests/browser/test_grid.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.errors import HeedError
from core.study.grid import fields_of_grid
from core.study.study import StudyInfo, list_studies
from pages.parts.grid.grid_form import grid_form
from pages.parts.grid.grid_view import grid_view
from pages.parts.markdown_escape import escape_markdown


def grid_page() -> None:
    """Draws the page Grid."""
    st.title("Grid", anchor=False)
    st.caption("Many prompts on several models: every answer in one table, and each opens in Explore.")
    known = [k for k in list_studies() if k.grid]
    shown = _shown(known)
    with st.expander("New grid" if shown else "Prompts and models", icon=":material/edit_note:", expanded=not shown):
        made = grid_form()
    if made:
        st.query_params["grid"] = st.session_state.grid_filled = made
        st.rerun()
    if shown:
        try:
            grid_view(shown)
        except HeedError as error:
            st.error(escape_markdown(str(error)), icon=":material/error:")
    earlier = [k for k in known if k.id != shown]
    if earlier:
        with st.expander(f"Earlier grids: {len(earlier):,}", icon=":material/history:", expanded=not shown):
            for k in earlier:
                label = escape_markdown(f"{k.name} · {k.status.done:,} of {k.status.total:,} answers")
                st.page_link("pages/grid.py", label=label, query_params={"grid": k.id})


def _shown(known: Sequence[StudyInfo]) -> str:
    """The id of the open grid, else "": that of the address, or the one that this session had open."""
    state: Any = st.session_state
    asked = st.query_params.get("grid", "") or state.get("grid_shown", "")
    found = next((k.id for k in known if asked and k.id.startswith(asked)), "")
    if asked and not found:
        st.warning("That grid is not on this machine: it may have been deleted.", icon=":material/info:")
        st.query_params.clear()
    elif found:
        st.query_params["grid"] = found
        if state.get("grid_filled") != found:
            state.update({f"grid_{name}": value for name, value in fields_of_grid(found).items()}, grid_filled=found)
    state.grid_shown = found
    return found
