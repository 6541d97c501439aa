"""Picks the prompts of a measurement, and estimates how long it takes. Guarded by tests/core/test_trust_league.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..probe.time_estimate import TimeEstimate
from ..records import ModelKey
from ..speeds import expected_time
from .trust_prompts import TrustPrompt

VARIANTS = {"fit": 33, "choose": 33, "report": 120}
"""Scored variants of a prompt, on average of the built-in set."""
CHARACTERS = 4
"""Characters a token."""
OWN_SPLITS = ("fit", "report", "fit", "report", "choose", "fit", "report", "fit", "report", "choose")


def part_of_set(prompts: Sequence[TrustPrompt], count: int | None) -> tuple[TrustPrompt, ...]:
    """Returns ``count`` prompts (all); of a set of one's own 4 of 10 are for fitting, 2 for choosing, 4 for reporting.

    The built-in set is ordered so that its first prompts are of all kinds and splits.
    """
    picked = tuple(prompts[:count] if count else prompts)
    if len({prompt.split for prompt in picked}) > 1:
        return picked
    return tuple(replace(prompt, split=OWN_SPLITS[i % len(OWN_SPLITS)]) for i, prompt in enumerate(picked))


def set_seconds(prompts: Sequence[TrustPrompt], parameters: int | None, key: ModelKey) -> str:
    """Returns how long measuring takes, for display: the scored variants at this model's speed."""
    if not parameters:
        return "for a time that depends on the model's size"
    tokens = sum(VARIANTS[p.split] * (len(p.text) / CHARACTERS + p.new_tokens) for p in prompts)
    return TimeEstimate(expected_time(key, parameters, "variants", tokens).seconds, False).short
