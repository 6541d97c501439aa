"""Request -> Trace: renders the prompt, runs the model once, and puts everything it saw into one record.

``run`` is the face for notebooks (a string or messages, settings by keyword); ``capture`` is what pages, jobs
and workers call with a ready Request. Guarded by tests/core/test_capture_run.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from core.capture.decode import Cancel, Progress, Written, check_length, end_ids, generate, read
from core.capture.request import Prompt, make_request
from core.capture.rows import Gather
from core.checks import shown, switch
from core.errors import NO_MEMORY, CaptureError, HeedError, ModelError, PromptError, is_memory, reason
from core.quiet import never, silent
from core.records import Request, Trace
from core.text.answer import given
from core.text.glyphs import decode_stream
from core.text.output import with_output
from core.text.pieces import token_texts
from core.text.prompt import Prompt as Prompted
from core.text.render import render
from core.text.template import inspect, template_text


def run(
    model: Any, prompt: Prompt, *, answer: str | Sequence[int] | None = None, raw: bool = False, **settings: Any
) -> Trace:
    """Runs ``model`` over ``prompt`` and returns the Trace.

    ``prompt``: a string (one user message where the model has a chat template, else raw text; ``raw=True`` forces
    raw), chat messages ``[{"role": ..., "content": ...}]``, or token ids. ``[[instruction: ...]]`` (context,
    example, question) names a segment and is stripped. ``answer``: text or ids to score instead of generating.
    ``settings``: max_new_tokens (64), temperature (0 = greedy), top_p, seed, stop, system ("keep" or "none"),
    thinking (False), author (who wrote a given answer), keep ("all", "reduced", "none").
    Raises PromptError, CaptureError; ModelError for a model that ``load_model`` did not give.
    """
    check_model(model)
    chat = not switch("Raw", raw) and model.ref.has_template
    request = make_request(
        model.key, prompt, answer=answer, raw=not chat, dated=prints_date(model.tokenizer), **settings
    )
    return capture(model, request)


def check_model(model: Any) -> None:
    """Raises ModelError for what ``load_model`` did not give, e.g. a name or a transformers model."""
    if not all(hasattr(model, name) for name in ("hf", "tokenizer", "ref", "lock")):
        raise ModelError(
            f"A run needs a model from load_model, not {shown(model)}: call load_model with a name, a folder or a "
            ".gguf file first."
        )


def prints_date(tokenizer: Any) -> bool:
    """True when the chat template prints the current date."""
    template = template_text(tokenizer)
    return template is not None and inspect(template).dated


def capture(model: Any, request: Request, progress: Progress = silent, cancelled: Cancel = never) -> Trace:
    """Runs ``request`` on a loaded ``model`` (its key must be the request's). Holds the model's lock."""
    check_model(model)
    if request.model != model.key:
        raise PromptError(f"The request asks for {request.model.name}, but the model given is {model.key.name}.")
    began = time.monotonic()
    prompt = render(model.tokenizer, request, has_template=model.ref.has_template)
    ids = prompt.tokens.ids.tolist()
    notes = prompt.notes + model.ref.notes
    answer: tuple[int, ...] = ()
    if request.scored:
        asked = given(model.tokenizer, prompt, request)
        answer, notes = asked.ids, notes + asked.notes
    steps = len(answer) or request.max_new_tokens
    check_length(model, len(ids), steps)
    gather = Gather(prompt.tokens, request.segments, steps, request.keep, model.ref.attention_layers, model.hf.device)
    with model.lock, told(model.ref.label):
        if answer:
            written = read(model, ids, answer, gather, progress, cancelled)
        else:
            written = generate(
                model, request, ids, gather, partial(decode_stream, model.tokenizer), progress, cancelled
            )
    progress(1.0, "Sorting what was read", None)
    return trace_of(model, request, prompt, notes, written, gather, time.monotonic() - began)


@contextmanager
def told(label: str) -> Iterator[None]:
    """What fails inside a model becomes a CaptureError, with its cause: each family fails in its own way."""
    try:
        yield
    except HeedError:
        raise
    except Exception as error:
        if is_memory(error):
            raise CaptureError(NO_MEMORY) from error
        raise CaptureError(
            f"{label} failed while it ran ({reason(error)}): try another prompt or settings, or pick another model."
        ) from error


def trace_of(
    model: Any,
    request: Request,
    prompt: Prompted,
    notes: tuple[str, ...],
    written: Written,
    gather: Gather,
    seconds: float,
) -> Trace:
    """Everything that one run saw, as its record."""
    steps = len(written.ids)
    stop = request.stop if written.finish == "stop" else ()
    tokens = with_output(model.tokenizer, prompt, written.ids, end_ids=end_ids(model.hf), stop=stop)
    ids = written.scores.ids
    texts = token_texts(model.tokenizer, ids.ravel().tolist())
    return Trace(
        request=request,
        model=model.ref,
        tokens=tokens,
        prompt_length=len(prompt.tokens),
        logprobs=written.scores.logprobs,
        entropy=written.scores.entropy,
        alternative_ids=written.scores.ids,
        alternative_logprobs=written.scores.top,
        alternative_texts=tuple(texts[i * ids.shape[1] : (i + 1) * ids.shape[1]] for i in range(steps)),
        groups=gather.groups,
        mass=gather.mass(model.ref.attention_layers, steps),
        finish=written.finish,
        rows=gather.rows(steps),
        rendered=prompt.text,
        notes=tuple(dict.fromkeys(notes)),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
    )
