"""Views of Compare that draw one chart: aligned heatmaps, signed difference, agreement with its baselines."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core import store
from core.charts.agreement_dots import MEASURE_NAMES as MEASURES
from core.charts.agreement_dots import agreement_chart
from core.charts.aligned_heatmaps import heatmaps
from core.charts.text_labels import significant_digits
from core.charts.word_differences import difference_chart
from core.comparing import tidy_comparison
from core.trust.league_files import load_league
from core.trust.verdicts import verdict
from pages.parts.compare.column_texts import mark_unit, marked_unit
from pages.parts.compare.matched_columns import MatchedColumns, Name
from pages.parts.compare.views.column_picker import pick_pair, totals_sentence
from pages.parts.frame import is_phone
from pages.parts.trust.verdict_line import show_verdict
from pages.parts.views.view_figure import ViewFigure, draw_chart

SHOWN_COLUMNS = "compare_pair"
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
        told = verdict(load_league(drawn.trace.request.model.fingerprint), drawn.seen.column.method)
        said.setdefault(told, []).append(drawn.seen.letter)
    return " ".join(f"{', '.join(letters)}: {told}" for told, letters in said.items())


@st.cache_resource(max_entries=12, show_spinner=False)
def _heat(
    name: Name, shared: bool, names: tuple[str, ...], unit: int | None, arrange: Any, _all_of: MatchedColumns
) -> dict[str, Any]:
    """The chart as a dict, so that a rerun draws it without building and validating it again."""
    picked = () if unit is None else (unit,)
    of = _all_of.comparison
    chart = heatmaps(
        _all_of.traces,
        _all_of.steps,
        of,
        names=names,
        shared=shared,
        arrange=arrange,
        picked=picked,
        select="word",
    )
    spec: dict[str, Any] = chart.to_dict(validate=False)
    if not shared:  # one legend for each column, stacked
        below = {"layout": {"bottom": {"anchor": "start", "direction": "vertical", "margin": 4}}}
        spec["config"] = (spec.get("config") or {}) | {"legend": below}
    return spec


def difference_view(all_of: MatchedColumns) -> ViewFigure:
    """Draws how much more of each word the second column read than the first."""
    pair = pick_pair(all_of, SHOWN_COLUMNS)
    if pair is None:
        return ViewFigure(None, lambda: "")
    found = all_of.cells()
    st.caption(ONE_ROW if found is None else "Each cell: a word of the answer, which is the same in both columns.")
    if apart := totals_sentence(all_of, pair):
        st.caption(f":material/info: {apart}")
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
    return difference_chart(_all_of.comparison, *pair, names, found, picked=picked, select="word").to_dict(
        validate=False
    )


def _draw(all_of: MatchedColumns, chart: Any, key: str) -> None:
    """Draws a chart in which a click on a word marks it in all columns."""

    def clicked() -> None:
        cells = st.session_state[key]["selection"].get("word") or []
        if cells and cells[0].get("unit") is not None:
            mark_unit(all_of, int(cells[0]["unit"]))

    draw_chart(chart, key, on_select=clicked, selection_mode="word")


def agreement_view(all_of: MatchedColumns) -> ViewFigure:
    """Draws how far the columns agree, beside the agreement that position or token counts alone would give."""
    if len(all_of.drawn) < 2:
        pick_pair(all_of, SHOWN_COLUMNS)
        return ViewFigure(None, lambda: "")
    st.caption(NOT_FAITHFUL)
    comparison = all_of.agreed()
    chart = agreement_chart(comparison, all_of.names)
    draw_chart(chart, "compare_agreement")
    rows = [
        {
            "Columns": f"{all_of.letters[g.a]} and {all_of.letters[g.b]}",
            "Measure": MEASURES.get(g.measure, g.measure),
            "Value": _number(g.value),
            "Place alone": _number(g.position),
            "Tokens per word alone": _number(g.pieces),
            "Words": g.units,
            "Why undefined": g.why,
        }
        for g in comparison.agreements
    ]
    st.dataframe(rows, hide_index=True, width="stretch")

    def table() -> str:
        names = ("a", "b", "measure", "value", "position", "pieces", "units", "why")
        lines = ((g.a, g.b, g.measure, g.value, g.position, g.pieces, g.units, g.why) for g in comparison.agreements)
        return store.tidy_csv(comparison_head(all_of, "agreement"), names, lines)

    return ViewFigure(chart, table)


def _number(value: float) -> str:
    return significant_digits(value) if value == value else "undefined"


def comparison_head(all_of: MatchedColumns, view: str) -> dict[str, Any]:
    """Facts for the first lines of a CSV: view, runs, models, parameters."""
    c = all_of.comparison
    runs = {
        f"run {i}": f"{n} · {m} · {t}"
        for i, (n, m, t) in enumerate(zip(all_of.names, c.models, c.trace_ids, strict=True))
    }
    sunk = {f"sink of run {i}, share of all attention": f"{s:.4f}" for i, s in enumerate(c.shares["sink"])}
    notes = {f"note {i + 1}": note for i, note in enumerate(c.notes)}
    return {"view": view, **runs, **c.parameters, "value": "mean over the steps of the answer", **sunk, **notes}


def comparison_csv(all_of: MatchedColumns) -> str:
    """Every number of the comparison as CSV in long form."""
    import pandas as pd

    frame = tidy_comparison(all_of.comparison)
    lines = (["" if value is pd.NA else value for value in line] for line in frame.itertuples(index=False))
    return store.tidy_csv(comparison_head(all_of, "comparison"), tuple(frame.columns), lines)
