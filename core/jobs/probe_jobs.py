"""Jobs that ablate words of a stored run's prompt, attribute its answer, or compute next tokens, and store the result.

Only the run's tokens are needed, so a run whose attention rows were dropped is probed as it is; one that is no longer
stored is captured again first. A cancelled or failed probe stores nothing. Model libraries are imported when a job
runs. Guarded by tests/core/test_jobs_probe_jobs.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import Cancelled
from ..progress import IsCancelled, Progress
from ..records import NextTokens, Request, Trace
from ..runs import Draft, capture_and_save, prepare
from ..store import load_attribution, load_probe, load_run, save_attribution, save_probe
from .job import Work

Asked = tuple[str, str, str, np.ndarray | None]
"""(run id, units, mode, masks): the arguments of ``load_probe``."""


def probe_work(what: Draft | Request, units: str = "word", mode: str = "mask", masks: Any = None) -> Work:
    """Returns the job that ablates a run's prompt: every unit alone, or those of ``masks`` [variant, unit].

    Its result are the arguments of ``load_probe``: ``load_probe(*job.result)``.
    """

    def do(progress: Progress, cancelled: IsCancelled) -> Asked:
        from ..probe import hide_units, knock_out

        model, request = prepare(what, progress, cancelled)
        trace = _trace(model, request, progress, cancelled)
        asked = None if masks is None else np.atleast_2d(np.asarray(masks))
        if load_probe(trace, units, mode, asked) is None:
            if asked is None:
                probe = knock_out(model, trace, units, mode, progress=progress, cancelled=cancelled)
            else:
                probe = hide_units(model, trace, asked, units, mode, progress=progress, cancelled=cancelled)
            _stop(cancelled)
            save_probe(probe)
        return trace.id, units, mode, asked

    return do


def attribution_work(what: Draft | Request, kind: str, step: int | None = None, against: int = 0) -> Work:
    """Returns the job that attributes a run's whole answer by ``kind``; its result is the run's id.

    With ``step``: the log-odds of the token written there over the token ``against``.
    """

    def do(progress: Progress, cancelled: IsCancelled) -> str:
        from ..probe import attribute

        model, request = prepare(what, progress, cancelled)
        trace = _trace(model, request, progress, cancelled)
        if load_attribution(trace.id, kind, step, against) is None:
            target: dict[str, Any] = {} if step is None else {"spans": [(step, step + 1)], "against": against}
            found = attribute(model, trace, kind, **target, progress=progress, cancelled=cancelled)
            _stop(cancelled)
            save_attribution(found)
        return trace.id

    return do


def next_work(what: Sequence[Draft | Request], k: int = 10) -> Work:
    """Returns the job that computes next tokens behind several prompts of one model; its result is a ``NextTokens``."""

    def do(progress: Progress, cancelled: IsCancelled) -> NextTokens:
        from ..probe import next_tokens

        ready = [prepare(w, progress, cancelled) for w in what]
        model = ready[0][0] if ready else None
        return next_tokens(model, [request for _, request in ready], k, progress=progress, cancelled=cancelled)

    return do


def _trace(model: Any, request: Request, progress: Progress, cancelled: IsCancelled) -> Trace:
    """Returns the stored run with or without its rows; captures it again if it is no longer stored."""
    trace = load_run(request, rows=False)
    return trace if trace is not None else capture_and_save(model, request, progress, cancelled)


def _stop(cancelled: IsCancelled) -> None:
    if cancelled():
        raise Cancelled("Stopped.")
