"""Jobs that let a model read a text, several texts, or one text with every checkpoint of a model in training.

Guarded by tests/core/test_jobs_maps_jobs.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..models.catalogue import CATALOGUE
from ..models.model_key import known_ref
from ..probe.time_estimate import TimeEstimate, estimate_request
from ..progress import IsCancelled, Progress, no_progress
from ..records import Request, TextRequest
from ..text_readings import TextDraft, text_maps
from .job import Work


def maps_work(what: TextDraft | TextRequest) -> Work:
    """Returns the job of one text: its result is the id for ``load_maps``. A stored text is not read again."""

    def do(progress: Progress, cancelled: IsCancelled) -> str:
        return text_maps(what, progress, cancelled).id

    return do


def sentences_work(what: Sequence[TextDraft | TextRequest]) -> Work:
    """Returns the job of several texts, one after another; its result are the ids for ``load_maps``.

    Cancelled, it keeps those that were read.
    """

    def do(progress: Progress, cancelled: IsCancelled) -> tuple[str, ...]:
        found = []
        for done, text in enumerate(what):
            progress(done / len(what), f"Text {done + 1} of {len(what)}")
            found.append(text_maps(text, no_progress, cancelled).id)
        return tuple(found)

    return do


def checkpoints_work(folder: str | Path, text: str) -> Work:
    """Returns the job of ``read_checkpoints``: its result is (name, AttentionMaps) of each checkpoint, in order."""

    def do(progress: Progress, cancelled: IsCancelled) -> Any:
        from ..capture.checkpoint_maps import read_checkpoints

        return read_checkpoints(folder, text, progress, cancelled)

    return do


def maps_time(request: TextRequest | None) -> TimeEstimate | None:
    """Estimates how long the job of ``maps_work`` takes; None where nothing is known of the model."""
    if request is None:
        return None
    ref, entry = known_ref(request.model), CATALOGUE.get(request.model.name)
    parameters = ref.parameters if ref is not None else entry.parameters if entry is not None else 0
    read = request.second or "-"
    given = {"token_ids": request.token_ids} if request.token_ids else {"text": request.text}
    asked = Request(request.model, answer=read, **given)
    return estimate_request(asked, parameters) if parameters else None
