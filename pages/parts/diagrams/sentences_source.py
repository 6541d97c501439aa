"""The sentences of a test set as the source of diagrams: each is read alone, and its heads are measured."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.charts.text_labels import visible_label
from core.errors import PromptError
from core.jobs.maps_jobs import sentences_work
from core.models.catalogue import CATALOGUE
from core.store import load_maps
from core.text_readings import TextDraft, draft_text_request
from pages.parts.diagrams.diagram import DiagramSource
from pages.parts.diagrams.text_source import FIRST_MODEL
from pages.parts.job_progress import Ask, job_slot
from pages.parts.model_picker import TYPED, model_of_option, model_option, settle_models

SLOT = "diagram_sentences_job"
MOST_SENTENCES = 200
FIRST_SENTENCES = """The cat sleeps on the warm mat while the dog waits at the door.
The sky is blue, the sea is blue, and the boat is white.
She gave the book to her brother, who gave it to his friend.
Six old men walked home, and six young men stayed.
What color is the sky on a clear day in June?"""


def sentences_source() -> DiagramSource | None:
    """Draws model and sentences, and the button that reads them; returns the maps of each sentence."""
    state: Any = st.session_state
    state.setdefault("sentences_model", FIRST_MODEL)
    state.setdefault("sentences_text", FIRST_SENTENCES)
    settle_models("sentences_model")
    options = list(dict.fromkeys([FIRST_MODEL, *CATALOGUE, state.sentences_model]))
    look: dict[str, Any] = {"format_func": model_option, "accept_new_options": True, "help": TYPED}
    left, right = st.columns([1, 2])
    picked = left.selectbox("Model", options, key="sentences_model", persist_state="session", **look)
    model = model_of_option(picked or FIRST_MODEL)
    text = right.text_area("Sentences, one a line", key="sentences_text", height=140, persist_state="session")
    lines = list(dict.fromkeys(line.strip() for line in (text or "").splitlines() if line.strip()))
    if len(lines) < 2:
        raise PromptError("Write at least two sentences, one a line.")
    if len(lines) > MOST_SENTENCES:
        raise PromptError(f"At most {MOST_SENTENCES} sentences are read at once, and here are {len(lines):,}.")
    drafts = [TextDraft(model, line) for line in lines]
    requests = [draft_text_request(draft) for draft in drafts]

    def stored() -> Any:
        found = [None if request is None else load_maps(request) for request in requests]
        return None if None in found else found

    name = f"sentences {model} {hash(tuple(lines))}"
    ask = Ask(name, f"Read {len(lines)} sentences", looks={"type": "primary", "icon": ":material/play_arrow:"})
    readings = job_slot(SLOT, ask, sentences_work(drafts), stored)
    if readings is None:
        return None
    points = tuple(
        (f"{i + 1} · {visible_label(line, 30)}", reading.maps[-1])
        for i, (line, reading) in enumerate(zip(lines, readings, strict=True))
    )
    return DiagramSource("sentences", {points[-1][1].kind: points[-1][1]}, checkpoints=points, axis="sentence")
