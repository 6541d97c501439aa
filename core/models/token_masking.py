"""Hiding tokens from a model while it runs: what is hidden is read by no other token, and every position stays.

Why not the 2-D ``attention_mask``: some families count positions from it (OPT, ALiBi), some drop it where a cache is
used, and a batch of one is treated unlike a batch of two by others. So the model is told that every token is there,
and the hidden keys are taken out where attention happens. On the dispatch path ``core.models.attention`` asks
``merged`` for the mask; on the eager path hooks change the 4-D mask that a module is given, for the time of one
``with`` block.

A row that may read nothing at all (all that stands before it is hidden too) reads itself: it would be NaN otherwise,
and NaN times a weight of zero spreads. ``leaks`` is the check that needs no knowledge of a family: what is hidden is
exchanged for another token, and nothing after it may change. Families with layers that mix tokens by other means
(mamba, convolutions) fail it. Guarded by tests/core/test_models_token_masking.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import torch

from ..errors import Cancelled
from ..progress import IsCancelled


class HiddenTokens:
    """``keys`` bool [batch, token], True: nobody reads it. None hides nothing and only listens to ``cancelled``."""

    def __init__(self, keys: torch.Tensor | None, cancelled: IsCancelled | None = None) -> None:
        self.keys = keys if keys is not None and bool(keys.any()) else None
        self.used = False
        """True once some mask was changed."""
        self._cancelled = cancelled
        self._last: tuple[Any, tuple[int, int], torch.Tensor] | None = None

    def merged(self, mask: torch.Tensor | None, queries: int, keys: int) -> torch.Tensor | None:
        """``mask`` (None: causal; 4-D bool or additive) with the hidden keys taken out; asked at every layer."""
        if self._cancelled is not None and self._cancelled():
            raise Cancelled("Stopped.")
        if self.keys is None:
            return mask
        self.used = True
        last = self._last
        if last is None or last[0] is not mask or last[1] != (queries, keys):  # layers share their mask
            last = self._last = (mask, (queries, keys), _merge(mask, self.keys[:, -keys:], queries, keys))
        return last[2]


def _merge(mask: torch.Tensor | None, hidden: torch.Tensor, queries: int, keys: int) -> torch.Tensor:
    """[B, 1 or H, Q, K]; a row that is left with nothing reads its own key."""
    gone = hidden[:, None, None, :]
    row = torch.arange(keys - queries, keys, device=hidden.device)[:, None]
    column = torch.arange(keys, device=hidden.device)[None]
    if mask is None:
        mask = (column <= row)[None, None]
    mask = mask[..., :keys]
    own = column == row
    if mask.dtype == torch.bool:
        left = mask & ~gone
        return left | (~left.any(-1, keepdim=True) & own)
    lowest = torch.finfo(mask.dtype).min
    left = mask.masked_fill(gone, lowest)
    empty = (left <= lowest / 2).all(-1, keepdim=True)
    return left.masked_fill(empty & own, 0.0)


hidden_keys: ContextVar[HiddenTokens | None] = ContextVar("heed_hidden", default=None)
"""What the attention function asks; other threads are not touched."""


@contextmanager
def hide_tokens(hf: Any, hidden: HiddenTokens) -> Iterator[HiddenTokens]:
    """Every forward pass of ``hf`` inside the block reads none of the hidden keys. The model's lock must be held."""
    token = hidden_keys.set(hidden)
    eager = hf.config._attn_implementation == "eager"
    handles = [_hook(module, hidden) for module in hf.modules()] if eager else []
    try:
        yield hidden
    finally:
        hidden_keys.reset(token)
        for handle in handles:
            if handle is not None:
                handle.remove()


def _hook(module: Any, hidden: HiddenTokens) -> Any:
    names = list(inspect.signature(module.forward).parameters)
    if "attention_mask" not in names:
        return None
    return module.register_forward_pre_hook(partial(_change, hidden, names.index("attention_mask")), with_kwargs=True)


def _change(
    hidden: HiddenTokens, place: int, module: Any, args: tuple, kwargs: dict[str, Any]
) -> tuple[tuple, dict] | None:
    """A forward pre-hook: the 4-D mask that a module of the eager path is given, changed."""
    mask = kwargs.get("attention_mask", args[place] if place < len(args) else None)
    if not isinstance(mask, torch.Tensor) or mask.ndim != 4:
        return None
    said = mask.dtype == torch.bool and mask.shape[-2] > 1 and bool(mask[..., 0, -1].all())  # mpt: True is not read
    merged = hidden.merged(~mask if said else mask, mask.shape[-2], mask.shape[-1])
    mask = ~merged if said and merged is not None else merged
    if "attention_mask" in kwargs:
        return args, {**kwargs, "attention_mask": mask}
    return (*args[:place], mask, *args[place + 1 :]), kwargs
