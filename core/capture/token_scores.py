"""Scores of each output token from raw logits: log-probability, entropy and the five most likely tokens.

Raw means before any temperature or nucleus: the model's own distribution, in float32, also when the answer was sampled.
Logits are reduced to these few numbers a block at a time, so that steps x vocabulary is never kept. Guarded by
tests/core/test_capture_run_model.py (equal to log_softmax of a plain forward pass).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch

from ..records import TOP

LOGITS = 8
"""Steps whose logits are processed together: few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Scores:
    """Scores of T output tokens: ``logprobs`` and ``entropy`` (nats), float32 [T], and the five best tokens.

    Of these, ``ids`` int64 [T, 5] and log-probabilities ``top`` float32 [T, 5]. ``ranks`` int32 [T]: how many tokens
    were likelier than the one that was written, plus one.
    """

    logprobs: np.ndarray
    entropy: np.ndarray
    ids: np.ndarray
    top: np.ndarray
    ranks: np.ndarray


SCORE_NAMES = tuple(field.name for field in fields(Scores))


def score_logits(logits: torch.Tensor, written: torch.Tensor) -> Scores:
    """Returns each step's scores from raw ``logits`` [T, V] and ``written`` int64 [T], the tokens that came next."""
    logits = logits.float()
    share = torch.softmax(logits, dim=-1)
    top = logits.topk(min(TOP, logits.shape[-1]), dim=-1)
    whole = top.values[:, 0] - share.gather(-1, top.indices[:, :1])[:, 0].log()  # log of the softmax's denominator
    raw = logits.gather(-1, written[:, None])
    chosen = raw[:, 0] - whole
    ranks = (logits > raw).sum(-1) + 1
    entropy = whole - torch.linalg.vecdot(share, logits)  # -sum p (x - log Z), since the p sum to one
    if not bool(entropy.isfinite().all()):  # a token of logit -inf: 0 * -inf
        entropy = whole - torch.linalg.vecdot(share, logits.clamp(min=torch.finfo(torch.float32).min))
    best = top.values - whole[:, None]
    found = (chosen, entropy, top.indices, best, ranks.int())
    return Scores(*(value.cpu().numpy() for value in found))


def join_scores(parts: list[Scores]) -> Scores:
    """Concatenates the scores of successive blocks."""
    return Scores(*(np.concatenate([getattr(p, n) for p in parts]) for n in SCORE_NAMES))
