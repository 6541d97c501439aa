"""Draws the page Diagrams: where the attention comes from, which figure, its controls, the figure and its files."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from core.charts.diagrams.figure_style import ONE_COLUMN, TWO_COLUMNS
from core.errors import HeedError
from pages.parts.diagrams.diagram import Diagram, DiagramSource
from pages.parts.diagrams.diagram_list import DIAGRAMS, offered_diagrams
from pages.parts.diagrams.diagram_sources import SOURCES
from pages.parts.diagrams.map_controls import trim_controls
from pages.parts.download_buttons import File, file_buttons, picture_files_of
from pages.parts.frame import is_phone
from pages.parts.markdown_escape import escape_markdown
from pages.parts.views.view_figure import draw_figure

PAGE_WIDTH = 800
"""Pixels of a figure on the page of a wide screen; the files have the widths of a paper."""
NAMES = ("source", "figure")
"""What the address says beside the run or text: ?source=run&figure=map"""


def diagrams_page() -> None:
    """Draws the page."""
    st.header("Diagrams of attention and of a model's other parts", anchor=False)
    _adopt_address()
    st.session_state.setdefault("diagram_source", next(iter(SOURCES)))
    kind = st.segmented_control(
        "Where the attention comes from",
        list(SOURCES),
        key="diagram_source",
        required=True,
        format_func=lambda name: SOURCES[name].label,
        persist_state="session",
    )
    kind = kind or next(iter(SOURCES))
    st.caption(SOURCES[kind].about)
    try:
        source = SOURCES[kind].pick()
    except HeedError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return
    if source is None:
        return
    name = _figure(source)
    _write_address(kind, name)
    if DIAGRAMS[name].trims:
        trim_controls(source, DIAGRAMS[name].marks)
    try:
        figure = DIAGRAMS[name].draw(source)
        if figure is not None:
            _show(figure, source, name)
    except (HeedError, ValueError) as error:  # figures say with a ValueError what does not fit them
        st.warning(escape_markdown(str(error)), icon=":material/info:")


def _figure(source: DiagramSource) -> str:
    """Draws the choice of figure; returns its name."""
    offered = offered_diagrams(source)
    state = st.session_state
    if state.get("diagram_figure") not in offered:
        state.diagram_figure = offered[0]
    name = st.selectbox("Figure", offered, key="diagram_figure", format_func=_described, persist_state="session")
    return name or offered[0]


def _described(name: str) -> str:
    return f"{DIAGRAMS[name].label}: {DIAGRAMS[name].about}"


def _show(figure: Diagram, source: DiagramSource, name: str) -> None:
    """Draws the figure, what stands below it, and its files."""
    width = ONE_COLUMN if is_phone() else PAGE_WIDTH
    with st.container(key="diagram"):  # scrolls by itself where the window is narrower
        draw_figure((figure.clickable or figure.draw)(width), f"diagram_{name}", **figure.keys)
    for sentence in figure.beside:
        st.markdown(escape_markdown(sentence))
    if figure.table is not None:
        st.dataframe(figure.table, hide_index=True, height=260, key=f"diagram_{name}_table")
    files: dict[str, list[File]] = {
        label: picture_files_of(lambda width=pixels: figure.draw(width))
        for label, pixels in (("One column", ONE_COLUMN), ("Two columns", TWO_COLUMNS))
    }
    files["Numbers"] = [("CSV", figure.csv, "text/csv", "Every number of the figure above")]
    file_buttons(files, f"heed-{source.name}-{name}", figure.text)


def _adopt_address() -> None:
    """Takes over what the address says, once whenever it is not what this page wrote."""
    state: Any = st.session_state
    asked = {name: st.query_params[name] for name in NAMES if name in st.query_params}
    if asked == state.get("diagram_address"):
        return
    state.diagram_address = asked
    if asked.get("source") in SOURCES:
        state.diagram_source = asked["source"]
    elif re.fullmatch("[0-9a-f]{4,64}", st.query_params.get("run", "")):
        state.diagram_source = "run"
    if asked.get("figure") in DIAGRAMS:
        state.diagram_figure = asked["figure"]


def _write_address(kind: str, name: str) -> None:
    wanted = {"source": kind, "figure": name}
    st.session_state.diagram_address = wanted
    for key, value in wanted.items():
        if st.query_params.get(key) != value:
            st.query_params[key] = value
