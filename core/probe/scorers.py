"""Picks what scores answers behind variants of a prompt, and what tries whether words can be hidden, by kind of model.

Guarded by tests/core/test_probe_encdec_scoring.py.
"""

from __future__ import annotations

from typing import Any

from ..capture.steering_rules import steering_rules
from ..models.self_check import hiding_leaks
from ..progress import IsCancelled
from ..records import Trace
from .encdec_scoring import EncdecScorer, encdec_leaks
from .variant_scoring import Scorer


def make_scorer(model: Any, trace: Trace, cancelled: IsCancelled) -> Scorer | EncdecScorer:
    """Returns what scores the answer of ``trace`` behind variants of its prompt, which it reads as the run did.

    The model's lock must be held.
    """
    prompt, answer = trace.token_ids[: trace.prompt_length], trace.token_ids[trace.prompt_length :]
    if model.ref.kind == "encdec":
        return EncdecScorer(model, prompt, answer, cancelled)
    rules = steering_rules(trace.tokens, trace.prompt_length, trace.request.steering)
    return Scorer(model, prompt, answer, cancelled, rules)


def words_leak(model: Any) -> bool:
    """Returns whether a hidden word still changes the answer of ``model``: then words cannot be hidden from it."""
    return encdec_leaks(model.hf) if model.ref.kind == "encdec" else hiding_leaks(model.hf)
