"""The Streamlit component that shows one answer to rate; a press comes back as a trigger with the card's key.

It is registered once, on import. Texts are inserted as text, never as HTML (card.js). Guarded by
tests/pages/test_rate.py and tests/browser/test_rate.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from core.study.ratings import RATING_SCALE, Card

CARD_FOLDER = Path(__file__).resolve().parent
STOPPED = "The answer was stopped here by the token limit."
UNKNOWN = "The prompt is not in the plan any more."

_component = st.components.v2.component(
    "heed_card",
    html='<div class="heed-card"></div>',
    css=(CARD_FOLDER / "card.css").read_text("utf-8"),
    js=(CARD_FOLDER / "card.js").read_text("utf-8"),
)


def rating_card(
    card: Card, prompt: str, *, turn: int, undo: bool, later: bool, heard: Callable[[str, str, int], None], key: str
) -> None:
    """Draws ``card``; a press calls ``heard(what, key, turn)`` with "1" to "5", "undo" or "later" and the card's key.

    ``turn`` rises with every press that was accepted, so that the same card drawn again counts as new.
    """
    data = {
        "key": card.key,
        "turn": turn,
        "prompt": prompt or UNKNOWN,
        "answer": card.answer,
        "note": STOPPED if card.truncated else "",
        "scale": list(RATING_SCALE.items()),
        "undo": undo,
        "later": later,
    }

    def given() -> None:
        pressed: dict[str, Any] | None = st.session_state[key].given
        if isinstance(pressed, dict) and {"what", "key", "turn"} <= pressed.keys():
            heard(str(pressed["what"]), str(pressed["key"]), int(pressed["turn"]))

    _component(data=data, key=key, on_given_change=given)
