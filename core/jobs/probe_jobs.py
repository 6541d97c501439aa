"""Jobs that ablate words of a stored run's prompt, attribute its answer, switch off parts of the model, or compute next
tokens, and store the result.

Only the run's tokens are needed, so a run whose attention rows were dropped is probed as it is; one that is no longer
stored is captured again first. What a cancelled or failed knock-out had computed is kept apart, and the next one goes
on with it. Model libraries are imported when a job runs. Guarded by tests/core/test_jobs_probe_jobs.py.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..errors import Cancelled, StoreError
from ..probe.time_estimate import (
    TimeEstimate,
    attribution_tokens,
    estimate_probe,
    estimate_switch_off,
    switched_tokens,
    tokens_anew,
)
from ..progress import IsCancelled, Progress
from ..records import NextTokens, Part, Probe, Request, Trace, all_heads
from ..runs import Draft, capture_and_save, prepare
from ..speeds import note_speed
from ..store import (
    load_attribution,
    load_probe,
    load_run,
    load_switched_off,
    save_attribution,
    save_probe,
    save_run,
    save_switched_off,
)
from ..text.units import units as units_of
from .job import Work

KEEP_EVERY = 3.0
"""Seconds between two times that a running knock-out is kept: pages draw what is there, and a killed process loses
little."""

Asked = tuple[str, str, str, np.ndarray | None]
"""(run id, units, mode, masks): the arguments of ``load_probe``."""


def probe_work(what: Draft | Request, units: str = "word", mode: str = "mask", masks: Any = None) -> Work:
    """Returns the job that ablates a run's prompt: every unit alone, or those of ``masks`` [variant, unit].

    Its result are the arguments of ``load_probe``: ``load_probe(*job.result)``.
    """

    def do(progress: Progress, cancelled: IsCancelled) -> Asked:
        model, request = prepare(what, progress, cancelled)
        trace = _trace(model, request, progress, cancelled)
        asked = None if masks is None else np.atleast_2d(np.asarray(masks))
        if load_probe(trace, units, mode, asked) is None:
            save_probe(_made(model, trace, units, mode, asked, progress, cancelled))
        return trace.id, units, mode, asked

    return do


def probe_time(trace: Trace, units: str = "word", mode: str = "mask", masks: Any = None) -> TimeEstimate:
    """Estimates how long the job of ``probe_work`` takes, without what a stopped one has computed."""
    named = units_of(trace.tokens, units, range(trace.prompt_length), trace.request.segments)
    return estimate_probe(trace, named, masks, mode, load_probe(trace, units, mode, masks, partial=True))


def _made(
    model: Any, trace: Trace, units: str, mode: str, asked: Any, progress: Progress, cancelled: IsCancelled
) -> Probe:
    """Returns the whole probe; goes on with one that was stopped, and keeps what there is when it is stopped itself."""
    from ..probe import hide_units, knock_out
    from ..probe.ablation import KnownScores

    named = units_of(trace.tokens, units, range(trace.prompt_length), trace.request.segments)
    wanted = np.eye(len(named), dtype=bool) if asked is None else asked
    before = load_probe(trace, units, mode, asked, partial=True)
    known = KnownScores()
    if before is not None:
        known.base, known.rows = before.base, {i: before.logprobs[i] for i in before.parameters["scored"]}
    began = saved = time.monotonic()
    spent = 0.0 if before is None else before.seconds

    def keep() -> None:
        if known.base is None or not known.rows:
            return
        scored = sorted(known.rows)
        rows = np.full((len(wanted), len(known.base)), np.nan, np.float32)
        rows[scored] = [known.rows[i] for i in scored]
        settings = {"units": units, "each": asked is None, "scored": scored}
        seconds = round(spent + time.monotonic() - began, 3)
        save_probe(Probe(trace.id, named, wanted, rows, known.base, mode, parameters=settings, seconds=seconds))  # type: ignore[arg-type]

    def tell(fraction: float | None, text: str, stream: str | None = None) -> None:
        nonlocal saved
        if time.monotonic() - saved > KEEP_EVERY:
            saved = time.monotonic()
            keep()
        progress(fraction, text, stream)

    make = partial(knock_out, model, trace) if asked is None else partial(hide_units, model, trace, asked)
    try:
        probe = make(units, mode, known=known, progress=tell, cancelled=cancelled)
    except BaseException:
        with suppress(StoreError):  # the run was deleted meanwhile
            keep()
        raise
    if before is None:
        work = tokens_anew(trace, named, wanted, mode)
        note_speed(trace.request.model, trace.model.parameters, "variants", work, probe.seconds)
    return replace(probe, seconds=round(spent + probe.seconds, 3))


def heads_work(what: Request, layer: int) -> Work:
    """Returns the job that reads every head of one layer of a stored run again; its result is the run's id."""

    def do(progress: Progress, cancelled: IsCancelled) -> str:
        from ..probe import read_heads

        model, request = prepare(what, progress, cancelled)
        trace = load_run(request) or capture_and_save(model, request, progress, cancelled)
        heads = [(layer, head) for head in range(trace.model.heads)]
        return save_run(read_heads(model, trace, heads, progress=progress, cancelled=cancelled))

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
            work = attribution_tokens(trace, kind, step)
            note_speed(trace.request.model, trace.model.parameters, kind, work, found.seconds)
            save_attribution(found)
        return trace.id

    return do


def switch_off_work(what: Draft | Request, parts: Sequence[Part] = ()) -> Work:
    """Returns the job that switches off each of ``parts`` of a run's model alone; its result is the run's id.

    None given: every head. What it makes is found by ``load_switched_off(run_id, parts or all_heads(trace.model))``.
    """

    def do(progress: Progress, cancelled: IsCancelled) -> str:
        from ..probe import switch_off

        model, request = prepare(what, progress, cancelled)
        trace = _trace(model, request, progress, cancelled)
        asked = tuple(parts) or all_heads(trace.model)
        if load_switched_off(trace.id, asked) is None:
            found = switch_off(model, trace, asked, progress=progress, cancelled=cancelled)
            _stop(cancelled)
            work = switched_tokens(trace, asked)
            note_speed(trace.request.model, trace.model.parameters, "switched off", work, found.seconds)
            save_switched_off(found)
        return trace.id

    return do


def switch_off_time(trace: Trace, parts: Sequence[Part] = ()) -> TimeEstimate:
    """Estimates how long the job of ``switch_off_work`` takes."""
    return estimate_switch_off(trace, tuple(parts) or all_heads(trace.model))


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
