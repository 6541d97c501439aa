"""Runs a model on a prompt, or returns the stored run of the same request. Used by notebooks, shell, jobs and pages.

``run`` is the entry point for notebooks. A ``Draft`` holds what a person filled in; ``draft_request`` makes the Request
of it where the model is known without loading it, so that a stored answer is found before torch is imported;
``prepare`` loads what a run needs; ``capture_and_save`` makes and stores it. A run that is cancelled or fails stores
nothing. Guarded by tests/core/test_runs.py.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .capture.build_request import PromptInput, make_request
from .checks import check_switch
from .errors import Cancelled, ModelError, NotFetched, StoreError
from .log.events import log_event
from .models.memory_estimate import size_text
from .models.model_key import known_ref, resolve
from .models.precision import split_precision
from .models.token_count import check_fits
from .progress import FetchProgress, IsCancelled, Progress, never_cancelled, no_progress
from .records import UNKNOWN_LAYERS, WITH_HEADS, ModelKey, Request, Trace, rows_bytes
from .settings import rows_limit
from .speeds import note_speed
from .store import has_components, has_rows, has_run, load_run, open_run, run_origin, save_run
from .text.document_text import prompt_with_documents

LOG = logging.getLogger("heed")


def run(
    model: Any,
    prompt: PromptInput,
    *,
    answer: str | Sequence[int] | None = None,
    documents: Sequence[Any] = (),
    raw: bool = False,
    cache: bool = True,
    dtype: Any = None,
    device: str | None = None,
    **settings: Any,
) -> Trace:
    """Runs ``model`` on ``prompt`` and returns the Trace; an identical request is answered from the store.

    ``model``: what ``load_model`` returned, or a name as it takes them; by name, a stored answer needs no torch and no
    model in memory. ``prompt``: a string (one user message where the model has a chat template, else raw text;
    ``raw=True`` forces raw), chat messages ``[{"role": ..., "content": ...}]``, or token ids. ``[[instruction: ...]]``
    (context, example, question) names a segment and is stripped. ``documents``: paths (.txt, .md, .pdf) or passages,
    put before the prompt as a ``context`` each. ``answer``: text or ids to score instead of generating.
    ``cache=False`` neither looks into the store nor keeps the run. ``dtype`` and ``device``: as ``load_model`` takes
    them, for a model given by name (``"NAME as 4-bit"`` does the same). ``settings``: max_new_tokens (64), temperature
    (0 = greedy), top_p, seed, stop, system ("keep" or "none"), thinking (False), author (who wrote a given answer),
    keep ("all", "reduced", "none", "components"). Raises PromptError, CaptureError, ModelError.
    """
    own_text = check_switch("Raw", raw)
    use_store = check_switch("Cache", cache)
    prompt = prompt_with_documents(prompt, documents) if len(documents) else prompt
    loaded, key, has_template = _look_up(model, dtype, device)
    request = make_request(key, prompt, answer=answer, raw=own_text or not has_template, **settings)
    found = stored_run(request) if use_store else None
    if found is not None:
        return found
    from .capture import capture

    if loaded is None:
        check_fits(request)
    trace = capture(loaded or _load(key), request)
    if use_store:
        try:
            save_run(trace)
        except StoreError as error:
            LOG.warning("The run could not be kept: %s", error)
    return trace


def _look_up(model: Any, dtype: Any, device: str | None) -> tuple[Any, ModelKey, bool]:
    """Returns (the model if loaded, its key, whether it has a chat template), loading it only if needed for that."""
    if isinstance(model, (str, Path, ModelKey)):
        try:
            key = resolve(model if isinstance(model, ModelKey) else str(model), dtype=dtype, device=device)
            ref = known_ref(key)
        except NotFetched:
            ref = None
        if ref is not None:
            return None, key, ref.has_template
        model = _load(model if isinstance(model, ModelKey) else str(model), dtype, device)
    else:
        from .capture.run_model import check_model

        check_model(model)
        otherwise = dtype is not None or device is not None
        if otherwise and resolve(model.key, dtype=dtype, device=device) != model.key:
            raise ModelError(
                f"This model is loaded in {model.key.dtype} on {model.key.device}: give its name to run it otherwise, "
                f"or load it so with load_model({model.key.name!r}, dtype=..., device=...)."
            )
    return model, model.key, model.ref.has_template


def _load(name: str | ModelKey, dtype: Any = None, device: str | None = None) -> Any:
    from .models import load_model

    return load_model(name, dtype=dtype, device=device)


def stored_run(request: Request) -> Trace | None:
    """Returns the stored run of ``request`` with the rows that it keeps; None where there is none or it is damaged."""
    try:
        return load_run(request) if is_stored(request) else None
    except StoreError as error:
        LOG.warning("A stored run cannot be used: %s", error)
        return None


def is_stored(request: Request, rows: bool = True) -> bool:
    """Returns whether this request's run is stored, with the attention rows that it keeps unless ``rows`` is False.

    Reads no rows. A damaged run counts as none, and so does one that was opened from a file, so that it is made here.
    """
    if not rows:
        return has_run(request.id)
    try:
        found = open_run(request.id, rows=False)
    except StoreError as error:
        LOG.warning("A stored run cannot be used: %s", error)
        return False
    if found is None or run_origin(request.id) == "imported":
        return False
    known = found.model.kind == "decoder" and UNKNOWN_LAYERS not in found.notes
    if request.keep == "components" and known and not has_components(request.id):
        return False
    if found.model.attention == "none" or request.keep == "none":
        return True
    if request.keep in WITH_HEADS and _too_large(found):
        return True  # what fits was kept
    if request.keep in WITH_HEADS and found.model.attention == "dispatch" and found.norms is None:
        return False  # made before 0.5.0: what heads write is missing
    return has_rows(request.id) and found.request.keep in (*WITH_HEADS, request.keep)


def _too_large(trace: Trace) -> bool:
    """Returns whether the rows of every head would not fit into what one run may take, and reductions lie there."""
    maps = trace.model.heads * len(trace.model.attention_layers)
    return rows_bytes(maps, trace.prompt_length, trace.steps) > rows_limit()


@dataclass(frozen=True)
class Draft:
    """What a person filled in: a model by name, a prompt, and settings as ``make_request`` takes them."""

    model: str
    prompt: PromptInput
    answer: str | None = None
    raw: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    def request(self, key: ModelKey) -> Request:
        """Returns the Request for the model of this key. Raises PromptError for what cannot be run."""
        return make_request(key, self.prompt, answer=self.answer, raw=self.raw, **self.settings)

    @property
    def name(self) -> str:
        """Key of this draft: equal for two sessions whose drafts are equal."""
        return json.dumps([self.model, self.prompt, self.answer, self.raw, dict(self.settings)], default=str)


def draft_request(draft: Draft) -> Request | None:
    """Returns the request of ``draft``, or None if the model must be fetched before it has a fingerprint.

    Raises PromptError or ModelError for what cannot be run at all.
    """
    try:
        key = resolve(draft.model)
    except NotFetched:
        draft.request(ModelKey(draft.model, ""))  # raises for bad settings now, not after a download
        return None
    return draft.request(key)


def prepare(
    what: Draft | Request, progress: Progress = no_progress, cancelled: IsCancelled = never_cancelled
) -> tuple[Any, Request]:
    """Loads the model of ``what``, fetching it if needed, and returns it with the request (made here for a Draft)."""
    from .models import load_model

    asked = what if isinstance(what, Request) else draft_request(what)
    if asked is not None:
        check_fits(asked)
    model = load_model(what.model, progress=loading_progress(progress), cancelled=cancelled)
    return model, what if isinstance(what, Request) else what.request(model.key)


def capture_and_save(
    model: Any, request: Request, progress: Progress = no_progress, cancelled: IsCancelled = never_cancelled
) -> Trace:
    """Runs ``request``, stores the Trace and returns it. Raises Cancelled, and then nothing is stored."""
    from .capture import capture

    progress(None, "Reading the prompt")
    times = [time.monotonic()]

    def tell(fraction: float | None, text: str, stream: str | None = None) -> None:
        if stream is not None and len(times) == 1:
            times.append(time.monotonic())  # the first token is written: the prompt has been read
        progress(fraction, text, stream)

    trace = capture(model, request, tell, cancelled)
    if cancelled():
        raise Cancelled("Stopped.")
    save_run(trace)
    times.append(time.monotonic())
    _note(trace, times)
    log_event(
        "run_made",
        run=trace.id,
        model=trace.model.key.name,
        device=trace.model.key.device,
        tokens_in=trace.prompt_length,
        tokens_out=trace.steps,
        seconds=round(times[-1] - times[0], 3),
        asked=request,
    )
    return trace


def _note(trace: Trace, times: list[float]) -> None:
    """Keeps the speed of a run, for estimates; ``times``: begun, where it wrote the first token written, stored."""
    ref = trace.model
    if trace.request.scored:
        note_speed(ref.key, ref.parameters, "read", len(trace.tokens), times[-1] - times[0])
    elif len(times) == 3:
        note_speed(ref.key, ref.parameters, "prompt", trace.prompt_length, times[1] - times[0])
        note_speed(ref.key, ref.parameters, "write", trace.steps, times[2] - times[1])


def make_run(what: Draft | Request, progress: Progress, cancelled: IsCancelled) -> str:
    """Makes the run of ``what`` unless it is stored, and returns its id."""
    if isinstance(what, Request) and is_stored(what):
        return what.id
    model, request = prepare(what, progress, cancelled)
    if not is_stored(request):
        capture_and_save(model, request, progress, cancelled)
    return request.id


def loading_progress(progress: Progress) -> FetchProgress:
    """Returns a callback for ``load_model`` that reports its progress through a run's ``progress``."""

    def tell(what: str, done: int, total: int) -> None:
        if what.startswith("Download") and total:
            progress(done / total, f"{what}: {size_text(done)} of {size_text(total)}")
        else:
            progress(done / total if total else None, f"{what} the model" if " " not in what else what)

    return tell


