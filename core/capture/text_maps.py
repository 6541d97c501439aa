"""Lets a model read a text and keeps the attention of every token to every token: decoders, encoders and both in one.

A decoder's full causal square comes over the fast path like the rows of a run, only for all tokens; encoders and
encoder-decoders run eagerly. What an encoder-decoder writes is written greedily, or given. Guarded by
tests/core/test_capture_text_maps.py.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import torch

from ..errors import Cancelled, CaptureError, MethodError, PromptError
from ..models.attention import Recorder, recording
from ..models.eager_attention import Weights, encoder_pass, float_weights
from ..progress import IsCancelled, Progress, never_cancelled, no_progress
from ..records import START_TOKEN, AttentionMaps, MapTokens, Request, TextReading, TextRequest, Tokens
from ..text.detokenise import token_texts
from ..text.display_text import decode_stream
from ..text.given_answer import tokenise_target
from ..text.output_tokens import with_output
from ..text.render import render
from .decode import EAGER_LIMIT, OutputWatch, end_ids, generation_settings
from .encdec import empty_cache, output_rules, pass_over
from .encoder_inputs import encoder_inputs
from .masked_tokens import NO_HEAD, masked_tokens_of
from .run_model import capture_errors, check_model

MOST_WEIGHTS = 1 << 27
"""Weights of one reading (512 MB): 700 tokens of a model with 270 heads."""


def read_text(
    model: Any, request: TextRequest, progress: Progress = no_progress, cancelled: IsCancelled = never_cancelled
) -> TextReading:
    """Lets a loaded ``model`` (its key must be the request's) read a text. Holds the model's lock.

    Raises PromptError (what this kind of model cannot read), CaptureError (too long), MethodError (a model without
    attention), Cancelled.
    """
    check_model(model)
    if request.model != model.key:
        raise PromptError(f"The request asks for {request.model.name}, but the model given is {model.key.name}.")
    if model.ref.attention == "none":
        raise MethodError(f"{model.ref.label} has no attention: pick another model.")
    began = time.monotonic()
    progress(None, "Reading the text", None)
    with model.lock, capture_errors(model.ref.label):
        found = _READERS[model.ref.kind](model, request, progress, cancelled)
    if cancelled():
        raise Cancelled("Stopped.")
    return TextReading(
        request=request,
        model=model.ref,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began, 3),
        **found,
    )


def _check_size(model: Any, tokens: int, weights: int) -> None:
    """Raises CaptureError with the remedy for a text that the model cannot read or that has too many weights."""
    ref = model.ref
    limit = min(ref.context, EAGER_LIMIT) if ref.attention == "eager" else ref.context
    if tokens > limit:
        raise CaptureError(
            f"The text has {tokens:,} tokens, but {ref.label} reads at most {limit:,} here: shorten the text."
        )
    if weights > MOST_WEIGHTS:
        room = int(tokens * (MOST_WEIGHTS / weights) ** 0.5)
        raise CaptureError(
            f"Every token to every token are {weights:,} weights of {tokens:,} tokens, more than are kept: shorten the "
            f"text to {room:,} tokens."
        )


def _prompt(model: Any, request: TextRequest) -> Tokens:
    """Returns the tokens of the text as raw text, or the given ones."""
    given: dict[str, Any] = {"token_ids": request.token_ids} if request.token_ids else {"text": request.text}
    return render(model.tokenizer, Request(request.model, **given), has_template=False).tokens


def _side(tokens: Tokens, part: str = "") -> MapTokens:
    """Returns the tokens of a text as one side of a map."""
    special = np.array([role == "template" for role in tokens.roles])
    return MapTokens(tokens.texts, special, tuple("" if mark else part for mark in special))


def _stacked(layers: Weights) -> np.ndarray:
    """Returns float32 [layer, head, query, key] of {layer: [1, head, query, key]}; NaN for heads that a layer lacks."""
    heads = max(weights.shape[1] for weights in layers.values())
    first = next(iter(layers.values()))
    out = np.full((len(layers), heads, *first.shape[2:]), np.nan, np.float32)
    for place, weights in enumerate(layers.values()):
        out[place, : weights.shape[1]] = weights[0].float().cpu().numpy()
    return out


def _read_decoder(model: Any, request: TextRequest, progress: Progress, cancelled: IsCancelled) -> dict[str, Any]:
    if request.second:
        raise PromptError(f"{model.ref.label} is a decoder, which reads one text: leave the second text empty.")
    tokens, ref = _prompt(model, request), model.ref
    count = len(tokens)
    _check_size(model, count, len(ref.attention_layers) * ref.heads * count**2)
    ids = torch.tensor([tokens.ids.tolist()], device=model.hf.device)
    settings: dict[str, Any] = {"use_cache": False}
    if "logits_to_keep" in inspect.signature(model.hf.forward).parameters:
        settings["logits_to_keep"] = 1
    values = np.full((len(ref.attention_layers), ref.heads, count, count), np.nan, np.float32)
    place = {layer: at for at, layer in enumerate(ref.attention_layers)}

    def emit(layers: list[int], first: int, start: int, weights: torch.Tensor) -> None:
        for layer, found in zip(layers, weights[:, 0].float().cpu().numpy(), strict=True):
            heads, rows, keys = found.shape
            block = values[place[layer], :heads, first : first + rows]
            block[:] = 0  # what a window leaves out is not passed on
            block[..., start : start + keys] = found

    if ref.attention == "eager":
        settings["output_attentions"] = True
    with torch.no_grad(), recording(Recorder(emit, count, cancelled, at_once=True)):
        out = model.hf(input_ids=ids, attention_mask=torch.ones_like(ids), **settings)
    if ref.attention == "eager":
        for layer, weights in zip(ref.attention_layers, float_weights(out.attentions).values(), strict=True):
            emit([layer], 0, 0, weights[None])
    side = _side(tokens)
    return {"maps": (_maps(model, request, values, side, side, kind="self", causal=True),)}


def _maps(
    model: Any, request: TextRequest, values: np.ndarray, queries: MapTokens, keys: MapTokens, **about: Any
) -> AttentionMaps:
    layers = model.ref.attention_layers if model.ref.kind == "decoder" else ()
    return AttentionMaps(values, queries, keys, layers=layers, source=model.ref.caption, request=request, **about)


def _read_encoder(model: Any, request: TextRequest, progress: Progress, cancelled: IsCancelled) -> dict[str, Any]:
    inputs = encoder_inputs(model, request.text, request.second, request.token_ids)
    count = len(inputs.tokens)
    _check_size(model, count, len(model.ref.attention_layers) * model.ref.heads * count**2)
    layers, out = encoder_pass(model.hf, inputs.tensors)
    logits = getattr(out, "logits", None)
    masks = bool((inputs.ids == model.tokenizer.mask_token_id).any()) if model.tokenizer.mask_token else False
    return {
        "maps": (_maps(model, request, _stacked(layers), inputs.tokens, inputs.tokens, kind="encoder"),),
        "masked": () if logits is None or not masks else masked_tokens_of(model, inputs, logits),
        "notes": (NO_HEAD,) if masks and logits is None else (),
    }


def _read_both(model: Any, request: TextRequest, progress: Progress, cancelled: IsCancelled) -> dict[str, Any]:
    tokens, ref = _prompt(model, request), model.ref
    count = len(tokens)
    _check_size(model, count, len(ref.attention_layers) * ref.heads * count**2)
    if request.second:
        asked = Request(request.model, text=request.second, answer=request.second)
        output = tokenise_target(model.tokenizer, asked).ids
        _check_size(model, len(output), len(ref.attention_layers) * ref.heads * len(output) * max(count, len(output)))
    else:
        output = _written(model, request, tokens, progress, cancelled)
    progress(None, f"Reading {count + len(output)} tokens", None)
    found = pass_over(model.hf, tokens.ids.tolist(), output)
    whole = with_output(model.tokenizer, tokens, output, end_ids=end_ids(model.hf))
    marks = np.array([m < 0 for m in whole.message[count:]])
    texts = token_texts(model.tokenizer, output)
    read, wrote = _side(tokens, "input"), MapTokens(texts, marks, tuple("" if m else "output" for m in marks))
    behind = MapTokens((START_TOKEN, *texts[:-1]), np.r_[True, marks[:-1]], ("", *wrote.parts[:-1]))
    return {
        "maps": (
            _maps(model, request, _stacked(found.encoder), read, read, kind="encoder"),
            _maps(model, request, _stacked(found.decoder), behind, behind, kind="self", causal=True),
            _maps(model, request, _stacked(found.cross), wrote, read, kind="cross"),
        ),
        "written": whole.sources[-1].text,
    }


def _written(
    model: Any, request: TextRequest, tokens: Tokens, progress: Progress, cancelled: IsCancelled
) -> tuple[int, ...]:
    """Returns the ids that an encoder-decoder writes greedily."""
    hf = model.hf
    ids = torch.tensor([tokens.ids.tolist()], device=hf.device)
    asked = Request(request.model, text="-", max_new_tokens=min(request.max_new_tokens, model.ref.context))
    watch = OutputWatch(partial(decode_stream, model.tokenizer), asked, 1, progress, cancelled)
    with torch.no_grad():
        out = hf.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            generation_config=generation_settings(hf, asked, False),
            logits_processor=output_rules(model),
            stopping_criteria=[watch],
            past_key_values=empty_cache(),
        )
    return tuple(out.sequences[0, 1:].tolist())


_READERS: Mapping[str, Any] = {"decoder": _read_decoder, "encoder": _read_encoder, "encdec": _read_both}
