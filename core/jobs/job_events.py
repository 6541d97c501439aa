"""Writes to the log when a job waits and what became of it, without the words that were asked.

The key of a job may be what a person filled in, so that only the ids in it and words of a fixed list are taken.
Guarded by tests/core/test_job_events.py.
"""

from __future__ import annotations

import re
from typing import Any

from ..log.events import keep_log_names, log_event
from .job import Job

WORK_KINDS = ("batch", "compare", "components", "findings", "heads", "minilm", "open", "study")
"""First words of keys that say what kind of work it is."""


def tell_job(job: Job) -> None:
    """Writes that ``job`` waits now, and what became of it once it is over: outcome, seconds in the queue and of work.

    Under the names of the session that asked for it, whichever thread ends it.
    """
    asked = job.asked if job.asked is not None else job.key
    log_event("job_waits", asked=asked, **_names_of(job))
    job.when_over(keep_log_names(_tell_over))


def _tell_over(job: Job) -> None:
    begun = job.started if job.started is not None else job.finished or job.submitted
    names = _names_of(job)
    if isinstance(job.result, str) and re.fullmatch(r"[0-9a-f]{64}", job.result):
        names["run"] = job.result
    log_event(
        "job_over",
        **names,
        outcome="forsaken" if job.forsaken else job.state,
        error=job.failure,
        waited=round(begun - job.submitted, 3),
        seconds=round((job.finished or begun) - begun, 3),
    )


def _names_of(job: Job) -> dict[str, Any]:
    """Returns what of a job may be told: part of its id, which alone opens nothing, its device, kind, run and study."""
    found = {"job": job.id[:12], "device": job.device}
    first, _, rest = job.key.partition(" ")
    run = re.match(r"[0-9a-f]{64}\b", rest if first in WORK_KINDS else first)
    if run:
        found["run"] = run[0]
    if first in WORK_KINDS:
        found["kind"] = first
    elif run:
        found["kind"] = "run"
    if first == "study" and re.fullmatch(r"[0-9a-f]{8,64}", rest):
        found["study"] = rest
    return found
