"""Views of Compare that run a model: answers under other prompts, next tokens, stability, knock-outs."""

from __future__ import annotations

import streamlit as st

from core.importance import METHODS
from core.runs import Draft
from pages.parts.compare.column_state import apply_system_rule
from pages.parts.compare.matched_columns import MatchedColumns
from pages.parts.compare.pair_views import cross_view, next_words_view
from pages.parts.compare.presets import system_rule
from pages.parts.compare.stability_view import stability_view
from pages.parts.compare.views.column_picker import pick_column
from pages.parts.reading_controls import Choices
from pages.parts.views.view_figure import ViewFigure
from pages.parts.whatif import what_if


def column_stability(all_of: MatchedColumns) -> ViewFigure:
    """Draws how stable one column's attention is under small edits of its prompt, or over seeds."""
    run = pick_column(all_of, "compare_stable")
    drawn = all_of.drawn[run]
    if not METHODS[drawn.seen.column.method].from_run:
        st.info("Stability reads many runs, each by its attention rows alone: choose another method in this column.")
        return ViewFigure(None, lambda: "")
    return stability_view(
        drawn.seen.asked.draft(),
        drawn.trace,
        method=drawn.seen.column.method,
        layers=drawn.reading["layers"],
        heads=drawn.reading["heads"],
        level=drawn.words.columns.granularity,
        name=drawn.seen.letter,
        key=f"stability_{drawn.seen.column.uid}",
    )


def cross_scores_view(all_of: MatchedColumns) -> ViewFigure:
    """Draws the log-probability of each answer under each prompt."""
    return cross_view(_drafts(all_of), all_of.traces, all_of.names, key="compare_cross")


def next_tokens_view(all_of: MatchedColumns) -> ViewFigure:
    """Draws the likeliest next tokens of each prompt."""
    return next_words_view(_drafts(all_of), all_of.names, key="compare_next")


def _drafts(all_of: MatchedColumns) -> list[Draft]:
    """Each column's own draft, also while the column scores another one's answer."""
    return [apply_system_rule(d.seen.column.filled, *system_rule()).draft() for d in all_of.drawn]


def knock_out_view(all_of: MatchedColumns) -> ViewFigure:
    """Draws what each column's answer loses when words of its prompt are knocked out; two columns side by side."""
    places = st.columns(len(all_of.drawn), gap="medium") if len(all_of.drawn) < 3 else None
    shown = range(len(all_of.drawn)) if places else [pick_column(all_of, "compare_knocked")]
    for at, run in enumerate(shown):
        drawn = all_of.drawn[run]
        level = drawn.words.columns.granularity
        picked = (drawn.reading["layers"], drawn.reading["heads"])
        chosen = Choices(drawn.seen.column.method, *picked, "separate", level, 1.0)
        with places[at] if places else st.container():
            st.markdown(f"**{drawn.seen.letter}**")
            what_if(drawn.trace, chosen, f"whatif_{drawn.seen.column.uid}")
    return ViewFigure(None, lambda: "")
