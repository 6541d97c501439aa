"""Draws the answer that the model writes when the picked words are removed, beside the old one."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import HeedError
from core.jobs.run_jobs import run_work
from core.records import Request, Trace
from core.runs import Draft, draft_request
from core.text import segment_marks
from core.text.deletion import delete_spans, removable_spans
from pages.parts import job_progress
from pages.parts.markdown_escape import escape_markdown
from pages.parts.run_cache import open_trace
from pages.parts.whatif.whatif_jobs import probe_waiting
from pages.parts.whatif.whatif_state import WhatIf

WRITING = ("max_new_tokens", "temperature", "top_p", "seed", "stop")


def answer_without(here: WhatIf) -> None:
    """Draws the button, the job, or both answers."""
    if not here.picked or probe_waiting(here, "answer"):
        return
    try:
        draft = draft_of(_left(here))
        request = draft_request(draft)
        other = None if request is None else open_trace(request.id, request)
    except HeedError as error:
        st.caption(escape_markdown(f"The answer without them cannot be written. {error}"))
        return
    if other is not None:
        _beside(here.trace, other, here.key)
        return

    def start() -> None:
        name = draft.name if request is None else request.id
        device = here.trace.request.model.device
        try:
            job_progress.begin_job(name, run_work(request or draft), device, here.slot("answer"))
        except HeedError as error:
            st.session_state[f"{here.slot('answer')}:error"] = str(error)

    about = "Runs the model on the prompt without the picked words; the new answer is kept as a run of its own."
    label = "Write the answer without them"
    st.button(label, icon=":material/edit_note:", key=f"{here.key}:write", on_click=start, help=about)


def _left(here: WhatIf) -> Request:
    """The request with the picked words deleted from its prompt."""
    request, tokens = here.trace.request, here.trace.tokens
    spans = removable_spans(tokens, here.units, request.segments)
    return delete_spans(request, [span for c in here.picked for span in spans[c]])


def draft_of(request: Request) -> Draft:
    """A draft of the same prompt and settings for the installed libraries; the model writes a given answer itself."""
    texts = [m.content for m in request.messages] or [request.text or ""]
    marked = [
        segment_marks.write_marks(t, [s for s in request.segments if s.message == i]) for i, t in enumerate(texts)
    ]
    settings: dict[str, Any] = {} if request.scored else {name: getattr(request, name) for name in WRITING}
    if request.messages:
        settings |= {"system": request.system, "thinking": request.thinking}
        settings |= {"date": request.date} if request.date else {}
    prompt: Any = marked[0]
    if request.messages:
        prompt = [{"role": m.role, "content": t} for m, t in zip(request.messages, marked, strict=True)]
    return Draft(request.model.name, prompt, None, request.text is not None, settings)


def _beside(old: Trace, new: Trace, key: str) -> None:
    from core.comparing import word_diff

    st.markdown("**The answer without them**")
    pieces = word_diff(old.answer, new.answer)
    left, right = st.columns(2)
    name = f"written by {old.request.author}" if old.request.author else "given" if old.request.scored else "written"
    with left.container(border=True):
        st.caption(escape_markdown(f"With everything ({name})"))
        st.markdown(_marked([(p.kind, p.a) for p in pieces]) or "*The answer is empty.*")
    with right.container(border=True):
        st.caption("Without them")
        st.markdown(_marked([(p.kind, p.b) for p in pieces]) or "*The answer is empty.*")
    if old.answer == new.answer:
        st.caption("Word for word the same answer.")
    with st.container(horizontal=True):
        st.page_link(
            "pages/explore.py", label="Open on Explore", icon=":material/visibility:", query_params={"run": new.id}
        )
        both = {"runs": f"{old.id},{new.id}"}
        st.page_link("pages/compare.py", label="Compare the two", icon=":material/compare:", query_params=both)


def _marked(pieces: list[tuple[str, str]]) -> str:
    """Markdown in which words that differ have a coloured background; Markdown inside the texts is escaped."""
    lines = [""]
    for kind, text in pieces:
        for i, part in enumerate(text.split("\n")):
            if i:
                lines.append("")
            word = escape_markdown(part)
            if not word:
                continue
            space = " " if part[:1].isspace() or (lines[-1] and lines[-1][-1:] == " ") else ""
            lines[-1] += f"{space}{word if kind == 'same' else f':orange-background[{word}]'}"
            lines[-1] += " " if part[-1:].isspace() else ""
    return "  \n".join(lines)
