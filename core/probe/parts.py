"""What the same answer loses without named parts of the prompt, masked and removed, all in one batch: for studies.

``knock_out`` takes every unit of one granularity; a study asks for a few parts that may lie inside each other (an
instruction inside the segment that holds all instructions), in both ways at once, thousands of times. So the parts
are plain spans of the user's text and both ways share one scoring of the answer as it is. Guarded by
tests/core/test_probe_parts.py: equal to ``knock_out`` by segments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from core.capture.running import told
from core.errors import PromptError
from core.models.hidden import leaks
from core.probe.knocking import HALF, MODES
from core.probe.scoring import Cancel, Scorer, Variant
from core.quiet import never, silent
from core.records import Segment, Span, Trace
from core.text.groups import segment_share
from core.text.render import render
from core.text.without import without

_tried: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


def without_parts(
    model: Any,
    trace: Trace,
    parts: Mapping[str, Sequence[Span]],
    *,
    modes: Sequence[str] = MODES,
    cancelled: Cancel = never,
) -> dict[tuple[str, str], np.ndarray]:
    """{(part, mode): float32 [T] nats of log-probability lost at each step}; NaN where it cannot be made.

    ``mode`` "mask" hides the part from every other token with positions kept; "remove" renders the prompt without it.
    NaN: a part that fills no half of any token, a prompt of which nothing would remain, a model from which words
    cannot be hidden. Raises CaptureError, Cancelled.
    """
    nothing = np.full(trace.steps, np.nan, np.float32)
    prompt, answer = trace.token_ids[: trace.prompt_length], trace.token_ids[trace.prompt_length :]
    out = {(name, mode): nothing for name in parts for mode in modes}
    if trace.steps == 0:
        return out
    with model.lock, told(model.ref.label):
        able = [m for m in modes if m != "mask" or _hides(model)]
        made = {key: _variant(model, trace, prompt, parts[key[0]], key[1]) for key in out if key[1] in able}
        wanted = {key: variant for key, variant in made.items() if variant is not None}
        if not wanted:
            return out
        scorer = Scorer(model, prompt, answer, cancelled)
        logs = scorer.score(list(wanted.values()), silent, "Without a part")
    return out | dict(zip(wanted, scorer.base[None] - logs, strict=True))


def _hides(model: Any) -> bool:
    """True where words can be hidden from this model: tried once, since a study asks for every run."""
    if model.ref.attention == "none":
        return False
    known = _tried.get(model.hf)
    if known is None:
        known = _tried[model.hf] = not leaks(model.hf)
    return known


def _variant(model: Any, trace: Trace, prompt: np.ndarray, spans: Sequence[Span], mode: str) -> Variant | None:
    if mode == "mask":
        hidden = hidden_by(trace, spans)
        return Variant(prompt, hidden) if hidden.any() else None
    try:
        shorter = without(trace.request, spans)
        if shorter is trace.request:
            return None
        return Variant(render(model.tokenizer, shorter, has_template=model.ref.has_template).tokens.ids)
    except PromptError:
        return None


def hidden_by(trace: Trace, spans: Sequence[Span]) -> np.ndarray:
    """bool [P]: at least half of the token's characters lie in the spans."""
    share = np.zeros(len(trace.tokens), np.float32)
    for message, start, end in spans:
        share += segment_share(trace.tokens, Segment("part", message, start, end))
    return share[: trace.prompt_length] >= HALF
