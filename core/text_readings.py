"""Lets a model read a text, or returns the stored reading of the same request. Used by notebooks, jobs and pages.

``text_maps`` is the entry point for notebooks. A ``TextDraft`` holds what a person filled in; ``draft_text_request``
makes the request of it where the model is known without loading it, so that stored maps are found before torch is
imported. Guarded by tests/core/test_text_readings.py.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from .errors import NotFetched, StoreError
from .models.model_key import resolve
from .progress import IsCancelled, Progress, never_cancelled, no_progress
from .records import ModelKey, TextReading, TextRequest
from .runs import loading_progress
from .settings import versions
from .store import evict_rows, has_maps, load_maps, save_maps

LOG = logging.getLogger("heed")


@dataclass(frozen=True)
class TextDraft:
    """What a person filled in: a model by name, and a text (or pair) for it to read, see ``TextRequest``."""

    model: str
    text: str = ""
    second: str = ""
    token_ids: tuple[int, ...] = ()
    max_new_tokens: int = 64

    def request(self, key: ModelKey) -> TextRequest:
        """Returns the request for the model of this key. Raises PromptError for what cannot be read."""
        return TextRequest(key, self.text, self.second, self.token_ids, self.max_new_tokens, versions())


def draft_text_request(draft: TextDraft) -> TextRequest | None:
    """Returns the request of ``draft``, or None if the model must be fetched before it has a fingerprint.

    Raises PromptError or ModelError for what cannot be read at all.
    """
    try:
        return draft.request(resolve(draft.model))
    except NotFetched:
        draft.request(ModelKey(draft.model, ""))  # raises for a bad text now, not after a download
        return None


def text_maps(
    what: TextDraft | TextRequest, progress: Progress = no_progress, cancelled: IsCancelled = never_cancelled
) -> TextReading:
    """Returns the stored reading of ``what``, or makes and stores it; a stored one needs no torch and no model.

    Raises PromptError, ModelError, CaptureError, MethodError, Cancelled.
    """
    request = what if isinstance(what, TextRequest) else draft_text_request(what)
    if request is not None and (found := _stored(request)) is not None:
        return found
    model, request = _prepared(what, progress, cancelled)
    return _stored(request) or _made(model, request, progress, cancelled)


def _prepared(what: TextDraft | TextRequest, progress: Progress, cancelled: IsCancelled) -> tuple[Any, TextRequest]:
    """Loads the model of ``what``, fetching it if needed, and returns it with the request."""
    from .models import load_model

    model = load_model(what.model, progress=loading_progress(progress), cancelled=cancelled)
    return model, what if isinstance(what, TextRequest) else what.request(model.key)


def _stored(request: TextRequest) -> TextReading | None:
    try:
        return load_maps(request) if has_maps(request) else None
    except StoreError as error:
        LOG.warning("Stored maps cannot be used: %s", error)
        return None


def _made(model: Any, request: TextRequest, progress: Progress, cancelled: IsCancelled) -> TextReading:
    """Reads the text and stores what comes of it; returned is what was stored, so that the same comes back later."""
    from .capture import read_text

    reading = read_text(model, request, progress, cancelled)
    try:
        save_maps(reading)
        kept = load_maps(request)
        evict_rows()
    except StoreError as error:
        LOG.warning("The maps could not be kept: %s", error)
        return reading
    return kept or reading
