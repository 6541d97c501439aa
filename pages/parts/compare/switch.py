"""The switch of views below the columns. To add a view: a function from ``Matched`` to ``Figure``, a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from core.errors import HeedError
from pages.parts.compare.matched import Matched
from pages.parts.compare.views.again import cross, following, knock, stability
from pages.parts.compare.views.answers import outputs
from pages.parts.compare.views.charts import agree, differ, heat
from pages.parts.compare.views.words import words
from pages.parts.text import escape
from pages.parts.views.figure import Figure


@dataclass(frozen=True)
class View:
    """One entry of the switch."""

    label: str
    draw: Callable[[Matched, bool], Figure]
    """(the columns, one colour scale for all) to what the downloads take."""
    table: bool = True
    """It has other numbers than the comparison itself."""


VIEWS = {
    "heatmaps": View("Heatmaps", heat, False),
    "difference": View("Difference", lambda all_of, _: differ(all_of), False),
    "words": View("Words", lambda all_of, _: words(all_of)),
    "agreement": View("Agreement", lambda all_of, _: agree(all_of)),
    "outputs": View("Outputs", lambda all_of, _: outputs(all_of)),
    "cross": View("Cross-scores", lambda all_of, _: cross(all_of)),
    "next": View("Next words", lambda all_of, _: following(all_of)),
    "stability": View("Stability", lambda all_of, _: stability(all_of)),
    "whatif": View("What if", lambda all_of, _: knock(all_of), False),
}


def view(all_of: Matched, shared: bool) -> tuple[Figure, bool]:
    """Draws the switch and the view that is picked: its figure, and whether it has numbers of its own."""
    state = st.session_state
    if state.get("compare_view") not in VIEWS:
        asked = st.query_params.get("view", "")
        state.compare_view = asked if asked in VIEWS else next(iter(VIEWS))
    name = st.segmented_control(
        "View",
        list(VIEWS),
        key="compare_view",
        required=True,
        format_func=lambda k: VIEWS[k].label,
        label_visibility="collapsed",
        persist_state="session",
    )
    try:
        return VIEWS[str(name)].draw(all_of, shared), VIEWS[str(name)].table
    except HeedError as error:
        st.warning(escape(str(error)), icon=":material/info:")
        return Figure(None, lambda: ""), False
