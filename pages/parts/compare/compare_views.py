"""The views below the columns of Compare, and the switch between them.

To add a view, write a function from ``MatchedColumns`` to ``ViewFigure`` and add a line to ``COMPARE_VIEWS``.
Guarded by tests/pages/test_compare.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from core import store
from core.charts.agreement_dots import agreement_chart, agreement_rows
from core.charts.aligned_heatmaps import heatmaps
from core.charts.word_differences import difference_chart, gained_lost_chart
from core.comparing import rank_changes, tidy_comparison
from core.comparing.comparison_summary import totals_sentence
from core.comparing.comparison_tables import comparison_facts, titled_changes
from core.errors import HeedError
from core.trust.league_files import load_league
from core.trust.verdicts import verdict
from pages.parts.compare.answer_views import cross_view, next_words_view, outputs_view
from pages.parts.compare.column_texts import mark_unit, marked_unit
from pages.parts.compare.columns import column_draft
from pages.parts.compare.matched_columns import MatchedColumns, Name, pick_column, pick_pair
from pages.parts.compare.stability_view import column_stability
from pages.parts.frame import is_phone
from pages.parts.markdown_escape import escape_markdown
from pages.parts.reading_controls import Choices
from pages.parts.trust.verdict_line import show_verdict
from pages.parts.views.view_figure import NO_FIGURE, ViewFigure, draw_chart
from pages.parts.whatif import what_if

ABOUT_SCALE = "On: full shade is the same share in every column. Off: full shade is each column's strongest word."
ONE_ROW = (
    "One row: the mean over each whole answer, since the answers differ. Switch on “Same answer in both” above to see "
    "the difference word by word of the answer."
)
NOT_FAITHFUL = (
    "Agreement is not faithfulness: two columns may agree and both say little of what made the answer. Texts are read "
    "from left to right and long words are cut into more tokens, so each value stands beside what a word's place "
    "alone, and its number of tokens alone, would give."
)


def heatmaps_view(all_of: MatchedColumns, shared: bool) -> ViewFigure:
    """Draws all columns as heatmaps over the same words."""
    same = len({d.share for d in all_of.drawn}) == 1
    arrange = "stacked" if is_phone() else "auto"
    chart = _heat(all_of.name, shared and same, tuple(all_of.names), marked_unit(all_of), arrange, _all_of=all_of)
    _draw(all_of, chart, "compare_heat")
    if shared and not same:
        st.caption("Shares and scores cannot have one colour scale: each column has its own here.")
    show_verdict(_verdicts(all_of))
    return ViewFigure(chart, lambda: comparison_csv(all_of))


def _verdicts(all_of: MatchedColumns) -> str:
    """What is known of the method of each column on its model, each said once."""
    said: dict[str, list[str]] = {}
    for drawn in all_of.drawn:
        found = verdict(load_league(drawn.trace.request.model.fingerprint), drawn.seen.column.method)
        said.setdefault(found, []).append(drawn.seen.letter)
    return " ".join(f"{', '.join(letters)}: {found}" for found, letters in said.items())


@st.cache_resource(max_entries=12, show_spinner=False)
def _heat(
    name: Name, shared: bool, names: tuple[str, ...], unit: int | None, arrange: Any, _all_of: MatchedColumns
) -> dict[str, Any]:
    """The chart as a dict, so that a rerun draws it without building and validating it again."""
    picked = () if unit is None else (unit,)
    more: dict[str, Any] = {"names": names, "shared": shared, "arrange": arrange, "picked": picked, "select": "word"}
    chart = heatmaps(_all_of.traces, _all_of.steps, _all_of.comparison, **more)
    spec: dict[str, Any] = chart.to_dict(validate=False)
    if not shared:  # one legend for each column, stacked
        below = {"layout": {"bottom": {"anchor": "start", "direction": "vertical", "margin": 4}}}
        spec["config"] = (spec.get("config") or {}) | {"legend": below}
    return spec


def difference_view(all_of: MatchedColumns, _: bool) -> ViewFigure:
    """Draws how much more of each word the second column read than the first."""
    pair = pick_pair(all_of)
    if pair is None:
        return NO_FIGURE
    found = all_of.cells()
    st.caption(ONE_ROW if found is None else "Each cell: a word of the answer, which is the same in both columns.")
    _totals(all_of, pair)
    names = tuple(all_of.names)
    chart = _difference(all_of.name, pair, names, found is not None, marked_unit(all_of), _all_of=all_of)
    _draw(all_of, chart, "compare_difference")
    st.caption("Differences are differences in direct reading; words that only one of the two has stay empty.")
    return ViewFigure(chart, lambda: comparison_csv(all_of))


@st.cache_resource(max_entries=12, show_spinner=False)
def _difference(
    name: Name, pair: tuple[int, int], names: tuple[str, ...], cells: bool, unit: int | None, _all_of: MatchedColumns
) -> dict[str, Any]:
    found = _all_of.cells() if cells else None
    picked = () if unit is None else (unit,)
    chart = difference_chart(_all_of.comparison, *pair, names, found, picked=picked, select="word")
    return chart.to_dict(validate=False)


def _totals(all_of: MatchedColumns, pair: tuple[int, int]) -> None:
    """Draws a warning where one column's words got far more attention in all."""
    shares = all(all_of.drawn[i].share for i in pair)
    if shares and (apart := totals_sentence(all_of.comparison, pair, all_of.letters)):
        st.caption(f":material/info: {apart}")


