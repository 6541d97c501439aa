"""Draws the what-if of one run: word picker, effect of the picked words, answer without them, all words; or what
reading them more or less does."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.charts.shaded_texts import shaded_texts_data
from core.errors import HeedError
from core.records import Trace
from pages.parts.job_progress import job_button
from pages.parts.markdown_escape import escape_markdown
from pages.parts.model_picker import fetch_sentence
from pages.parts.reader_component import text_reader
from pages.parts.reading_controls import Choices
from pages.parts.whatif import effect_view, whatif_jobs
from pages.parts.whatif.answer_without_view import answer_without
from pages.parts.whatif.every_word import every_word
from pages.parts.whatif.turn_up_down import of_plain_runs, present_ladder, turn_up_down
from pages.parts.whatif.whatif_state import STEER, UNREAD, WhatIf, whatif_state, with_hint
from pages.parts.whatif.word_picker import selected_columns, take_click, word_picker

QUIET = {"sentence": False, "beside": {}, "caption": ""}
HINT = "Click the words to knock out, or drag over them"


def what_if(trace: Trace, chosen: Choices, key: str) -> None:
    """Draws the what-if, texts included. ``key`` prefixes its state; each column of a page needs its own."""
    try:
        spot = whatif_state(trace, chosen, key)
        data = with_hint(shaded_texts_data(spot.texts, strength=chosen.strength, **_lights(spot)), HINT)
        if trace.rows is None:
            data |= UNREAD
        text_reader(data | QUIET, key=f"{key}_texts", height=320, on_pick=lambda s: take_click(spot, s))
        _draw(spot)
    except HeedError as error:
        st.warning(escape_markdown(str(error)), icon=":material/info:")


def whatif_panel(trace: Trace, chosen: Choices, key: str = "whatif") -> None:
    """Draws the what-if without its texts, which the page draws itself."""
    _draw(whatif_state(trace, chosen, key))


def present_steering(trace: Trace, chosen: Choices) -> None:
    """Draws, for present mode, what reading the picked part more or less does."""
    present_ladder(whatif_state(trace, chosen, "whatif"))


def whatif_overlays(trace: Trace, chosen: Choices, key: str = "whatif") -> tuple[dict[str, Any], Any]:
    """(keyword arguments for ``shaded_texts_data``, click handler) for texts that the page draws itself."""
    spot = whatif_state(trace, chosen, key)
    return _lights(spot), lambda selection: take_click(spot, selection)


def open_whatif(trace: Trace, chosen: Choices, selection: dict[str, Any] | None) -> None:
    """Picks the words selected in the input text; for a button elsewhere on the page. Raises MethodError."""
    spot = whatif_state(trace, chosen, "whatif")
    if selection and selection.get("side") == "input":
        spot.pick(spot.behind(selected_columns(spot, selection)))


def _lights(spot: WhatIf) -> dict[str, Any]:
    return {"marks": spot.shown(spot.picked), "tint": effect_view.effect_tint(spot)}


def _draw(spot: WhatIf) -> None:
    if spot.trace.request.steering:
        of_plain_runs(spot.trace)
        return
    word_picker(spot)
    if first := fetch_sentence(spot.trace.request.model.name):
        st.caption(f":material/download: {escape_markdown(first)}")
    if spot.way == STEER:
        turn_up_down(spot)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        known = whatif_jobs.picked_effect(spot, spot.picked) is not None
        looks = {
            "type": "primary",
            "icon": ":material/content_cut:",
            "disabled": not spot.picked or known,
            "help": None,
        }
        job_button(
            spot.slot("one"), *whatif_jobs.probe_ask(spot, spot.picked, "Knock out", key=f"{spot.key}:go", **looks)
        )
        st.button(
            "Clear", type="tertiary", key=f"{spot.key}:clear", disabled=not spot.picked, on_click=spot.pick, args=((),)
        )
    effect_view.effect_view(spot)
    answer_without(spot)
    every_word(spot)
