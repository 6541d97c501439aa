"""Draws the sentence that sums up what was read, and the attention shares of sink, markup and other groups."""

from __future__ import annotations

import streamlit as st

from core.charts.reading_texts import ABOUT_SHARES, PickedWords, beside_line, summary_sentence
from core.records import Importance, Trace
from pages.parts.reading_controls import strength_slider
from pages.parts.text_selection import select_box


def run_summary(trace: Trace, words: Importance, picked: PickedWords, present: bool = False) -> str:
    """Draws the sentence, the select box (not when presenting) and the other shares; returns the sentence."""
    text = summary_sentence(trace, words, picked)
    column = st.container()
    if not present:
        column, box = st.columns([3, 1.15], vertical_alignment="center")
        with box:
            select_box(trace, words, "reader")
            with st.popover("Shading", icon=":material/contrast:", type="tertiary"):
                strength_slider()
    with column.container(key="said"):
        st.text(text)
    if len(picked.rows) and words.shares:
        column.caption(beside_line(words, picked.rows), help=ABOUT_SHARES)
    return text