def _draw(all_of: MatchedColumns, chart: Any, key: str) -> None:
    """Draws a chart in which a click on a word marks it in all columns."""

    def clicked() -> None:
        cells = st.session_state[key]["selection"].get("word") or []
        if cells and cells[0].get("unit") is not None:
            mark_unit(all_of, int(cells[0]["unit"]))

    draw_chart(chart, key, on_select=clicked, selection_mode="word")


def words_view(all_of: MatchedColumns, _: bool) -> ViewFigure:
    """Draws which words gained or lost attention between two columns, as a chart and a ranked table."""
    pair = pick_pair(all_of)
    if pair is None:
        return NO_FIGURE
    a, b = (all_of.letters[i] for i in pair)
    _totals(all_of, pair)
    chart = gained_lost_chart(all_of.comparison, *pair, all_of.names)
    draw_chart(chart, "compare_gained")
    table = rank_changes(all_of.comparison, *pair)
    st.caption(
        f"Every word, the one that {b} read most more than {a} first. Words that only one of the two has stand at the "
        "end: they have no difference."
    )
    share = all(all_of.drawn[i].share for i in pair)
    number = st.column_config.NumberColumn
    formats = {f"Share in {letter}": number(format="%.2f %%" if share else "%.4f") for letter in (a, b)}
    about = "1 is what reading every readable token equally would give"
    formats |= {f"× uniform in {letter}": number(format="%.2f", help=about) for letter in (a, b)}
    points = "%+.2f points" if share else "%+.4f"
    formats["Difference"] = number(format=points, help=f"Share in {b} less share in {a}")
    unit = marked_unit(all_of)
    if unit is not None and (at := np.flatnonzero(table["unit"] == unit)).size:
        st.caption(f"The marked word stands in row {int(at[0]) + 1}.")
    shown = titled_changes(table, a, b, 100 if share else 1)
    st.dataframe(shown, hide_index=True, height=min(420, 38 + 35 * max(len(shown), 1)), column_config=formats)

    def csv() -> str:
        facts = comparison_facts(all_of.comparison, all_of.names, f"words gained and lost, {b} less {a}")
        return store.tidy_csv(facts, tuple(table.columns), table.itertuples(index=False))

    return ViewFigure(chart, csv)


def agreement_view(all_of: MatchedColumns, _: bool) -> ViewFigure:
    """Draws how far the columns agree, beside the agreement that position or token counts alone would give."""
    if len(all_of.drawn) < 2:
        pick_pair(all_of)
        return NO_FIGURE
    st.caption(NOT_FAITHFUL)
    comparison = all_of.agreed()
    chart = agreement_chart(comparison, all_of.names)
    draw_chart(chart, "compare_agreement")
    st.dataframe(agreement_rows(comparison, all_of.letters), hide_index=True, width="stretch")

    def csv() -> str:
        names = ("a", "b", "measure", "value", "position", "pieces", "units", "why")
        lines = ([getattr(g, name) for name in names] for g in comparison.agreements)
        return store.tidy_csv(comparison_facts(comparison, all_of.names, "agreement"), names, lines)

    return ViewFigure(chart, csv)


def comparison_csv(all_of: MatchedColumns) -> str:
    """Every number of the comparison as CSV in long form."""
    import pandas as pd

    frame = tidy_comparison(all_of.comparison)
    lines = (["" if value is pd.NA else value for value in line] for line in frame.itertuples(index=False))
    facts = comparison_facts(all_of.comparison, all_of.names, "comparison")
    return store.tidy_csv(facts, tuple(frame.columns), lines)


def cross_scores_view(all_of: MatchedColumns, _: bool) -> ViewFigure:
    """Draws the log-probability of each answer under each prompt."""
    drafts = [column_draft(d.seen.column) for d in all_of.drawn]
    return cross_view(drafts, all_of.traces, all_of.names, key="compare_cross")


def next_tokens_view(all_of: MatchedColumns, _: bool) -> ViewFigure:
    """Draws the likeliest next tokens of each prompt."""
    return next_words_view([column_draft(d.seen.column) for d in all_of.drawn], all_of.names, key="compare_next")


def knock_out_view(all_of: MatchedColumns, _: bool) -> ViewFigure:
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
    return NO_FIGURE


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
    "difference": CompareView("Difference", difference_view, False),
    "words": CompareView("Words", words_view),
    "agreement": CompareView("Agreement", agreement_view),
    "outputs": CompareView("Outputs", outputs_view),
    "cross": CompareView("Cross-scores", cross_scores_view),
    "next": CompareView("Next words", next_tokens_view),
    "stability": CompareView("Stability", column_stability),
    "whatif": CompareView("What if", knock_out_view, False),
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
        return NO_FIGURE, False
