"""How the texts of a long run are drawn: in reading mode, sentence by sentence, or word by word as those of short runs.

A run is long from ``LONG`` tokens on, where two boxes of shaded words hide more than they show; thinking is folded in
reading mode, so a run with thinking has it too. Guarded by tests/pages/test_long_texts.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import streamlit as st

from core.charts.reading_mode import reading_mode_data
from core.records import Importance, Trace
from core.text.answer_outline import written_part
from core.trust.league import LONG
from pages.parts.reading_controls import Choices
from pages.parts.run_cache import importance, records_stamp

READ_AS = {"sentences": "Reading", "words": "Word by word"}
"""{how the texts of a long run are drawn: its name on the switch}"""
ABOUT_READ_AS = (
    "Reading: the prompt as text with a strip a sentence, the answer as an outline that it follows as you scroll. "
    "Word by word: any word of the answer or the prompt can be picked."
)
HEAVY_CELLS = 300_000
"""Output tokens x prompt tokens of the rendered prompt that one answer to the browser may hold."""


def has_reading_mode(trace: Trace) -> bool:
    """Whether this run's texts can be drawn in reading mode: it is long, or the model thought before its answer."""
    return trace.tokens.proven and (len(trace.tokens) > LONG or len(written_part(trace.tokens, "thinking")) > 0)


def texts_switch(trace: Trace) -> bool:
    """Draws the switch of a long run; returns whether its texts are drawn in reading mode."""
    if not has_reading_mode(trace):
        return False
    kind = st.segmented_control(
        "Texts",
        list(READ_AS),
        key="read_as",
        default="sentences",
        required=True,
        format_func=READ_AS.__getitem__,
        help=ABOUT_READ_AS,
        label_visibility="collapsed",
        persist_state="session",
    )
    return kind != "words"


def long_texts_data(trace: Trace, chosen: Choices) -> dict[str, Any]:
    """The data of reading mode, kept between reruns: a click changes what is picked and not the texts."""
    return _data(trace, replace(chosen, strength=1.0), records_stamp(trace, chosen.method)) | {
        "strength": chosen.strength
    }


@lru_cache(maxsize=4)
def _data(trace: Trace, chosen: Choices, _: tuple | None) -> dict[str, Any]:
    def explained(columns: str, inputs: str) -> Importance:
        return importance(trace, chosen.method, **chosen.picked, inputs=inputs, columns=columns, rows="token")

    return reading_mode_data(trace, explained, level=chosen.texts)


def rendered_rows(trace: Trace) -> str:
    """Granularity of the answer beside the rendered prompt: tokens, or sentences where these would be too many."""
    few = trace.prompt_length * trace.steps <= HEAVY_CELLS or not trace.tokens.proven
    return "token" if few else "sentence"
