"""Everything on the page as a file. Nothing is made before it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from core import store
from core.charts import export
from core.charts.page import to_html
from core.records import Importance, Trace


def downloads(trace: Trace, shown: Importance, words: Importance, chart: Any, said: str) -> None:
    """PNG, SVG and PDF of the chart, CSV of its numbers, JSON of the run, one HTML page of it all."""
    name = f"heed-{trace.id[:8]}"
    files: tuple[tuple[str, Callable[[], bytes | str], str, str, str], ...] = (
        ("PNG", lambda: export.png(chart).data, f"{name}.png", "image/png", "The chart above as a picture"),
        ("SVG", lambda: export.svg(chart).data, f"{name}.svg", "image/svg+xml", "The chart above as vectors"),
        ("PDF", lambda: export.pdf(chart).data, f"{name}.pdf", "application/pdf", "The chart above for a paper"),
        ("CSV", lambda: store.to_csv(shown), f"{name}.csv", "text/csv", "Every number of the chart, with its settings"),
        ("JSON", lambda: store.to_json(trace), f"{name}.json", "application/json", "The whole run; opens again on the page Runs"),
        (
            "HTML",
            lambda: to_html(trace, shown, words=words, sentence=said),
            f"{name}.html",
            "text/html",
            "One page with hover and stepping that needs no server and no network",
        ),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Download")
        for label, make, file, mime, about in files:
            st.download_button(
                label, make, file, mime, key=f"download_{label}", help=about, on_click="ignore", type="tertiary", icon=":material/download:"
            )
