"""Writes an answer that is anchored to a part of the prompt: Selective Prompt Anchoring (arXiv 2408.09121).

It does not touch attention. At each step the logits are moved along their difference to those with the part hidden:
logits = plain + (strength - 1) (plain - hidden); strength 1 is the plain answer. Both come from one batch of two rows,
so it costs one more row than the plain answer. The paper masks embeddings of the part; here its tokens are hidden from
attention, as in a knock-out. Guarded by tests/core/test_probe_anchoring.py.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from transformers import LogitsProcessor

from ..capture.batch_generation import generate_padded
from ..capture.decode import end_ids
from ..capture.run_model import capture_errors
from ..capture.steering_rules import check_steerable, steering_rules
from ..checks import check_number
from ..errors import Cancelled
from ..models.token_steering import TokenSteering, steer_tokens
from ..progress import IsCancelled, never_cancelled
from ..records import Trace
from ..text.display_text import decode_stream
from .ablation import check_run
from .steer_run import part_steering


def anchored(
    model: Any, trace: Trace, part: Any, strength: float = 1.5, *, cancelled: IsCancelled = never_cancelled
) -> str:
    """Writes the answer of ``trace`` again, greedily, anchored to a part of its prompt by ``strength``; returns it.

    ``part`` as in ``steer``; a strength below 1 moves away from the part. Raises MethodError, PromptError,
    CaptureError, Cancelled.
    """
    check_run(model, trace, "Anchoring")
    by = check_number("The strength", strength, "be a number, 1 for the plain answer")
    (one,) = part_steering(trace.request, part, [0])
    check_steerable(model, [one])
    rules = [replace(rule, row=1) for rule in steering_rules(trace.tokens, trace.prompt_length, [one])]
    assert all(rule.bias == -math.inf for rule in rules)
    ids = trace.token_ids[: trace.prompt_length].tolist()
    limit = trace.request.max_new_tokens if not trace.request.scored else max(trace.steps, 1)
    with model.lock, capture_errors(model.ref.label), steer_tokens(model.hf, TokenSteering(rules, cancelled)):
        written = generate_padded(model.hf, [ids, ids], limit, [_Anchor(by, cancelled)])
    found, ends = written[0, len(ids) :].tolist(), end_ids(model.hf)
    stop = next((at for at, token in enumerate(found) if token in ends), len(found))
    return decode_stream(model.tokenizer, found[:stop])


class _Anchor(LogitsProcessor):
    """Gives both rows the logits of the first, moved away from those of the second, so that both write the same."""

    def __init__(self, strength: float, cancelled: IsCancelled) -> None:
        self._strength, self._cancelled = strength, cancelled

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self._cancelled():
            raise Cancelled("Stopped.")
        plain, hidden = scores
        return (plain + (self._strength - 1) * (plain - hidden)).expand_as(scores)
