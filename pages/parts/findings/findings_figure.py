"""Draws a figure of the findings with caption and downloads, and caches its chart.

A chart takes a tenth of a second to make and a page holds seven, so each is cached as a plain dict, by the name of
the findings and the arguments of the chart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from core.charts import picture_files
from core.study.findings.figures import StudyFigure
from core.text.spreadsheet_text import guarded_csv
from pages.parts.markdown_escape import escape_markdown
from pages.parts.views.view_figure import draw_chart


def kept_figure(name: str, asked: tuple[Any, ...], make: Callable[[], StudyFigure]) -> StudyFigure:
    """The result of ``make()``, cached for each ``name`` (of findings) and ``asked`` (plain values)."""
    return _kept(name, asked, _make=make)


@st.cache_resource(max_entries=200, show_spinner=False)
def _kept(name: str, asked: tuple[Any, ...], _make: Callable[[], StudyFigure]) -> StudyFigure:
    drawn = _make()
    return replace(drawn, chart=drawn.chart.to_dict(validate=False))


def show_figure(drawn: StudyFigure, key: str, **more: Any) -> None:
    """Draws the chart, its caption and its downloads; ``more``: keyword arguments of the chart (``on_select``)."""
    draw_chart(drawn.chart, key, **more)
    st.caption(escape_markdown(f"{drawn.shows} {drawn.not_said}"))
    _files(drawn, key)


def _files(drawn: StudyFigure, key: str) -> None:
    kinds = (
        ("PNG", lambda: picture_files.png(drawn.chart).data, "image/png", "png"),
        ("SVG", lambda: picture_files.svg(drawn.chart).data, "image/svg+xml", "svg"),
        ("PDF", lambda: picture_files.pdf(drawn.chart).data, "application/pdf", "pdf"),
        ("CSV", lambda: guarded_csv(drawn.table), "text/csv", "csv"),
    )
    with st.container(horizontal=True, vertical_alignment="center", key=f"files_{key}"):
        st.caption("Download", width="content")
        for label, make, mime, end in kinds:
            about = "The numbers of this figure" if end == "csv" else f"This figure as {label}"
            name = f"heed-{drawn.key}.{end}"
            own = f"download_{key}_{label}"
            st.download_button(label, make, name, mime, key=own, help=about, on_click="ignore", type="tertiary")
