"""What the model thought of each output token: log-probability, entropy and the five best, from raw logits.

Raw means before any temperature or nucleus: the model's own distribution, in float32, also when the answer
was sampled. Logits are turned into these few numbers a block at a time, so that steps x vocabulary is never
kept. Guarded by tests/core/test_capture_run_model.py (equal to log_softmax of a plain forward pass).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..records import TOP

LOGITS = 8
"""Steps whose logits are looked at together: few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Scores:
    """``logprobs``, ``entropy`` (nats): float32 [T]; the best ``ids`` int64 [T, 5], their ``top`` float32 [T, 5]."""

    logprobs: np.ndarray
    entropy: np.ndarray
    ids: np.ndarray
    top: np.ndarray


def score_logits(logits: torch.Tensor, written: torch.Tensor) -> Scores:
    """``logits`` [T, V] raw, ``written`` int64 [T] the tokens that came next."""
    logits = logits.float()
    share = torch.softmax(logits, dim=-1)
    top = logits.topk(min(TOP, logits.shape[-1]), dim=-1)
    whole = top.values[:, 0] - share.gather(-1, top.indices[:, :1])[:, 0].log()  # log of the softmax's denominator
    chosen = logits.gather(-1, written[:, None])[:, 0] - whole
    entropy = whole - torch.linalg.vecdot(share, logits)  # -sum p (x - log Z), since the p sum to one
    if not bool(entropy.isfinite().all()):  # a barred token: 0 * -inf
        entropy = whole - torch.linalg.vecdot(share, logits.clamp(min=torch.finfo(torch.float32).min))
    best = top.values - whole[:, None]
    return Scores(chosen.cpu().numpy(), entropy.cpu().numpy(), top.indices.cpu().numpy(), best.cpu().numpy())


def join_scores(parts: list[Scores]) -> Scores:
    """Blocks in order, as one."""
    return Scores(*(np.concatenate([getattr(p, n) for p in parts]) for n in ("logprobs", "entropy", "ids", "top")))
