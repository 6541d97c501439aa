"""Scores given answers behind their prompts by the plain model, many pairs in one padded pass.

Pairs are padded on the right: no token attends to what comes after it, so the padding needs no mask. Guarded by
tests/core/test_probe_answer_likelihood.py: equal to one run each that reads the given answer.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..capture.run_model import capture_errors
from ..models.token_steering import TokenSteering, steer_tokens
from ..progress import IsCancelled, never_cancelled
from .variant_scoring import MANY, TOKENS, answer_logs


def answer_likelihoods(
    model: Any, pairs: Sequence[tuple[np.ndarray, np.ndarray]], cancelled: IsCancelled = never_cancelled
) -> list[np.ndarray]:
    """Returns float32 [T] for each (prompt ids [P], answer ids [T]) of ``pairs``: log-probability of each answer token.

    ``model`` is a loaded decoder. Raises CaptureError, Cancelled.
    """
    out: list[np.ndarray] = [np.zeros(0, np.float32)] * len(pairs)
    order = sorted((i for i, (_, answer) in enumerate(pairs) if len(answer)), key=lambda i: -_length(pairs[i]))
    limit = TOKENS.get(model.hf.device.type, MANY)
    with model.lock, capture_errors(model.ref.label):
        while order:
            size = max(1, limit // _length(pairs[order[0]]))
            batch, order = order[:size], order[size:]
            for i, found in zip(batch, _pass(model.hf, [pairs[i] for i in batch], cancelled), strict=True):
                out[i] = found
    return out


def _length(pair: tuple[np.ndarray, np.ndarray]) -> int:
    return len(pair[0]) + len(pair[1]) - 1


def _pass(hf: Any, pairs: Sequence[tuple[np.ndarray, np.ndarray]], cancelled: IsCancelled) -> list[np.ndarray]:
    width = max(map(_length, pairs))
    ids = np.zeros((len(pairs), width), np.int64)
    for row, pair in enumerate(pairs):
        both = np.concatenate(pair)[:-1]
        ids[row, : len(both)] = both
    first = min(len(prompt) for prompt, _ in pairs) - 1
    keeps = "logits_to_keep" in inspect.signature(hf.forward).parameters
    settings = {"logits_to_keep": torch.arange(first, width, device=hf.device)} if keeps else {}
    given = torch.from_numpy(ids).to(hf.device)
    with torch.no_grad(), steer_tokens(hf, TokenSteering((), cancelled)):
        logits = hf(input_ids=given, attention_mask=torch.ones_like(given), use_cache=False, **settings).logits
    logits = logits if keeps else logits[:, first:]
    found = []
    for row, (prompt, answer) in enumerate(pairs):
        at = len(prompt) - 1 - first
        wanted = torch.from_numpy(np.array(answer)).to(hf.device)
        found.append(answer_logs(logits[row, at : at + len(answer)], wanted).cpu().numpy())
    return found
