"""The job that lets a model read a text and stores its attention maps; the result is the id of the stored reading.

Guarded by tests/core/test_jobs_maps_jobs.py.
"""

from __future__ import annotations

from ..models.catalogue import CATALOGUE
from ..models.model_key import known_ref
from ..probe.time_estimate import TimeEstimate, estimate_request
from ..progress import IsCancelled, Progress
from ..records import Request, TextRequest
from ..text_readings import TextDraft, text_maps
from .job import Work


def maps_work(what: TextDraft | TextRequest) -> Work:
    """Returns the job of one text: its result is the id for ``load_maps``. A stored text is not read again."""

    def do(progress: Progress, cancelled: IsCancelled) -> str:
        return text_maps(what, progress, cancelled).id

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
