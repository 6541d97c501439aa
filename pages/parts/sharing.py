"""Says whose a run or study is, and shares a study with everybody who signs in; nothing where nobody does.

Guarded by tests/pages/test_sharing.py.
"""

from __future__ import annotations

from functools import partial

import streamlit as st

from core import people
from core.errors import HeedError
from core.people import Belonging
from pages.parts.markdown_escape import escape_markdown


def shared_words(one: Belonging | None) -> str:
    """Who shares it: "by you", "by NAME", "with all" for what belongs to the machine; empty where nobody does."""
    if one is None or not one.shared:
        return ""
    if one.mine_shared:
        return "by you"
    return f"by {one.by}" if one.by else "with all"


def sharing_line(kind: str, ident: str) -> bool:
    """Draws the switch that shares one's own, or whose it is; returns whether the viewer may change it."""
    if people.viewer() is None:
        return True
    one = people.belongings_of(kind).get(ident)
    if one is None or not one.own:
        who = escape_markdown(one.by) if one is not None and one.by else "Whoever runs this Heed"
        st.caption(f":material/group: {who} shares this: it can be read and rated, and used as a new plan.")
        return False
    key = f"share_{ident}"
    st.session_state[key] = one.mine_shared
    st.toggle("Shared with everybody who signs in", key=key, on_change=partial(_switch, kind, ident, key))
    problem = st.session_state.pop("share_problem", "")
    if problem:
        st.error(escape_markdown(problem))
    return True


def _switch(kind: str, ident: str, key: str) -> None:
    try:
        people.share_with_all(kind, ident, bool(st.session_state[key]))
    except HeedError as error:
        st.session_state.share_problem = str(error)
