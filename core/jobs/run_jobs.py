"""Jobs that make runs: pages submit them, workers execute them, and the result is the id of the stored run.

Guarded by tests/core/test_jobs_run_jobs.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import Cancelled, HeedError
from ..models.model_key import known_ref
from ..probe.time_estimate import estimate_request
from ..progress import IsCancelled, Progress
from ..records import Request
from ..runs import Draft, draft_request, make_run
from .error_text import error_sentence
from .job import Work


def run_work(what: Draft | Request) -> Work:
    """Returns the job of one run: its result is the id of the stored run. A stored Request is not run again."""
    return lambda progress, cancelled: make_run(what, progress, cancelled)


def run_seconds(request: Request | None) -> float | None:
    """Estimates the seconds of a run whose answer is as long as is asked for at most; None where the model is new."""
    ref = None if request is None else known_ref(request.model)
    return None if request is None or ref is None else estimate_request(request, ref.parameters).seconds


def drafts_seconds(drafts: Sequence[Draft]) -> float | None:
    """Estimates the seconds of the job of ``run_all_work``; None where a model is new or a draft cannot be run."""
    try:
        each = [run_seconds(draft_request(draft)) for draft in drafts]
    except HeedError:
        return None
    return None if None in each else sum(filter(None, each))


@dataclass(frozen=True)
class Outcome:
    """What became of one draft: the id of its stored run, or an error."""

    run: str = ""
    error: str = ""
    draft: str = ""
    """The draft's name."""


def run_all_work(drafts: Sequence[Draft], names: Sequence[str] = ()) -> Work:
    """Returns one job for several drafts: its result is an ``Outcome`` per draft, in their order.

    Drafts of one model run one after another, so that it is loaded once. One that fails leaves the others alone;
    cancelling stops the one that runs and keeps what was finished. ``names`` are for the progress line.
    """
    order = sorted(range(len(drafts)), key=lambda i: [d.model for d in drafts].index(drafts[i].model))

    def do(progress: Progress, cancelled: IsCancelled) -> tuple[Outcome, ...]:
        found = [Outcome()] * len(drafts)
        for done, i in enumerate(order):
            name = names[i] if names else drafts[i].model
            try:
                run = make_run(drafts[i], _part(progress, done, len(order), name), cancelled)
                found[i] = Outcome(run=run, draft=drafts[i].name)
            except Cancelled:
                raise
            except Exception as error:
                found[i] = Outcome(error=error_sentence(error), draft=drafts[i].name)
        return tuple(found)

    return do


def _part(progress: Progress, done: int, of: int, name: str) -> Progress:
    """Returns the progress callback of one of several runs, as a part of the whole."""
    head = f"{name} ({done + 1} of {of})" if of > 1 else name

    def tell(fraction: float | None, text: str, stream: str | None = None) -> None:
        progress((done + (fraction or 0.0)) / of, f"{head}: {text}", stream)

    return tell
