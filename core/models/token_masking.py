"""Hides tokens from a model while it runs: no other token attends to them, and every position stays.

The special case of ``token_steering`` with the factor 0. ``hiding_leaks`` (self_check.py) is a check that needs no
knowledge of a family: the hidden token is exchanged for another one, and nothing after it may change. Families with
layers that mix tokens by other means (mamba, convolutions) fail it. Guarded by tests/core/test_models_token_masking.py.
"""

from __future__ import annotations

import math

import torch

from ..progress import IsCancelled
from .token_steering import KeyRule, TokenSteering, steer_tokens

__all__ = ["HiddenTokens", "hide_tokens"]

hide_tokens = steer_tokens


class HiddenTokens(TokenSteering):
    """The tokens to hide: ``keys`` bool [batch, token], True: hidden from all others.

    None hides nothing and only calls ``cancelled``.
    """

    def __init__(self, keys: torch.Tensor | None, cancelled: IsCancelled | None = None) -> None:
        rows = [] if keys is None else [(row, hidden.nonzero()[:, 0].cpu()) for row, hidden in enumerate(keys)]
        super().__init__([KeyRule(row, places, -math.inf) for row, places in rows if len(places)], cancelled)
