"""The view Words: which words gained or lost attention between two columns, as a chart and a ranked table."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core import store
from core.charts.word_differences import gained_lost_chart
from core.comparing import rank_changes
from pages.parts.compare.column_texts import marked_unit
from pages.parts.compare.matched_columns import MatchedColumns
from pages.parts.compare.views.chart_views import SHOWN_COLUMNS, comparison_head
from pages.parts.compare.views.column_picker import pick_pair, totals_sentence
from pages.parts.views.view_figure import ViewFigure, draw_chart

STATUS = {"matched": "same word", "replaced": "another word", "inserted": "only in {b}", "deleted": "only in {a}"}


def words_view(all_of: MatchedColumns) -> ViewFigure:
    """Draws the chart and the table."""
    pair = pick_pair(all_of, SHOWN_COLUMNS)
    if pair is None:
        return ViewFigure(None, lambda: "")
    a, b = (all_of.letters[i] for i in pair)
    if apart := totals_sentence(all_of, pair):
        st.caption(f":material/info: {apart}")
    chart = gained_lost_chart(all_of.comparison, *pair, all_of.names)
    draw_chart(chart, "compare_gained")
    table = rank_changes(all_of.comparison, *pair)
    st.caption(
        f"Every word, the one that {b} read most more than {a} first. Words that only one of the two has stand at the "
        "end: they have no difference."
    )
    share = all(all_of.drawn[i].share for i in pair)
    scale = 100 if share else 1
    shown = table[["word", "text_a", "text_b"]].copy()
    shown.columns = ["Word", f"In {a}", f"In {b}"]
    shown[f"Share in {a}"], shown[f"Share in {b}"] = table["a"] * scale, table["b"] * scale
    shown["Difference"] = table["difference"] * scale
    shown[f"× uniform in {a}"], shown[f"× uniform in {b}"] = table["ratio_a"], table["ratio_b"]
    shown["Status"] = [STATUS[s].format(a=a, b=b) for s in table["status"]]
    number = "%.2f %%" if share else "%.4f"
    formats = {name: st.column_config.NumberColumn(format=number) for name in (f"Share in {a}", f"Share in {b}")}
    points = "%+.2f points" if share else "%+.4f"
    formats["Difference"] = st.column_config.NumberColumn(format=points, help=f"Share in {b} less share in {a}")
    for letter in (a, b):
        formats[f"× uniform in {letter}"] = st.column_config.NumberColumn(
            format="%.2f", help="1 is what reading every readable token equally would give"
        )
    unit = marked_unit(all_of)
    if unit is not None and (at := np.flatnonzero(table["unit"] == unit)).size:
        st.caption(f"The marked word stands in row {int(at[0]) + 1}.")
    st.dataframe(shown, hide_index=True, height=min(420, 38 + 35 * max(len(shown), 1)), column_config=formats)

    def csv() -> str:
        facts = comparison_head(all_of, f"words gained and lost, {b} less {a}")
        return store.tidy_csv(facts, tuple(table.columns), table.itertuples(index=False))

    return ViewFigure(chart, csv)
