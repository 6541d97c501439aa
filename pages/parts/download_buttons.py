"""Download buttons for the run on Explore; each file is made only when its button is pressed."""

from __future__ import annotations

import mimetypes
import unicodedata
from collections.abc import Callable
from typing import Any

import streamlit as st

from core import store
from core.charts import picture_files
from core.charts.html_page import to_html
from core.charts.text_formats import shaded_text_files
from core.records import Importance, Trace
from pages.parts.reading_controls import Choices
from pages.parts.views.heatmap_view import drawable_of
from pages.parts.views.view_figure import ViewFigure

File = tuple[str, Callable[[], bytes | str], str, str]
"""(label, what makes it, MIME type, what it is)"""


def run_downloads(trace: Trace, words: Importance, chosen: Choices, figure: ViewFigure, said: str) -> None:
    """Draws the downloads of a run: the shaded texts, the chart with its numbers, the whole run."""
    state = st.session_state
    picked = state.get("reader:selection") if state.get("reader:version") else None
    files = {"Shaded texts": shaded_text_files(words, picked, said, chosen.strength)}
    if figure.numbers or figure.chart is not None:
        numbers = ("CSV", figure.csv, "text/csv", "Every number of the view above, with its settings")
        files["Chart"] = [*picture_files_of(figure.chart), numbers]
    about_json = "The whole run; opens again on the page Runs"
    about_html = "One page with hover and stepping that needs no server and no network"
    files["Run"] = [
        ("JSON", lambda: store.run_to_json(trace), "application/json", about_json),
        ("HTML page", lambda: _page(trace, words, chosen, figure, said), "text/html", about_html),
    ]
    file_buttons(files, f"heed-{trace.id[:8]}", "".join((*trace.tokens.texts, trace.request.author)))


def picture_files_of(chart: Any) -> list[File]:
    """Entries for ``file_buttons``: ``chart`` as PNG, SVG and PDF; empty where there is no chart.

    ``chart`` may be a function that makes it, called when a button is pressed.
    """
    if chart is None:
        return []
    make = chart if callable(chart) else lambda: chart
    return [
        ("PNG", lambda: picture_files.png(make()).data, "image/png", "The chart above as a picture"),
        ("SVG", lambda: picture_files.svg(make()).data, "image/svg+xml", "The chart above as vectors"),
        ("PDF", lambda: picture_files.pdf(make()).data, "application/pdf", "The chart above for a paper"),
    ]


def file_buttons(files: dict[str, list[File]], name: str, text: str) -> None:
    """Draws a popover with buttons by group; ``text`` holds every character that the pictures may contain."""
    look: dict[str, Any] = {"on_click": "ignore", "type": "tertiary"}
    with st.popover("Download", icon=":material/download:", key="downloads"):
        for group, own in files.items():
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(group, width="content")
                for label, make, mime, about in own:
                    file = f"{name}-{group.split()[-1].lower()}{mimetypes.guess_extension(mime)}"
                    st.download_button(label, make, file, mime, key=f"download_{group}_{label}", help=about, **look)
        note = _fonts(text)
        if note:
            st.caption(f":material/info: In pictures: {note}")


def _page(trace: Trace, words: Importance, chosen: Choices, figure: ViewFigure, said: str) -> str:
    """The run as a self-contained HTML page; a chart other than the heatmap is added as a picture."""
    _, heat = drawable_of(trace, chosen)
    extra = () if figure.heat or figure.chart is None else (figure.chart,)
    return to_html(trace, heat, extra, words=words, sentence=said)


def _fonts(text: str) -> str:
    """A note on characters that no installed font has; common letters go unchecked, which saves loading vl-convert."""
    rare = "".join(sorted({c for c in text if ord(c) > 0x52F and unicodedata.category(c)[0] in "LMS"}))
    return _missing(rare) if rare else ""


@st.cache_data(max_entries=64, show_spinner=False)
def _missing(characters: str) -> str:
    return picture_files.missing_note({"text": characters})
