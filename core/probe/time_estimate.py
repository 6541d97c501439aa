"""Estimates how long a run, a knock-out, an attribution or steering takes: from this model's speed here.

Work is counted as the model computes it: a variant costs the tokens from the first that is hidden on, since what stands
before comes from the cache of the first pass, without those that are hidden, which nobody reads. A model that is not in
memory is loaded first. Guarded by tests/core/test_probe_time_estimate.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..records import ModelKey, Part, Probe, Request, Trace, Units
from ..records.attribution import POINTS
from ..speeds import expected_time, first_load

CHARACTERS = 4
"""Characters a token, for a prompt that was not read yet."""
MARKUP = 30
"""Tokens that a chat template adds, about."""
STEERED_ANEW = "steered anew"
"""The kind of work in which an answer is scored and written again under several steerings."""
WIDE = 2.0
"""A guess is given as a range: this much less, this much more."""


@dataclass(frozen=True)
class TimeEstimate:
    """Estimated seconds, and whether the estimate rests on a measurement."""

    seconds: float
    measured: bool
    done: str = ""
    """What is there already and need not be computed again, for display."""

    @property
    def text(self) -> str:
        """For display: "about 12 s", or a range that is marked as a guess."""
        return self.short if self.measured else f"{self.short} (a guess, until it was done once)"

    @property
    def short(self) -> str:
        """For display where it is said elsewhere that a range is a guess."""
        if self.measured:
            return f"about {duration_text(self.seconds)}{self.done}"
        return f"roughly {duration_text(self.seconds / WIDE)} to {duration_text(self.seconds * WIDE)}{self.done}"


def duration_text(seconds: float) -> str:
    """Formats seconds for display: s, min or h."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def estimate_time(trace: Trace, runs: int) -> TimeEstimate:
    """Estimates the seconds for ``runs`` runs that each read this prompt with this answer, and are stored."""
    return _sum(trace.request.model, trace.model.parameters, ("read", len(trace.tokens), max(1, runs)))


def estimate_writing(trace: Trace, runs: int) -> TimeEstimate:
    """Estimates the seconds for ``runs`` runs that each write an answer as long as this one to the same prompt."""
    work = (("prompt", trace.prompt_length, runs), ("write", trace.steps, runs))
    return _sum(trace.request.model, trace.model.parameters, *work)


def estimate_request(request: Request, parameters: int) -> TimeEstimate:
    """Estimates the seconds of a run from its request alone, with an answer as long as is asked for at most."""
    texts = [m.content for m in request.messages] or [request.text or ""]
    tokens = len(request.token_ids or ()) or sum(map(len, texts)) / CHARACTERS + MARKUP * bool(request.messages)
    if request.scored:
        answer = len(request.answer or "") / CHARACTERS
        return _sum(request.model, parameters, ("read", tokens + answer, 1))
    return _sum(request.model, parameters, ("prompt", tokens, 1), ("write", request.max_new_tokens, 1))


def estimate_probe(
    trace: Trace, units: Units, masks: np.ndarray | None = None, mode: str = "mask", partial: Probe | None = None
) -> TimeEstimate:
    """Estimates the seconds to knock out each unit alone, or those of ``masks`` bool [variant, unit].

    What a stopped knock-out has computed, ``partial``, is not computed again.
    """
    wanted, done = np.arange(len(units)) if masks is None else np.atleast_2d(masks), ""
    if partial is not None:
        scored = np.asarray(partial.parameters["scored"], int)
        done = f": {len(scored):,} of {len(wanted):,} are there from last time"
        wanted = np.delete(wanted, scored, 0)
    work = "variants", tokens_anew(trace, units, wanted, mode), 1
    return replace(_sum(trace.request.model, trace.model.parameters, work), done=done)


def estimate_attribution(trace: Trace, kind: str, step: int | None = None) -> TimeEstimate:
    """Estimates the seconds for one attribution by ``kind``, of the whole answer or of the word written at ``step``."""
    work = kind, attribution_tokens(trace, kind, step), 1
    return _sum(trace.request.model, trace.model.parameters, work)


