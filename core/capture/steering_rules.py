"""Turns the steering of a request into rules for the keys of a rendered prompt, and refuses what cannot be steered.

Whether a model can be steered is tried once: where words cannot be hidden from it, reading cannot be turned up or down
either. Guarded by tests/core/test_capture_steering.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch

from ..errors import MethodError, PromptError
from ..models.per_model import once_per_model
from ..models.self_check import hiding_leaks
from ..models.token_steering import KeyRule, TokenSteering, steer_tokens
from ..progress import IsCancelled, never_cancelled
from ..records import Request, Steering, Tokens, Trace, log_factor
from ..text.token_groups import tokens_in_spans

leaks = once_per_model(hiding_leaks)
"""``hiding_leaks`` of a transformers model, tried once; the model's lock must be held."""


def steering_rules(
    tokens: Tokens, prompt_length: int, steering: Sequence[Steering], row: int | None = None, pad: int = 0
) -> list[KeyRule]:
    """Returns the rules for one row of a batch (None: every row), whose prompt stands behind ``pad`` padding tokens.

    A token belongs to a part when at least half of it does. Raises PromptError where a part covers no token.
    """
    rules = []
    for one in steering:
        inside = np.flatnonzero(tokens_in_spans(tokens, one.spans)[:prompt_length])
        if not len(inside):
            raise PromptError(
                f"{one.name or 'The part to steer'} shares its only token with something longer, or is left out by the "
                "model's template: mark more words."
            )
        rules.append(
            KeyRule(
                row=row,
                keys=torch.from_numpy(inside) + pad,
                bias=log_factor(one.factor),
                target=one.target,
                most=one.bound == "most",
                layers=frozenset(one.layers) if one.layers else None,
                heads=one.heads,
                first_reader=pad + prompt_length - 1 if one.readers == "answer" else 0,
            )
        )
    return rules


def steering_of(
    tokens: Tokens, prompt_length: int, request: Request, cancelled: IsCancelled = never_cancelled
) -> TokenSteering:
    """Returns what steers every row that begins with a run's prompt; without rules for a plain request."""
    return TokenSteering(steering_rules(tokens, prompt_length, request.steering), cancelled)


def steered_run(hf: Any, trace: Trace) -> AbstractContextManager[Any]:
    """Returns the block in which ``hf`` reads as it did when it made ``trace``."""
    return steered(hf, steering_of(trace.tokens, trace.prompt_length, trace.request))


def steered(hf: Any, steering: TokenSteering) -> AbstractContextManager[Any]:
    """Returns the block in which ``hf`` is steered; for a plain run one that does nothing at all."""
    return steer_tokens(hf, steering) if steering.rules else nullcontext()


def check_steerable(model: Any, steering: Sequence[Steering]) -> None:
    """Raises MethodError for models that cannot be steered, PromptError for layers and heads that they do not have."""
    if not steering:
        return
    ref = model.ref
    if ref.kind != "decoder":
        raise MethodError(
            f"{ref.label} is no decoder: parts of its input can be hidden (Knock out), but not read more or less."
        )
    if words_cannot_hide(model):
        raise MethodError(leaky_sentence(ref))
    for one in steering:
        missing = [layer for layer in one.layers if layer not in ref.attention_layers]
        if missing:
            raise PromptError(
                f"{ref.label} has no attention in layer {missing[0]}: its layers are 0 to {ref.layers - 1}."
            )
        if one.heads and one.heads[-1] >= ref.heads:
            raise PromptError(f"{ref.label} has no head {one.heads[-1]}: its heads are 0 to {ref.heads - 1}.")
        if one.target is not None and ref.attention == "eager":
            raise MethodError(
                f"{ref.label} gives its attention only on the slow path, where a part cannot be brought to a target "
                "share: use a factor instead."
            )


def words_cannot_hide(model: Any) -> bool:
    """Returns whether a hidden word still changes what a decoder writes; tried once per model."""
    if model.ref.attention == "none":
        return True
    with model.lock:
        return leaks(model.hf)


def leaky_sentence(ref: Any) -> str:
    """Returns why words cannot be hidden from this model, and so nothing read more or less, with the remedy."""
    return (
        f"Words cannot be hidden from {ref.label}, which does not read them by attention alone: "
        'use mode="remove", which takes them out of the prompt.'
    )
