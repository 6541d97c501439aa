"""Views that plugins add to Explore: a chart registered in ``CHARTS`` with a CSV of the importance behind it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from core import store
from core.charts.reading_texts import PickedWords
from core.charts.run_charts import CHARTS, ChartView
from core.records import Importance, Trace
from pages.parts.reading_controls import CONTROLS, Choices
from pages.parts.views.view_figure import ViewFigure, draw_chart


def chart_view(view: ChartView, trace: Trace, words: Importance, chosen: Choices, picked: PickedWords) -> ViewFigure:
    """Draws the plugin's chart; the CSV holds the importance it was drawn from."""
    chart = view.function(trace, words)
    if chart is None:
        st.info(f"There is nothing to draw here for {view.label}.")
        return ViewFigure(None, lambda: store.importance_to_csv(words))
    draw_chart(chart.to_dict(), f"chart_{view.label}")  # checked here: nobody has tested it
    st.caption(view.about)
    return ViewFigure(chart, lambda: store.importance_to_csv(words))


def own_views() -> dict[str, tuple[str, Callable[..., ViewFigure], tuple[str, ...]]]:
    """{name on the switch: (label, function that draws it, reading controls)} of all charts that plugins added."""
    return {f"chart:{name}": (view.label, partial(chart_view, view), CONTROLS) for name, view in CHARTS.items()}
