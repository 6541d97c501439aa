"""The what-if of one run: controls, the knock-out of what is picked, the answer without it, every word at once."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.charts.reader import reader_data
from core.errors import HeedError
from core.records import Trace
from pages.parts.choices import Choices
from pages.parts.picker import to_fetch
from pages.parts.reader import reader
from pages.parts.text import escape
from pages.parts.whatif import lost, work
from pages.parts.whatif.each import each
from pages.parts.whatif.here import UNREAD, Here, here, hinted
from pages.parts.whatif.pick import clicked, controls, shown_part
from pages.parts.whatif.without import answer_without

QUIET = {"sentence": False, "beside": {}, "caption": ""}
HINT = "Click the words to knock out, or drag over them"


def what_if(trace: Trace, chosen: Choices, key: str) -> None:
    """Draws everything, texts included. ``key`` names its state: another one for each column of a page."""
    try:
        spot = here(trace, chosen, key)
        data = hinted(reader_data(trace, spot.texts, strength=chosen.strength, **_lights(spot)), HINT)
        if trace.rows is None:
            data |= UNREAD
        reader(data | QUIET, key=f"{key}_texts", height=320, on_pick=lambda s: clicked(spot, s))
        _draw(spot)
    except HeedError as error:
        st.warning(escape(str(error)), icon=":material/info:")


def panel(trace: Trace, chosen: Choices, key: str = "whatif") -> None:
    """The same below texts that the page draws itself."""
    _draw(here(trace, chosen, key))


def lit(trace: Trace, chosen: Choices, key: str = "whatif") -> tuple[dict[str, Any], Any]:
    """(keywords for ``reader_data``, what a click in those texts does) while the what-if is open."""
    spot = here(trace, chosen, key)
    return _lights(spot), lambda selection: clicked(spot, selection)


def open_here(trace: Trace, chosen: Choices, selection: dict[str, Any] | None) -> None:
    """Comes from elsewhere on the page: what was clicked in the input is what gets picked. Raises MethodError."""
    spot = here(trace, chosen, "whatif")
    if selection and selection.get("side") == "input":
        spot.pick(spot.behind(shown_part(spot, selection)))


def _lights(spot: Here) -> dict[str, Any]:
    return {"marks": spot.shown(spot.picked), "tint": lost.tint(spot)}


def _draw(spot: Here) -> None:
    controls(spot)
    if first := to_fetch(spot.trace.request.model.name):
        st.caption(f":material/download: {escape(first)}")
    with st.container(horizontal=True, vertical_alignment="center"):
        known = work.effect(spot, spot.picked) is not None
        st.button(
            "Knock out",
            type="primary",
            icon=":material/content_cut:",
            key=f"{spot.key}:go",
            disabled=not spot.picked or known,
            on_click=work.ask,
            args=(spot, "one", spot.picked),
        )
        st.button(
            "Clear", type="tertiary", key=f"{spot.key}:clear", disabled=not spot.picked, on_click=spot.pick, args=((),)
        )
    lost.result(spot)
    answer_without(spot)
    each(spot)
