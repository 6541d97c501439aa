"""The job that turns the reading of a part of a stored run's prompt up and down, and stores what that did.

What is written anew are ordinary runs: each is stored as soon as it is there, so that a cancelled job keeps what it had
finished and the next one goes on with it. Model libraries are imported when a job runs. Guarded by
tests/core/test_jobs_steering_jobs.py.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from ..errors import Cancelled
from ..probe.time_estimate import STEERED_ANEW, TimeEstimate, estimate_steering, steered_tokens
from ..progress import IsCancelled, Progress
from ..records import Request, Steering, Trace
from ..runs import Draft, capture_and_save, prepare
from ..speeds import note_speed
from ..store import load_run, load_steered, save_run, save_steered
from .job import Work


def steer_work(what: Draft | Request, steerings: Sequence[Steering], anew: bool = True) -> Work:
    """Returns the job that steers a run in each of these ways; its result is the run's id.

    What it makes is found by ``load_steered(run_id, steerings, anew)``; ``anew``: the answers are written again, and
    stored as runs of their own.
    """
    asked = tuple(steerings)

    def do(progress: Progress, cancelled: IsCancelled) -> str:
        from ..probe.steer_run import steer_each, steered_request

        model, request = prepare(what, progress, cancelled)
        trace = load_run(request)
        if trace is None:
            trace = capture_and_save(model, request, progress, cancelled)
        if load_steered(trace.id, asked, anew) is not None:
            return trace.id
        wanted = {made.id: made for made in (steered_request(trace, one) for one in asked)} if anew else {}
        known = {run_id: run for run_id, one in wanted.items() if (run := load_run(one)) is not None}
        began = time.monotonic()
        make = partial(steer_each, model, trace, asked, "anew" if anew else "same", known=known, keep=_keep)
        found = make(progress=progress, cancelled=cancelled)
        if cancelled():
            raise Cancelled("Stopped.")
        if not set(known) - {trace.id}:  # else it took less than the whole
            work = steered_tokens(trace, len(asked), anew)
            kind, seconds = STEERED_ANEW if anew else "steered", time.monotonic() - began
            note_speed(trace.request.model, trace.model.parameters, kind, work, seconds)
        save_steered(found)
        return trace.id

    return do


def steer_time(trace: Trace, steerings: Sequence[Steering], anew: bool = True) -> TimeEstimate:
    """Estimates how long the job of ``steer_work`` takes, without what is stored already."""
    return estimate_steering(trace, len(steerings), anew)


def _keep(run: Trace) -> None:
    save_run(run)
