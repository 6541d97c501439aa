"""Draws a background job's progress, streamed words and Cancel, polling in a fragment so that the page stays usable.

Streamlit runs the garbage collector after every poll, over all objects that torch created and with all threads held:
two tabs that polled a run brought it to a halt. So objects that exist already are hidden from the collector while a
job runs (``gc.freeze``), and collected once when it is over.

``slot`` is the session key of a job: Explore's run is ``job``; another page or part passes a name of its own to
``begin_job``, ``current_job``, ``watch_job``, ``take_result`` and ``leave_job``, and so keeps its job while the
visitor is elsewhere.
"""

from __future__ import annotations

import gc
import uuid
from typing import Any

import streamlit as st

from core.errors import HeedError
from core.jobs import Job, Work, jobs
from core.jobs.run_jobs import run_work
from core.records import Request
from core.runs import Draft, draft_request, is_stored
from pages.parts.markdown_escape import escape_markdown

RUN_POLL = 0.4
"""Seconds between two polls of a job."""
RUN = "job"
"""The slot of the run on Explore."""
LOST = "The work was lost when the dashboard restarted: start it again."


def session_name() -> str:
    """A random id of this browser session; by it, cancelling a job that others share only leaves it."""
    return st.session_state.setdefault("session", uuid.uuid4().hex)


def start_run(draft: Draft) -> str | None:
    """Returns the id of a stored run of ``draft``; else starts a job (or stores an error) and returns None."""
    state = st.session_state
    state.error = ""
    leave_job()
    try:
        request = draft_request(draft)
        state.draft, state.request = draft, request
        if request is not None and is_stored(request):
            return request.id
        name = draft.name if request is None else request.id
        begin_job(name, run_work(request or draft), request.model.device if request else "cpu")
    except HeedError as error:
        state.error = str(error)
    return None


def last_request() -> Request | None:
    """The session's last request; its segments and author belong to the run of the same id."""
    return st.session_state.get("request")


def begin_job(name: str, work: Work, device: str = "cpu", slot: str = RUN) -> None:
    """Queues ``work`` and remembers its job in ``slot``. Raises HeedError where the queue is full."""
    st.session_state[slot] = jobs().submit(name, work, device, session_name()).id


def current_job(slot: str = RUN) -> Job | None:
    """The job in this session's ``slot``; None where there is none."""
    name = st.session_state.get(slot)
    return jobs().get(name) if name else None


def leave_job(slot: str = RUN) -> None:
    """Leaves the job in ``slot``, which cancels it unless another session waits for it."""
    job = current_job(slot)
    if job is not None:
        job.leave(session_name())
    st.session_state[slot] = None


@st.fragment(run_every=RUN_POLL)
def watch_job(slot: str = RUN) -> None:
    """Draws the job's progress; reruns the whole page when it is over."""
    gc.freeze()
    job = current_job(slot)
    if job is None or job.over:
        st.rerun()
        return
    bar, stop = st.columns([5, 1], vertical_alignment="center")
    line = f"{job.position} in the queue before this one" if job.state == "queued" and job.position else job.text
    if job.fraction is None:
        bar.markdown(f":material/hourglass_top: {escape_markdown(line)}…")
    else:
        bar.progress(job.fraction, escape_markdown(line))
    own = "" if slot == RUN else f"_{slot}"
    if stop.button("Cancel", icon=":material/stop_circle:", key=f"cancel{own}", width="stretch"):
        leave_job(slot)
        st.rerun()
    if job.stream:
        with st.container(border=True, key=f"stream{own}"):
            st.caption("The answer so far")
            st.text(job.stream)


def collect_run() -> str | None:
    """The id of a run that has just finished, once; an error is stored for the page to show."""
    ended, result, error = take_result()
    if not ended:
        return None
    if error:
        st.session_state.error = error
    if result is None:
        return None
    _remember(str(result))
    return str(result)


def take_result(slot: str = RUN) -> tuple[bool, Any, str]:
    """(True, the result or None, the error or ""), once, when the job of ``slot`` has ended; else (False, None, "")."""
    state: Any = st.session_state
    job = current_job(slot)
    if not state.get(slot) or (job is not None and not job.over):
        return False, None, ""
    state[slot] = None
    _tidy()
    if job is None:
        return True, None, LOST
    return True, job.result if job.state == "done" else None, job.error if job.state == "failed" else ""


def _tidy() -> None:
    """Collects garbage once, then hides what lives on (the model, its libraries) from every later collection."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _remember(run_id: str) -> None:
    """Stores the request of a run whose model had to be downloaded first, which is known only now."""
    state: Any = st.session_state
    if state.get("request") is None and state.get("draft") is not None:
        try:
            request = draft_request(state.draft)
        except HeedError:
            return
        state.request = request if request is not None and request.id == run_id else None
