"""A text as the source of diagrams: a model reads it once, every token a query, and the maps are stored."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.charts.text_labels import percent_text, visible_label
from core.jobs.maps_jobs import maps_time, maps_work
from core.models.catalogue import CATALOGUE
from core.models.model_key import known_kind
from core.records import TextReading
from core.store import load_maps
from core.text_readings import TextDraft, draft_text_request
from pages.parts.diagrams.diagram import DiagramSource
from pages.parts.job_progress import Ask, job_slot
from pages.parts.markdown_escape import escape_markdown
from pages.parts.model_picker import TYPED, fetch_sentence, model_of_option, model_option, settle_models

SLOT = "diagram_text_job"
FIRST_MODEL = "minilm"
FIRST_TEXTS = {
    "encoder": (
        "What color is the sky?",
        "On a clear day the sky looks blue, since air scatters blue light more than red.",
    ),
    "encdec": ("the 3rd of March 1998", ""),
    "decoder": ("The sky is blue. The grass is green. The sky is", ""),
}
"""{kind of model: text and second text with which a visitor begins}"""
SECOND = {
    "encoder": "Second text of a pair (optional)",
    "encdec": "Output (optional: else the model writes it)",
}


def text_source() -> DiagramSource | None:
    """Draws model and text, and the button that lets the model read it; returns the maps once they are stored."""
    state: Any = st.session_state
    state.setdefault("diagram_model", FIRST_MODEL)
    settle_models("diagram_model")
    options = list(dict.fromkeys([FIRST_MODEL, *CATALOGUE, state.diagram_model]))
    look: dict[str, Any] = {"format_func": model_option, "accept_new_options": True, "help": TYPED}
    left, right = st.columns([1, 2])
    picked = left.selectbox("Model", options, key="diagram_model", persist_state="session", **look)
    model = model_of_option(picked or FIRST_MODEL)
    kind = known_kind(model)
    _first_texts(kind)
    text = right.text_area("Text", key="diagram_first", height=90, persist_state="session")
    second = ""
    if kind in SECOND:
        second = right.text_area(SECOND[kind], key="diagram_second", height=90, persist_state="session")
    if told := fetch_sentence(model):
        left.caption(f":material/download: {escape_markdown(told)}")
    draft = TextDraft(model, text, second)
    request = draft_text_request(draft)
    name = request.id if request is not None else f"text {model} {text} {second}"
    looks = {"type": "primary", "icon": ":material/play_arrow:"}
    time = None if request is None else maps_time(request)
    ask = Ask(name, "Read the text", "The model reads the text once; nothing is averaged.", time, looks=looks)
    reading = job_slot(SLOT, ask, maps_work(request or draft), lambda: None if request is None else load_maps(request))
    if reading is None:
        return None
    _about(reading)
    return DiagramSource(reading.id[:8], dict(reading.by_kind))


def _first_texts(kind: str) -> None:
    """Fills the boxes with the first texts of a kind of model, unless somebody has written into them."""
    state: Any = st.session_state
    now = (state.get("diagram_first"), state.get("diagram_second") or "")
    if now[0] is None or any(now == (text, second) for text, second in FIRST_TEXTS.values()):
        state.diagram_first, state.diagram_second = FIRST_TEXTS[kind]


def _about(reading: TextReading) -> None:
    """Draws what an encoder-decoder wrote, what an encoder puts in place of masks, and what there is to know."""
    if reading.written:
        st.caption(f"Output: {escape_markdown(visible_label(reading.written, 200))}")
    for mask in reading.masked:
        found = ", ".join(
            f"{visible_label(text)} {percent_text(p)}" for text, p in zip(mask.texts, mask.probabilities, strict=True)
        )
        st.caption(f"In place of token {mask.position + 1}: {escape_markdown(found)}")
    for note in reading.notes:
        st.caption(f":material/info: {escape_markdown(note)}")
