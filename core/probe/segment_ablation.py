"""Ablates named parts of the prompt, masked and removed, in one batch: for studies.

``knock_out`` takes every unit of one granularity; a study needs a few parts that may lie inside each other (an
instruction inside the segment that holds all instructions), in both modes at once, thousands of times. So the parts are
plain spans of the user's text and both modes share one scoring of the answer under the full prompt. Guarded by
tests/core/test_probe_segment_ablation.py: equal to ``knock_out`` by segments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..capture.run_model import capture_errors
from ..capture.steering_rules import leaks
from ..errors import PromptError
from ..progress import IsCancelled, never_cancelled, no_progress
from ..records import MessageSpan, Trace
from ..text.deletion import delete_spans
from ..text.render import render
from ..text.token_groups import tokens_in_spans
from .ablation import PROBE_MODES
from .encdec_scoring import encdec_leaks
from .scorers import make_scorer
from .variant_scoring import Variant


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
