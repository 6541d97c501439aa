"""A text as the source of diagrams: a model reads it once, every token a query, and the maps are stored."""

from __future__ import annotations

from typing import Any

import streamlit as st
from core.jobs.maps_jobs import maps_time, maps_work

from core.models.catalogue import CATALOGUE
from core.models.model_key import known_kind
from core.runs import draft_text_request
from core.store import load_maps
from pages.parts.diagrams.diagram import DiagramSource
from pages.parts.job_progress import Ask, job_slot
from pages.parts.model_picker import TYPED, fetch_sentence, model_of_option, model_option, settle_models

FIRST_MODEL = "minilm"
FIRST_TEXT = "What color is the sky?"
FIRST_SECOND = "On a clear day the sky looks blue, since air scatters blue light more than red."
SLOT = "diagram_text_job"


def text_source() -> DiagramSource | None:
    """Draws model and text, and the button that lets the model read it; returns the maps once they are stored."""
    state: Any = st.session_state
    state.setdefault("diagram_model", FIRST_MODEL)
    state.setdefault("diagram_first", FIRST_TEXT)
    state.setdefault("diagram_second", FIRST_SECOND)
    settle_models("diagram_model")
    options = list(dict.fromkeys([*CATALOGUE, state.diagram_model]))
    look: dict[str, Any] = {"format_func": model_option, "accept_new_options": True, "help": TYPED}
    left, right = st.columns([1, 2])
    picked = left.selectbox("Model", options, key="diagram_model", persist_state="session", **look)
    model = model_of_option(picked or FIRST_MODEL)
    kind = known_kind(model)
    text = right.text_area("Text", key="diagram_first", height=80, persist_state="session")
    second = ""
    if kind != "decoder":
        label = {"encoder": "Second text of a pair (optional)", "encdec": "Output (empty: the model writes it)"}[kind]
        second = right.text_area(label, key="diagram_second", height=80, persist_state="session")
    st.caption(fetch_sentence(model))
    request = draft_text_request(model, text, second)
    ask = Ask(request.id, "Read the text", time=maps_time(request), looks={"type": "primary"})
    maps = job_slot(SLOT, ask, maps_work(request), lambda: load_maps(request))
    if maps is None:
        return None
    return DiagramSource(request.id[:8], maps)
