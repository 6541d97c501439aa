"""Starts, pauses and shows the background job of a study: one for all sessions, found by its name.

The job goes on when the page or the browser is closed. Pause stops it for all: unfinished answers are dropped,
finished ones stay, and Resume goes on. The job is in no session's slot, unlike that of Explore, since a study is
watched rather than waited for. Guarded by tests/pages/test_study_running.py.
"""

from __future__ import annotations

import streamlit as st

from core.errors import HeedError
from core.jobs import Job, jobs
from core.jobs.study_jobs import pilot_work, study_work
from core.study.ray_engine import engine_now
from core.study.study import Study
from core.study.study_status import Status
from pages.parts.engine_picker import engine_line, picked_engine
from pages.parts.markdown_escape import escape_markdown

STUDY_POLL = 1.5
"""Seconds between two polls."""
LANE = "study"
"""The queue in which studies wait: not that of single runs, which would wait behind a study for hours."""
HOLDER = "study"
"""The holder of the job: no session, so that the job outlives all of them."""


def start_study(ident: str, pilot: int = 0, retry: bool = False) -> None:
    """Queues the study, or joins its running job. Raises HeedError where the queue is full."""
    engine = picked_engine()
    work = pilot_work(ident, pilot, engine=engine) if pilot else study_work(ident, retry=retry, engine=engine)
    jobs().submit(_name(ident), work, LANE, HOLDER, asked=engine)


def pause_study(ident: str) -> None:
    """Stops the study at once for all sessions; unfinished answers are generated again later."""
    job = study_job(ident)
    while job is not None and not job.over and job.sharers:
        job.leave()


def study_job(ident: str) -> Job | None:
    """The last job of the study that the queue remembers; None where there is none."""
    return next((j for j in reversed(jobs().all()) if j.key == _name(ident)), None)


def _name(ident: str) -> str:
    return f"study {ident}"


def study_phase(status: Status, job: Job | None) -> str:
    """The state of a study: queued, running, pausing, elsewhere, done, new or paused."""
    if job is not None and not job.over:
        return "running" if job.state == "running" else "queued"
    if status.running:
        return "pausing" if job is not None and job.state == "cancelled" else "elsewhere"
    if status.over:
        return "done"
    return "paused" if status.done or status.failed else "new"


PHASE_WORDS = {
    "queued": "Waiting for its turn",
    "running": "Running",
    "pausing": "Pausing: what is half written will be asked again",
    "elsewhere": "Running in another process",
    "done": "Done",
    "paused": "Paused",
    "new": "Not started",
}
ICONS = {
    "queued": ":material/hourglass_top:",
    "running": ":material/play_circle:",
    "pausing": ":material/pause_circle:",
    "elsewhere": ":material/play_circle:",
    "done": ":material/check_circle:",
    "paused": ":material/pause_circle:",
    "new": ":material/circle:",
}
MOVING = ("queued", "running", "pausing", "elsewhere")


@st.fragment(run_every=STUDY_POLL)
def live_progress(ident: str, seen: str) -> None:
    """Draws a study's progress and polls it; reruns the whole page when the phase changes."""
    try:
        study = Study(ident)
    except HeedError:  # deleted by somebody else
        st.rerun()
        return
    try:
        status, engine = study.status(), engine_now(study.db)
    finally:
        study.close()
    job = study_job(ident)
    now = study_phase(status, job)
    if now != seen:
        st.rerun()
    progress_bar(status, job, now)
    line = engine_line(engine)
    if not line and now == "running" and job is not None and job.asked and status.waiting:
        line = "Waiting for Ray, which takes some seconds to start and to end."
    if now in MOVING and line:
        st.caption(escape_markdown(line))


def progress_bar(status: Status, job: Job | None, now: str) -> None:
    """Draws the progress bar with its text."""
    line, fraction = status.text, status.fraction
    if now == "queued" and job is not None and job.position:
        line = f"{job.position} in the queue before this one"
    elif now == "running" and job is not None and job.text:
        line = job.text
        fraction = fraction if job.fraction is None else job.fraction  # a pilot is a part of its study
    words = "" if now in ("running", "done") else f"{PHASE_WORDS[now]} · "
    st.progress(min(1.0, max(0.0, fraction)), escape_markdown(words + line))
