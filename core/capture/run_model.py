"""Renders the prompt of a Request, runs the loaded model once and returns everything captured as one Trace.

The caller loads the model and makes the Request; ``core.runs`` does both and stores the result. Guarded by
tests/core/test_capture_run_model.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ..checks import short_repr
from ..errors import NO_MEMORY, CaptureError, HeedError, ModelError, PromptError, error_reason, is_out_of_memory
from ..progress import IsCancelled, Progress, never_cancelled, no_progress
from ..records import UNKNOWN_LAYERS, Request, Trace, steering_label
from ..text.detokenise import token_texts
from ..text.display_text import decode_stream
from ..text.given_answer import tokenise_answer, tokenise_target
from ..text.output_tokens import with_output
from ..text.render import render
from ..text.rendered_prompt import RenderedPrompt as Prompted
from .component_recorder import ComponentRecorder
from .decode import Written, check_length, end_ids, generate, score_given
from .gather import Gather
from .steering_rules import check_steerable, steered, steering_of


def check_model(model: Any) -> None:
    """Raises ModelError for anything that ``load_model`` did not return, e.g. a name or a transformers model."""
    if not all(hasattr(model, name) for name in ("hf", "tokenizer", "ref", "lock")):
        raise ModelError(
            f"A run needs a model from load_model, not {short_repr(model)}: call load_model with a name, a folder or a "
            ".gguf file first."
        )


def check_writer(model: Any) -> None:
    """Raises ModelError for what ``load_model`` did not return, and for encoders, which write nothing."""
    check_model(model)
    if model.ref.kind == "encoder":
        raise ModelError(
            f"{model.ref.label} is an encoder: it writes no answer; "
            "look at it on Diagrams, or pick a model that writes."
        )


def capture(
    model: Any, request: Request, progress: Progress = no_progress, cancelled: IsCancelled = never_cancelled
) -> Trace:
    """Runs ``request`` on a loaded ``model`` (its key must be the request's). Holds the model's lock."""
    check_writer(model)
    if request.model != model.key:
        raise PromptError(f"The request asks for {request.model.name}, but the model given is {model.key.name}.")
    began = time.monotonic()
    prompt = render(model.tokenizer, request, has_template=model.ref.has_template)
    ids = prompt.tokens.ids.tolist()
    notes = prompt.notes + model.ref.notes
    answer: tuple[int, ...] = ()
    if request.scored:
        encdec = model.ref.kind == "encdec"
        asked = (
            tokenise_target(model.tokenizer, request) if encdec else tokenise_answer(model.tokenizer, prompt, request)
        )
        answer, notes = asked.ids, notes + asked.notes
    steps = len(answer) or request.max_new_tokens
    check_length(model, len(ids), steps)
    check_steerable(model, request.steering)
    steering = steering_of(prompt.tokens, len(ids), request, cancelled)
    with_parts = request.keep == "components" and model.ref.kind == "decoder"
    if request.keep == "components" and not with_parts:
        notes = (*notes, UNKNOWN_LAYERS)
    gather = Gather(
        *(prompt.tokens, request.segments, steps, request.keep, model.ref.attention_layers, model.hf.device),
        kind="cross" if model.ref.kind == "encdec" else "self",
        heads=model.ref.heads,
    )
    with model.lock, capture_errors(model.ref.label), steered(model.hf, steering):
        parts = ComponentRecorder(model, len(ids), len(answer) or 1, cancelled) if with_parts else None
        if answer:
            written = score_given(model, ids, answer, gather, progress, cancelled, parts)
        else:
            written = generate(
                model, request, ids, gather, partial(decode_stream, model.tokenizer), progress, cancelled, parts
            )
    progress(1.0, "Sorting what was read", None)
    trace = make_trace(model, request, prompt, notes, written, gather, time.monotonic() - began)
    if parts is None:
        return trace
    found, more = parts.finish(written.ids, written.scores.logprobs, partial(token_texts, model.tokenizer))
    return replace(trace, components=found, notes=tuple(dict.fromkeys(trace.notes + more)))


@contextmanager
def capture_errors(label: str) -> Iterator[None]:
    """Turns exceptions inside a model into a CaptureError with its cause: each family fails in its own way."""
    try:
        yield
    except HeedError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise CaptureError(NO_MEMORY) from error
        raise CaptureError(
            f"{label} failed while it ran ({error_reason(error)}): try another prompt or settings, or pick another "
            "model."
        ) from error


def make_trace(
    model: Any,
    request: Request,
    prompt: Prompted,
    notes: tuple[str, ...],
    written: Written,
    gather: Gather,
    seconds: float,
) -> Trace:
    """Builds the Trace of one finished run."""
    steps = len(written.ids)
    stop = request.stop if written.finish == "stop" else ()
    tokens = with_output(model.tokenizer, prompt, written.ids, end_ids=end_ids(model.hf), stop=stop)
    ids = written.scores.ids
    texts = token_texts(model.tokenizer, ids.ravel().tolist())
    return Trace(
        request=request,
        model=replace(model.ref, steered=steering_label(request.steering)),
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
        ranks=written.scores.ranks,
        encoder_rows=gather.beside.get("encoder"),
        decoder_rows=gather.beside.get("decoder"),
        norms=gather.norms(model.ref.attention_layers, steps),
        rendered=prompt.text,
        notes=tuple(dict.fromkeys(notes + gather.notes())),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
    )