def attribution_tokens(trace: Trace, kind: str, step: int | None = None) -> int:
    """Returns the tokens that an attribution passes through the model."""
    tokens = len(trace.tokens) - 1 if step is None else trace.prompt_length + step
    return tokens * (POINTS if kind == "integrated-gradients" else 1)


def tokens_anew(trace: Trace, units: Units, masks: np.ndarray, mode: str = "mask") -> int:
    """Returns the tokens that the variants ``masks`` bool [variant, unit] compute, the unchanged run among them.

    ``masks`` int [variant] names one unit for each, which for thousands of units is much quicker than their matrix.
    """
    first = np.full(len(units), trace.prompt_length, np.int64)
    np.minimum.at(first, units.unit, units.token)
    alone = masks.dtype != bool
    start = first[masks] if alone else np.where(masks, first, trace.prompt_length).min(1, initial=trace.prompt_length)
    plain = _has_plain_cache(trace.model)
    if not plain:
        start[:] = 0
    lengths = np.bincount(units.unit, units.weight, len(units)) if plain or mode == "remove" else np.zeros(len(units))
    removed = lengths[masks] if alone else masks @ lengths
    total = len(trace.tokens) - 1
    return int(total + np.maximum(1, total - start - removed).sum())


def estimate_switch_off(trace: Trace, parts: Sequence[Part]) -> TimeEstimate:
    """Estimates the seconds to switch off each of ``parts`` of the model alone."""
    work = "switched off", switched_tokens(trace, parts), 1
    return _sum(trace.request.model, trace.model.parameters, work)


def switched_tokens(trace: Trace, parts: Sequence[Part]) -> float:
    """Returns the tokens that switching off ``parts`` computes, the unchanged run among them.

    A token that passes through half of the layers counts as half: the layers below a part run once for all.
    """
    layers = max(trace.model.layers, 1)
    return (len(trace.tokens) - 1) * (1 + sum(layers - part.layer for part in parts) / layers)


def estimate_steering(trace: Trace, ways: int, anew: bool = True) -> TimeEstimate:
    """Estimates the seconds to score a run's answer under ``ways`` steerings and (``anew``) to write that many anew."""
    key, parameters = trace.request.model, trace.model.parameters
    work = steered_tokens(trace, ways, anew)
    if not anew or expected_time(key, parameters, STEERED_ANEW, work).measured:
        return _sum(key, parameters, (STEERED_ANEW if anew else "steered", work, 1))
    scored = "steered", steered_tokens(trace, ways, False), 1
    return _sum(key, parameters, scored, ("prompt", trace.prompt_length, ways), ("write", max(trace.steps, 1), ways))


def steered_tokens(trace: Trace, ways: int, anew: bool = True) -> int:
    """Returns the tokens that steering in this many ways computes, the unchanged run among them.

    New answers are taken to be as long as the old one.
    """
    return (len(trace.tokens) - 1) * (1 + ways * (2 if anew else 1))


def _has_plain_cache(ref: Any) -> bool:
    """Returns whether what stands before the first hidden token comes from a cache, as ``variant_scoring`` decides."""
    every = tuple(ref.attention_layers) == tuple(range(ref.layers))
    return ref.attention == "dispatch" and every and all(window is None for window in ref.windows)


def _sum(key: ModelKey, parameters: int, *parts: tuple[str, float, int]) -> TimeEstimate:
    """Adds up parts (kind, work, how often), and loading where the model is not in memory."""
    from ..models.load import loaded_models

    if key not in loaded_models():
        parts = (("first load" if first_load() else "load", 1, 1), *parts)
    found = [(kind, expected_time(key, parameters, kind, work), often) for kind, work, often in parts if work * often]
    seconds = sum(one.seconds * often for _, one, often in found)
    return TimeEstimate(seconds, all(one.measured for kind, one, _ in found if "load" not in kind))
