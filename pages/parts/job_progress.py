"""Draws what takes time: the button with its estimate, the running job with its place and Cancel, its error.

``job_slot`` is all of it: it returns what is stored, else draws the button, the job that it started, or why that
failed. ``slot`` is the session key of a job, so a page or part has a name of its own and keeps its job while the
visitor is elsewhere; Explore's run is ``job``. Polling happens in a fragment, so that the page stays usable. While a
job is shown a random name of it stands in the address (``?job=``): a page that is loaded again, whose session is a new
one, finds it there. Guarded by tests/pages/test_job_progress.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from core.errors import HeedError
from core.jobs import Job, Work, jobs
from core.jobs.run_jobs import run_seconds, run_work
from core.jobs.waiting_runs import drop_waiting, keep_waiting, waiting_request
from core.models.load import is_in_memory
from core.probe.time_estimate import TimeEstimate
from core.records import ModelKey, Request
from core.runs import Draft, draft_request, is_stored
from pages.parts.markdown_escape import escape_markdown
from pages.parts.session_presence import is_present, session_name

RUN_POLL, WAITING_POLL = 0.4, 4.0
"""Seconds between two polls of a job: of one that runs or is next, and of one that waits behind others.

Twenty pages that poll as often as a running one take the processor from the run that they wait for.
"""
NEAR = 2
"""Places in the queue from which a job is polled as if it ran."""
RUN = "job"
"""The slot of the run on Explore."""
CANCELLED = "Cancelled."
FREED = "This page was closed for long, so its place in the queue was freed: start it again."
UNFINISHED = "Heed was restarted, or this page was closed for long, before this run was done: press Run again."
LOST = "The work was lost when the dashboard restarted: start it again."


@dataclass(frozen=True)
class Ask:
    """The button of a slot, and the job that it queues."""

    name: str
    """Key of the job: equal for all who ask the same, and they share it."""
    label: str
    about: str = ""
    time: TimeEstimate | None = None
    """Told beside the button, and to those who wait behind the job."""
    device: str = "cpu"
    looks: dict[str, Any] = field(default_factory=dict)
    """More arguments of the button: icon, type, key, ..."""
    model: str = ""
    """Name of the model that the job needs, where known."""


def job_slot(slot: str, ask: Ask, work: Work, stored: Callable[[], Any] = lambda: None) -> Any:
    """Returns what ``stored`` finds; else draws the running job, or its error and the button, and returns None."""
    collect_job(slot)
    found = stored()
    if found is None and not job_waits(slot, ask.name):
        job_button(slot, ask, work)
    return found


def job_waits(slot: str, name: str = "") -> bool:
    """Draws the slot's job and returns True while it waits or runs; else draws how it ended, if that was badly.

    ``name``: only of the job of this name, where the slot is used for one thing after another.
    """
    if collect_job(slot):
        watch_job(slot)
        return True
    key, told, failed = st.session_state.get(f"{slot}:note") or ("", "", False)
    if told and (name == key or not (name and key)):
        (st.error if failed else st.info)(escape_markdown(told), icon=f":material/{'error' if failed else 'info'}:")
    return False


def job_button(slot: str, ask: Ask, work: Work) -> None:
    """Draws the button that queues the job, and the page anew once it was pressed."""
    about = f"{ask.about} Takes {ask.time.text}.".strip() if ask.time else ask.about
    looks = {"icon": ":material/play_arrow:", "key": f"{slot}:start", "help": about or None} | ask.looks
    # Not by on_click: its arguments are of the run before, so a field edited just before the press would not count.
    if st.button(ask.label, **looks) and not looks.get("disabled"):
        _start(slot, ask, work)
        st.rerun()


def _start(slot: str, ask: Ask, work: Work) -> None:
    try:
        begin_job(ask.name, work, ask.device, slot, ask.time.seconds if ask.time else None, model=ask.model)
    except HeedError as error:
        st.session_state[f"{slot}:note"] = (ask.name, str(error), True)


def collect_job(slot: str) -> bool:
    """True while the slot's job waits or runs; keeps the error of one that has ended, shown until the next start."""
    job = current_job(slot)
    ended, _, error = take_result(slot)
    if error:
        st.session_state[f"{slot}:note"] = (job.key if job else "", error, True)
    return job is not None and not ended


def has_note(slot: str = RUN) -> bool:
    """True where the slot's last job failed or was cancelled, until the next start."""
    return bool(st.session_state.get(f"{slot}:note"))


def start_run(draft: Draft) -> str | None:
    """Returns the id of a stored run of ``draft``; else starts a job (or stores an error) and returns None."""
    state = st.session_state
    state.error = ""
    leave_job()
    let_go()
    try:
        request = draft_request(draft)
        state.draft, state.request = draft, request
        if request is not None and is_stored(request):
            return request.id
        name = draft.name if request is None else request.id
        device, model = (request.model.device, request.model.name) if request else ("cpu", draft.model)
        begin_job(name, run_work(request or draft), device, seconds=run_seconds(request), asked=draft, model=model)
        _keep_asked(request or draft.request(ModelKey(draft.model, "")))
    except HeedError as error:
        state.error = str(error)
    return None


