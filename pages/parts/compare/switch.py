"""The switch of views below the columns. To add a view: a function from ``Matched`` to ``Figure``, a line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from core.errors import HeedError
from pages.parts.compare.asked import Seen
from pages.parts.compare.matched import Matched
from pages.parts.compare.views.again import knock, stability
from pages.parts.compare.views.answers import outputs
from pages.parts.compare.views.charts import agree, differ, heat
from pages.parts.compare.views.words import words
from pages.parts.text import escape
from pages.parts.views.figure import Figure

NOTHING = Figure(None, lambda: "")
Draw = Callable[[Matched, Sequence[Seen], bool], Figure]
VIEWS: dict[str, tuple[str, Draw]] = {
    "heatmaps": ("Heatmaps", lambda all_of, seen, shared: heat(all_of, shared)),
    "difference": ("Difference", lambda all_of, seen, shared: differ(all_of)),
    "words": ("Words", lambda all_of, seen, shared: words(all_of)),
    "agreement": ("Agreement", lambda all_of, seen, shared: agree(all_of)),
    "outputs": ("Outputs", lambda all_of, seen, shared: outputs(all_of)),
    "stability": ("Stability", lambda all_of, seen, shared: stability(all_of)),
    "whatif": ("What if", lambda all_of, seen, shared: knock(all_of)),
}


def view(all_of: Matched, seen: Sequence[Seen], shared: bool) -> Figure:
    """Draws the switch and the view that is picked."""
    state = st.session_state
    if state.get("compare_view") not in VIEWS:
        asked = st.query_params.get("view", "")
        state.compare_view = asked if asked in VIEWS else next(iter(VIEWS))
    name = st.segmented_control(
        "View",
        list(VIEWS),
        key="compare_view",
        required=True,
        format_func=lambda k: VIEWS[k][0],
        label_visibility="collapsed",
        persist_state="session",
    )
    try:
        return VIEWS[str(name)][1](all_of, seen, shared)
    except HeedError as error:
        st.warning(escape(str(error)), icon=":material/info:")
        return NOTHING