READS = ("system", "thinking", "date", "steer")
"""Settings that apply when an answer is scored instead of generated."""


def draft_prompt(draft: Draft) -> str:
    """Returns the text to edit: a raw prompt, or the last message; empty where there is none (token ids)."""
    if isinstance(draft.prompt, str):
        return draft.prompt
    last: Any = draft.prompt[-1] if len(draft.prompt) else ""
    return str(last.get("content", "")) if isinstance(last, Mapping) else str(getattr(last, "content", ""))


def draft_with_prompt(draft: Draft, text: str) -> Draft:
    """Returns ``draft`` with another last message (or raw prompt)."""
    if isinstance(draft.prompt, str):
        return replace(draft, prompt=text)
    last: Any = draft.prompt[-1]
    role = last["role"] if isinstance(last, Mapping) else last.role
    return replace(draft, prompt=[*draft.prompt[:-1], {"role": role, "content": text}])


def reading_draft(draft: Draft, trace: Trace, author: str = "") -> Draft:
    """Returns ``draft`` as a run that scores the answer of ``trace`` instead of generating one.

    The answer is given as text, so that pasting the same answer elsewhere finds the same run; as token ids only where
    it was cut inside a character, which text cannot hold.
    """
    answer: Any = trace.answer
    if "\ufffd" in answer and split_precision(draft.model)[0] == trace.request.model.name:
        answer = tuple(int(i) for i in trace.token_ids[trace.prompt_length + trace.answer_steps])
    settings = {name: draft.settings[name] for name in READS if name in draft.settings}
    return replace(draft, answer=answer, settings=settings | ({"author": author} if author else {}))


def sampling_draft(draft: Draft, temperature: float, seed: int) -> Draft:
    """Returns ``draft`` as a run that samples its answer."""
    kept = {name: value for name, value in draft.settings.items() if name != "author"}
    return replace(draft, answer=None, settings=kept | {"temperature": temperature, "seed": seed})