def found_draft() -> Draft | None:
    """What a run was asked with that this new session found by its address, once; for the form."""
    state: Any = st.session_state
    job = current_job()
    if job is None or state.get("draft") is not None or not isinstance(job.asked, Draft):
        return None
    state.draft = job.asked
    with suppress(HeedError):
        state.request = draft_request(job.asked)
    return job.asked


def _keep_asked(request: Request) -> None:
    """Keeps what the run was asked with until it is over; longer where this page was closed while it waited."""
    job, token = current_job(), st.session_state[RUN][1]
    if job is not None:
        keep_waiting(token, request)
        job.when_over(lambda over: None if over.forsaken else drop_waiting(token))


def unfinished_request() -> Request | None:
    """What the run was asked with that this page's address names, where a restart or a long absence ended it; once."""
    state: Any = st.session_state
    if current_job() is None and state.get("draft") is None and not state.get("unfinished"):
        for token in st.query_params.get_all("job"):
            found = waiting_request(token)
            if found is not None:
                state.unfinished = token
                return found
    return None


def is_unfinished() -> bool:
    """True while the form holds a run that ``unfinished_request`` found, until something is run."""
    return bool(st.session_state.get("unfinished"))


def let_go() -> None:
    """Forgets the unfinished run: another one is asked for."""
    token = st.session_state.pop("unfinished", "")
    if token:
        drop_waiting(token)
        _unname(token)


def last_request() -> Request | None:
    """The session's last request; its segments and author belong to the run of the same id."""
    return st.session_state.get("request")


def begin_job(
    name: str,
    work: Work,
    device: str = "cpu",
    slot: str = RUN,
    seconds: float | None = None,
    asked: Any = None,
    model: str = "",
) -> None:
    """Queues ``work`` and remembers its job in ``slot``. Raises HeedError where the queue is full.

    ``seconds``: how long it should take; ``asked``: what a page needs that finds the job again (``job.asked``);
    ``model``: the name of the one it needs, where jobs of the same model may go together.
    """
    now = current_job(slot)
    token = st.session_state[slot][1] if now is not None and now.key == name else uuid.uuid4().hex
    jobs().present, jobs().in_memory = is_present, is_in_memory
    job = jobs().submit(name, work, device, f"{slot} {token}", seconds, asked, session_name(), model)
    st.session_state[slot] = (job.id, token)
    st.session_state[f"{slot}:note"] = None


def current_job(slot: str = RUN) -> Job | None:
    """The job in this session's ``slot``, or the one that the address names; None where there is none."""
    state: Any = st.session_state
    if not state.get(slot):
        for token in st.query_params.get_all("job"):
            job = jobs().shared_by(f"{slot} {token}")
            if job is not None and job.state != "cancelled":
                state[slot] = (job.id, token)
    found = jobs().get(state[slot][0]) if state.get(slot) else None
    if found is not None:
        found.move(f"{slot} {state[slot][1]}", session_name())
    return found


def leave_job(slot: str = RUN) -> None:
    """Leaves the job in ``slot``, which cancels it unless another session waits for it."""
    job = current_job(slot)
    if job is not None:
        job.leave(f"{slot} {st.session_state[slot][1]}")
        drop_waiting(st.session_state[slot][1])
    _forget(slot)
    st.session_state[f"{slot}:note"] = None


def _forget(slot: str) -> None:
    """Takes the job out of the session and the address."""
    _, token = st.session_state.get(slot) or ("", "")
    _unname(token)
    st.session_state[slot] = None


def _unname(token: str) -> None:
    """Takes a job out of the address."""
    named = st.query_params.get_all("job")
    if named == [token]:
        del st.query_params["job"]
    elif token in named:
        st.query_params["job"] = [other for other in named if other != token]


def watch_job(slot: str = RUN) -> None:
    """Draws the job's progress; reruns the whole page when it is over."""
    job = current_job(slot)
    far = job is not None and job.position >= NEAR
    st.fragment(_draw_job, run_every=WAITING_POLL if far else RUN_POLL)(slot, far)


def _draw_job(slot: str, far: bool) -> None:
    """``far``: it was polled seldom; the page is drawn anew when it comes near."""
    job = current_job(slot)
    if job is None or job.over or (far and job.position < NEAR):
        st.rerun()
        return
    token = st.session_state[slot][1]
    if token not in (named := st.query_params.get_all("job")):
        st.query_params["job"] = [*named, token]
    bar, stop = st.columns([5, 1], vertical_alignment="center")
    if job.fraction is None:
        bar.markdown(f":material/hourglass_top: {escape_markdown(job.line)}…")
    else:
        bar.progress(job.fraction, escape_markdown(job.line))
    own = "" if slot == RUN else f"_{slot}"
    if stop.button("Cancel", icon=":material/stop_circle:", key=f"cancel{own}", width="stretch"):
        leave_job(slot)
        st.session_state[f"{slot}:note"] = (job.key, CANCELLED, False)
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
    _forget(slot)
    if job is None:
        return True, None, LOST
    if job.forsaken:
        return True, None, FREED
    return True, job.result if job.state == "done" else None, job.error if job.state == "failed" else ""


def _remember(run_id: str) -> None:
    """Stores the request of a run whose model had to be downloaded first, which is known only now."""
    state: Any = st.session_state
    if state.get("request") is None and state.get("draft") is not None:
        try:
            request = draft_request(state.draft)
        except HeedError:
            return
        state.request = request if request is not None and request.id == run_id else None
