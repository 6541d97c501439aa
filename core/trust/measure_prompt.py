"""Measures one prompt: lets a model answer it, reads every method, and scores the answer with parts hidden.

``scorer`` may be the same model in bfloat16: on processors that have it the variants are scored several times faster
(on 8 prompts of two models log-probabilities under halves differ by 0.1 to 0.2 nats where they spread over 6 to 12).
Guarded by tests/core/test_trust_league.py.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from ..capture import capture
from ..capture.build_request import make_request
from ..errors import MethodError
from ..importance import METHODS, explain_by, find_sinks, offered_methods, own_units
from ..importance.method_input import MAPS_AT_ONCE, MethodInput
from ..importance.surrogate import fit_surrogate, random_masks
from ..probe import attribute, hide_units
from ..progress import IsCancelled, never_cancelled
from ..records import ATTRIBUTIONS, HeadWeights, Importance, Trace, Units
from ..text.units import units as units_of
from .faithfulness import MASKS, baseline_values, unit_values
from .measurement import NO_TOPS, PromptMeasurement, top_masks, with_learned
from .trust_prompts import TrustPrompt, units_holding

LEVEL = "sentence"
LEAVING_OUT, SURROGATE = "leave-one-out", "surrogate"
EVERY = {"integrated-gradients": 4, "removed": 2, "tops": 2}
"""Measured on every second or fourth prompt only: integrated gradients cost as much as all else together."""


def measure_prompt(
    model: Any,
    prompt: TrustPrompt,
    scorer: Any = None,
    *,
    full: bool = True,
    weights: HeadWeights | None = None,
    cancelled: IsCancelled = never_cancelled,
) -> PromptMeasurement:
    """Lets ``model`` answer ``prompt`` and measures every method that a run offers, leaving out and a surrogate.

    ``scorer``: the model that scores hidden variants (``model``). ``full=False``: only the halves by masking, which is
    all that weights of heads are fitted to. ``weights``: also measure these.
    Raises PromptError, CaptureError, MethodError (too few sentences), Cancelled.
    """
    began = time.monotonic()
    raw = not model.ref.has_template
    trace = capture(
        model, make_request(model.key, prompt.text, raw=raw, max_new_tokens=prompt.new_tokens), cancelled=cancelled
    )
    ran = time.monotonic() - began
    if not len(trace.answer_steps):
        raise MethodError("The model gave no answer to this prompt.")
    units = units_of(trace.tokens, LEVEL, range(trace.prompt_length))
    evidence, question = (units_holding(units, trace.tokens, parts) for parts in (prompt.evidence, (prompt.question,)))
    able = np.zeros(len(units), bool)
    able[own_units(trace.tokens, units)] = True
    able &= ~question
    values = _method_values(trace)
    layers, heads, read, written = _by_head(trace, units)
    found = PromptMeasurement(
        prompt, model.key.fingerprint, trace.token_ids, trace.prompt_length, trace.answer, trace.answer_steps,
        units.labels, able, evidence, question, np.zeros((0, len(able)), bool), np.zeros(0, bool), np.zeros(0), np.nan,
        values, layers, heads, read, written, {"run": ran, "variant": np.nan},
    )  # fmt: skip
    halves, alone, drawn = found.halves, found.alone, random_masks(able, MASKS)
    model = scorer or model
    if not full:
        return score_variants(model, trace, found, halves, "mask", cancelled)
    found = score_variants(model, trace, found, np.concatenate([halves, drawn, alone]), "mask", cancelled)
    if _takes_part(prompt, "removed"):
        found = score_variants(model, trace, found, halves, "remove", cancelled)
    lost, fitted = np.zeros(len(able)), np.zeros(len(able))
    lost[able] = np.nan_to_num(found.base - found.logprob_of(alone))
    fitted[able] = fit_surrogate(drawn[:, able], found.logprob_of(drawn), len(trace.answer_steps)).weights
    more = {LEAVING_OUT: lost, SURROGATE: fitted} | _attributed(model, prompt, trace, cancelled)
    found = with_learned(replace(found, values=dict(found.values) | more), weights)
    return score_tops(model, trace, found, cancelled) if _takes_part(prompt, "tops") else found


def _takes_part(prompt: TrustPrompt, what: str) -> bool:
    """Returns whether ``what`` is measured on this prompt (EVERY)."""
    return int(prompt.id, 16) % EVERY.get(what, 1) == 0


def score_tops(model: Any, trace: Trace, found: PromptMeasurement, cancelled: IsCancelled) -> PromptMeasurement:
    """Returns ``found`` with the first units by each of its methods hidden, and kept alone, where that is missing."""
    named = [value for name, value in found.values.items() if name not in NO_TOPS]
    wanted = np.concatenate([top_masks(value, found.able) for value in named])
    return score_variants(model, trace, found, wanted, "mask", cancelled)


def score_variants(
    model: Any, trace: Trace, found: PromptMeasurement, masks: np.ndarray, mode: str, cancelled: IsCancelled
) -> PromptMeasurement:
    """Returns ``found`` with the log-probability under each of ``masks`` by ``mode`` added, where it is missing."""
    missing = masks[np.isnan(found.logprob_of(masks, mode))]
    missing = np.unique(missing, axis=0)
    if not len(missing):
        return found
    began = time.monotonic()
    probe = hide_units(model, trace, missing, LEVEL, mode, cancelled=cancelled)
    each = (time.monotonic() - began) / (len(missing) + 1)
    first = {"variant": each} if np.isnan(found.seconds["variant"]) else {}
    scored = probe.logprobs[:, found.answer_steps].sum(1, dtype=np.float64)
    return replace(
        found,
        masks=np.concatenate([found.masks, missing]),
        removed=np.concatenate([found.removed, np.full(len(missing), mode == "remove")]),
        logprob=np.concatenate([found.logprob, scored]),
        base=float(probe.base[found.answer_steps].sum(dtype=np.float64)),
        seconds=dict(found.seconds) | first,
    )


def _method_values(trace: Trace) -> dict[str, np.ndarray]:
    names = [name for name in offered_methods(trace) if not METHODS[name].picks]
    read = {name: _by_sentence(trace, name) for name in names}
    values = {name: unit_values(one) for name, one in read.items()}
    return values | baseline_values(next(iter(read.values())))


def _by_sentence(trace: Trace, name: str, given: dict[str, Any] | None = None) -> Importance:
    """Returns a method's importance of each sentence; sinks are left out of what is read, not of nats."""
    sink = "keep" if METHODS[name].gives == "nats" else "separate"
    return explain_by(trace, name, columns=LEVEL, rows="token", sink=sink, given=given)


