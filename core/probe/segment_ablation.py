"""Ablates named parts of the prompt, masked and removed, in one batch: for studies.

``knock_out`` takes every unit of one granularity; a study needs a few parts that may lie inside each other (an
instruction inside the segment that holds all instructions), in both modes at once, thousands of times. So the parts are
plain spans of the user's text and both modes share one scoring of the answer under the full prompt. Several runs share
their passes where the model allows it (``packed_scoring``), and what they computed while they were written is not
computed again. Guarded by tests/core/test_probe_segment_ablation.py: equal to ``knock_out`` by segments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..capture.run_model import capture_errors
from ..capture.steering_rules import leaks
from ..errors import PromptError
from ..models.packed_attention import Prefix
from ..progress import IsCancelled, never_cancelled, no_progress
from ..records import MessageSpan, Trace
from ..text.deletion import delete_spans
from ..text.render import render
from ..text.token_groups import tokens_in_spans
from .ablation import PROBE_MODES
from .encdec_scoring import encdec_leaks
from .packed_scoring import PackedText, can_pack, score_and_keep, score_packed, whole_text
from .scorers import make_scorer
from .variant_scoring import (
    Variant,
    _plain_attention,
    joined_while,
    packable,
    packed_text,
    packs_fit,
    shared_tokens,
)


def ablate_segments(
    model: Any,
    trace: Trace,
    parts: Mapping[str, Sequence[MessageSpan]],
    *,
    modes: Sequence[str] = PROBE_MODES,
    cancelled: IsCancelled = never_cancelled,
) -> dict[tuple[str, str], np.ndarray]:
    """Returns {(part, mode): float32 [T], nats of log-probability lost at each step}; NaN where it cannot be made.

    ``mode`` "mask" hides the part from every other token with positions kept; "remove" renders the prompt without it.
    NaN: a part that covers no token by half, a prompt of which nothing would remain, a model from which words cannot be
    hidden. Raises CaptureError, Cancelled.
    """
    nothing = np.full(trace.steps, np.nan, np.float32)
    prompt = trace.token_ids[: trace.prompt_length]
    out = {(name, mode): nothing for name in parts for mode in modes}
    if trace.steps == 0:
        return out
    with model.lock, capture_errors(model.ref.label):
        able = [m for m in modes if m != "mask" or _hides(model)]
        made = {key: _variant(model, trace, prompt, parts[key[0]], key[1]) for key in out if key[1] in able}
        wanted = {key: variant for key, variant in made.items() if variant is not None}
        if not wanted:
            return out
        scorer = make_scorer(model, trace, cancelled)
        logs = scorer.score(dict(enumerate(wanted.values())), no_progress, "Without a part")
    return out | dict(zip(wanted, scorer.base[None] - logs, strict=True))


@dataclass(frozen=True, eq=False)
class RunParts:
    """A run and the parts of its prompt to ablate."""

    trace: Trace
    parts: Mapping[str, Sequence[MessageSpan]]
    past: Prefix | None = None
    """Keys and values of all its tokens but the last, where they were kept."""


Lost = dict[tuple[str, str], np.ndarray]
"""{(part, mode): float32 [T]}: what ``ablate_segments`` returns."""


def packs_runs(model: Any) -> bool:
    """Returns whether several runs of a loaded model can share the passes of ``ablate_runs``."""
    with model.lock:
        return model.ref.kind == "decoder" and _plain_attention(model) and can_pack(model)


def ablate_runs(model: Any, runs: Sequence[RunParts], *, cancelled: IsCancelled = never_cancelled) -> list[Lost]:
    """Returns what ``ablate_segments`` gives for each of ``runs``, in both modes, in passes that they share.

    Raises CaptureError, Cancelled.
    """
    if not packs_runs(model):
        return [ablate_segments(model, one.trace, one.parts, cancelled=cancelled) for one in runs]
    with model.lock, capture_errors(model.ref.label):
        able = [mode for mode in PROBE_MODES if mode != "mask" or _hides(model)]
        made = [_variants(model, one, able) for one in runs]
        packed = [
            i
            for i, some in enumerate(made)
            if some and all(map(packable, some.values())) and not runs[i].trace.request.steering
        ]
        bases = dict(zip(packed, _bases(model.hf, [runs[i] for i in packed], cancelled), strict=True))
        found = _scored(model.hf, runs, made, bases, cancelled)
    out = []
    for i, (one, some) in enumerate(zip(runs, made, strict=True)):
        if some and i not in bases:
            out.append(ablate_segments(model, one.trace, one.parts, cancelled=cancelled))
            continue
        nothing = np.full(one.trace.steps, np.nan, np.float32)
        lost = {(name, mode): nothing for name in one.parts for mode in PROBE_MODES}
        out.append(lost | {key: bases[i][0] - found[i, key] for key in some})
    return out


def _variants(model: Any, one: RunParts, modes: Sequence[str]) -> dict[tuple[str, str], Variant]:
    """Returns the variants of a run that can be made; none for an empty answer."""
    prompt = one.trace.token_ids[: one.trace.prompt_length]
    keys = [(name, mode) for name in one.parts for mode in modes] if one.trace.steps else []
    made = {key: _variant(model, one.trace, prompt, one.parts[key[0]], key[1]) for key in keys}
    return {key: variant for key, variant in made.items() if variant is not None}


def _bases(hf: Any, runs: Sequence[RunParts], cancelled: IsCancelled) -> list[tuple[np.ndarray, Prefix]]:
    """Returns (float32 [T] with nothing ablated, keys and values) of each run; those that it kept are taken as such."""
    texts = {
        i: whole_text(one.trace.token_ids[: one.trace.prompt_length], one.trace.token_ids[one.trace.prompt_length :])
        for i, one in enumerate(runs)
        if one.past is None
    }
    found = {i: (one.trace.logprobs, one.past) for i, one in enumerate(runs) if one.past is not None}
    for batch in joined_while(texts, lambda some: packs_fit(hf, [texts[i] for i in some])):
        found |= dict(zip(batch, score_and_keep(hf, [texts[i] for i in batch], cancelled), strict=True))
    return [found[i] for i in range(len(runs))]


Place = tuple[int, tuple[str, str]]
"""(run, (part, mode))."""


def _scored(
    hf: Any,
    runs: Sequence[RunParts],
    made: Sequence[Mapping[tuple[str, str], Variant]],
    bases: Mapping[int, tuple[np.ndarray, Prefix]],
    cancelled: IsCancelled,
) -> dict[Place, np.ndarray]:
    """Returns {(run, (part, mode)): float32 [T]}; variants of a run that are alike are scored once."""
    texts: dict[Any, PackedText] = {}
    named: dict[Place, Any] = {}
    for i, (_, prefix) in bases.items():
        trace = runs[i].trace
        prompt, answer = trace.token_ids[: trace.prompt_length], trace.token_ids[trace.prompt_length :]
        for key, variant in made[i].items():
            text = packed_text(variant, answer, shared_tokens(prompt, variant), prefix)
            named[i, key] = name = i, text.ids.tobytes(), text.positions.tobytes()
            texts.setdefault(name, text)
    found: dict[Any, np.ndarray] = {}
    for batch in joined_while(texts, lambda some: packs_fit(hf, [texts[name] for name in some])):
        found |= dict(zip(batch, score_packed(hf, [texts[name] for name in batch], cancelled), strict=True))
    return {place: found[name] for place, name in named.items()}


def _hides(model: Any) -> bool:
    """Returns whether words can be hidden from this model: tried once per model, since a study checks for every run."""
    return model.ref.attention != "none" and not (encdec_leaks if model.ref.kind == "encdec" else leaks)(model.hf)


def _variant(model: Any, trace: Trace, prompt: np.ndarray, spans: Sequence[MessageSpan], mode: str) -> Variant | None:
    if mode == "mask":
        hidden = tokens_in_spans(trace.tokens, spans)[: trace.prompt_length]
        return Variant(prompt, hidden) if hidden.any() else None
    if trace.request.steering:  # where the parts that are steered stand would change
        return None
    try:
        shorter = delete_spans(trace.request, spans)
        if shorter is trace.request:
            return None
        return Variant(render(model.tokenizer, shorter, has_template=model.ref.has_template).tokens.ids)
    except PromptError:
        return None
