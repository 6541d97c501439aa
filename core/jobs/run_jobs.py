"""The main job: from what a person asked to a stored run. What pages submit and workers execute.

``ask`` makes the Request where that is possible without a model (so that a stored answer is found at once);
``work`` loads, captures and stores. A cancelled or failed run stores nothing. Model libraries are imported by the
functions it calls, when they run. Guarded by tests/core/test_jobs_run_jobs.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..capture.build_request import PromptInput, make_request
from ..errors import Cancelled, NotFetched
from ..models.memory_estimate import size_text
from ..models.model_key import resolve, template_prints_date
from ..progress import FetchProgress, IsCancelled, Progress
from ..records import ModelKey, Request, Trace
from ..store import load_run, save_run
from .error_text import error_sentence
from .job import Work


@dataclass(frozen=True)
class Draft:
    """What a person filled in: a model by name, a prompt, and settings as ``make_request`` takes them."""

    model: str
    prompt: PromptInput
    answer: str | None = None
    raw: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    def request(self, key: ModelKey) -> Request:
        """Raises PromptError for what cannot be run."""
        dated = template_prints_date(self.model)
        return make_request(key, self.prompt, answer=self.answer, raw=self.raw, dated=dated, **self.settings)

    @property
    def name(self) -> str:
        """What two sessions that ask for the same share."""
        return json.dumps([self.model, self.prompt, self.answer, self.raw, dict(self.settings)], default=str)


def draft_request(draft: Draft) -> Request | None:
    """The request of ``draft``; None where the model must be fetched before it has a fingerprint.

    Raises PromptError or ModelError for what cannot be run at all.
    """
    try:
        key = resolve(draft.model)
    except NotFetched:
        draft.request(ModelKey(draft.model, ""))  # bad settings are told now, not after a download
        return None
    return draft.request(key)


def is_stored(request: Request) -> bool:
    """True when this very run is stored with its rows."""
    trace = load_run(request)
    return trace is not None and (trace.rows is not None or trace.model.attention == "none")


def run_work(draft: Draft) -> Work:
    """The job of ``draft``: its result is the id of the stored run."""

    def do(progress: Progress, cancelled: IsCancelled) -> str:
        from ..models import load_model

        model = load_model(draft.model, progress=loading_progress(progress), cancelled=cancelled)
        request = draft.request(model.key)
        if not is_stored(request):
            capture_and_save(model, request, progress, cancelled)
        return request.id

    return do


def capture_and_save(model: Any, request: Request, progress: Progress, cancelled: IsCancelled) -> Trace:
    """The run of ``request``, made now and stored; a cancelled one stores nothing. Raises Cancelled."""
    from ..capture import capture

    progress(None, "Reading the prompt")
    trace = capture(model, request, progress, cancelled)
    if cancelled():
        raise Cancelled("Stopped.")
    save_run(trace)
    return trace


@dataclass(frozen=True)
class Outcome:
    """What became of one draft: the id of its stored run, or why there is none."""

    run: str = ""
    error: str = ""


def run_all_work(drafts: Sequence[Draft], names: Sequence[str] = ()) -> Work:
    """One job for several drafts: its result is an ``Outcome`` a draft, in their order.

    Drafts of one model run one after another, so that it is loaded once. One that fails leaves the others alone;
    cancelling stops the one that runs and keeps what was finished. ``names`` are for the progress line.
    """
    order = sorted(range(len(drafts)), key=lambda i: [d.model for d in drafts].index(drafts[i].model))

    def do(progress: Progress, cancelled: IsCancelled) -> tuple[Outcome, ...]:
        found = [Outcome()] * len(drafts)
        for done, i in enumerate(order):
            name = names[i] if names else drafts[i].model
            try:
                found[i] = Outcome(run=str(run_work(drafts[i])(_part(progress, done, len(order), name), cancelled)))
            except Cancelled:
                raise
            except Exception as error:
                found[i] = Outcome(error=error_sentence(error))
        return tuple(found)

    return do


def _part(progress: Progress, done: int, of: int, name: str) -> Progress:
    """Progress of one of several runs, as a part of the whole."""
    head = f"{name} ({done + 1} of {of})" if of > 1 else name

    def tell(fraction: float | None, text: str, stream: str | None = None) -> None:
        progress((done + (fraction or 0.0)) / of, f"{head}: {text}", stream)

    return tell


def loading_progress(progress: Progress) -> FetchProgress:
    """What ``load_model`` tells, as a job's progress."""

    def tell(what: str, done: int, total: int) -> None:
        if what.startswith("Download") and total:
            progress(done / total, f"{what}: {size_text(done)} of {size_text(total)}")
        else:
            progress(done / total if total else None, f"{what} the model" if " " not in what else what)

    return tell