def _attributed(model: Any, prompt: TrustPrompt, trace: Trace, cancelled: IsCancelled) -> dict[str, np.ndarray]:
    """Returns {kind: float64 [U]} of what takes a backward pass or a pass of its own."""
    out = {}
    for kind in ATTRIBUTIONS:
        if _takes_part(prompt, kind):
            with suppress(MethodError):  # not for this model, or not at this length
                given = {kind: attribute(model, trace, kind, cancelled=cancelled)}
                out[kind] = unit_values(_by_sentence(trace, kind, given))
    return out


def _by_head(trace: Trace, units: Units) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns (layers, heads, read [H, U], written [H, U])."""
    assert trace.rows is not None
    p, sinks, source = (
        trace.prompt_length,
        list(find_sinks(trace)),
        MethodInput(trace, np.arange(len(trace.rows.layers))),
    )
    known = trace.norms is not None and trace.norms.shape[2] > 0
    read, written = [], []
    for first in range(0, len(source.maps), MAPS_AT_ONCE):
        part = source.maps[first : first + MAPS_AT_ONCE]
        mean = trace.rows.weights(part, trace.answer_steps, np.arange(p)).mean(1)
        mean[:, sinks] = 0
        read.append(units.sum(mean))
        if known:
            written.append(units.sum(mean * source.norms(part)[:, :p]))
    empty = np.zeros((0, len(units)), np.float32)
    return trace.rows.layers, trace.rows.heads, np.concatenate(read), np.concatenate(written) if known else empty
