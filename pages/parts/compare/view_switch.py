"""The switch between the views below the columns of Compare.

To add a view, write a function from ``MatchedColumns`` to ``ViewFigure`` and add a line to ``COMPARE_VIEWS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from core.errors import HeedError
from pages.parts.compare.matched_columns import MatchedColumns
from pages.parts.compare.views.chart_views import agreement_view, difference_view, heatmaps_view
from pages.parts.compare.views.model_views import column_stability, cross_scores_view, knock_out_view, next_tokens_view
from pages.parts.compare.views.outputs_view import outputs_view
from pages.parts.compare.views.words_view import words_view
from pages.parts.markdown_escape import escape_markdown
from pages.parts.views.view_figure import ViewFigure


@dataclass(frozen=True)
class CompareView:
    """One view of the switch."""

    label: str
    draw: Callable[[MatchedColumns, bool], ViewFigure]
    """Takes the columns and whether they share a colour scale; returns the figure for the downloads."""
    table: bool = True
    """The view has other numbers than the comparison itself."""


COMPARE_VIEWS = {
    "heatmaps": CompareView("Heatmaps", heatmaps_view, False),
    "difference": CompareView("Difference", lambda all_of, _: difference_view(all_of), False),
    "words": CompareView("Words", lambda all_of, _: words_view(all_of)),
    "agreement": CompareView("Agreement", lambda all_of, _: agreement_view(all_of)),
    "outputs": CompareView("Outputs", lambda all_of, _: outputs_view(all_of)),
    "cross": CompareView("Cross-scores", lambda all_of, _: cross_scores_view(all_of)),
    "next": CompareView("Next words", lambda all_of, _: next_tokens_view(all_of)),
    "stability": CompareView("Stability", lambda all_of, _: column_stability(all_of)),
    "whatif": CompareView("What if", lambda all_of, _: knock_out_view(all_of), False),
}


def compare_view(all_of: MatchedColumns, shared: bool) -> tuple[ViewFigure, bool]:
    """Draws the switch and the chosen view; returns its figure, and whether it has numbers of its own."""
    state = st.session_state
    if state.get("compare_view") not in COMPARE_VIEWS:
        asked = st.query_params.get("view", "")
        state.compare_view = asked if asked in COMPARE_VIEWS else next(iter(COMPARE_VIEWS))
    name = st.segmented_control(
        "View",
        list(COMPARE_VIEWS),
        key="compare_view",
        required=True,
        format_func=lambda k: COMPARE_VIEWS[k].label,
        label_visibility="collapsed",
        persist_state="session",
    )
    try:
        return COMPARE_VIEWS[str(name)].draw(all_of, shared), COMPARE_VIEWS[str(name)].table
    except HeedError as error:
        st.warning(escape_markdown(str(error)), icon=":material/info:")
        return ViewFigure(None, lambda: ""), False
