"""Draws the answer that the model writes when the picked words are removed, beside the old one."""

from __future__ import annotations

import streamlit as st

from core.errors import HeedError
from core.jobs.run_jobs import run_work
from core.probe.time_estimate import estimate_writing
from core.records import Request, Trace
from core.run_settings import draft_of
from core.runs import draft_request
from core.text.deletion import delete_spans, removable_spans
from pages.parts.job_progress import Ask, job_slot
from pages.parts.markdown_escape import escape_markdown
from pages.parts.run_cache import open_trace
from pages.parts.two_answers import two_answers
from pages.parts.whatif.whatif_state import WhatIf


def answer_without(here: WhatIf) -> None:
    """Draws the button, the job, or both answers."""
    if not here.picked:
        return
    try:
        draft = draft_of(_left(here))
        request = draft_request(draft)
        found = None if request is None else open_trace(request.id, request)
    except HeedError as error:
        st.caption(escape_markdown(f"The answer without them cannot be written. {error}"))
        return
    ask = Ask(
        draft.name if request is None else request.id,
        "Write the answer without them",
        "Runs the model on the prompt without the picked words; the new answer is kept as a run of its own.",
        estimate_writing(here.trace, 1),
        here.trace.request.model.device,
        {"icon": ":material/edit_note:", "key": f"{here.key}:write"},
    )
    other = job_slot(here.slot("answer"), ask, run_work(request or draft), lambda: found)
    if other is not None:
        _beside(here.trace, other)


def _left(here: WhatIf) -> Request:
    """The request with the picked words deleted from its prompt."""
    request, tokens = here.trace.request, here.trace.tokens
    spans = removable_spans(tokens, here.units, request.segments)
    return delete_spans(request, [span for c in here.picked for span in spans[c]])


def _beside(old: Trace, new: Trace) -> None:
    st.markdown("**The answer without them**")
    name = f"written by {old.request.author}" if old.request.author else "given" if old.request.scored else "written"
    captions = (f"With everything ({name})", "Without them")
    two_answers((old.answer, new.answer), captions, ("the answer with everything", "the answer without them"))
    with st.container(horizontal=True):
        st.page_link(
            "pages/explore.py", label="Open on Explore", icon=":material/visibility:", query_params={"run": new.id}
        )
        both = {"runs": f"{old.id},{new.id}"}
        st.page_link("pages/compare.py", label="Compare the two", icon=":material/compare:", query_params=both)
