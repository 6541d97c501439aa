"""Picks what scores answers behind variants of a prompt, and what tries whether words can be hidden, by kind of model.

Guarded by tests/core/test_probe_encdec_scoring.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..models.self_check import hiding_leaks
from ..progress import IsCancelled
from .encdec_scoring import EncdecScorer, encdec_leaks
from .variant_scoring import Scorer


def make_scorer(model: Any, prompt: np.ndarray, answer: np.ndarray, cancelled: IsCancelled) -> Scorer | EncdecScorer:
    """Returns what scores ``answer`` behind variants of ``prompt`` (token ids). The model's lock must be held."""
    made = EncdecScorer if model.ref.kind == "encdec" else Scorer
    return made(model, prompt, answer, cancelled)


def words_leak(model: Any) -> bool:
    """Returns whether a hidden word still changes the answer of ``model``: then words cannot be hidden from it."""
    return encdec_leaks(model.hf) if model.ref.kind == "encdec" else hiding_leaks(model.hf)
