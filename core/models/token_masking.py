"""Hides tokens from a model while it runs: no other token attends to them, and every position stays.

Why not the 2-D ``attention_mask``: some families count positions from it (OPT, ALiBi), some drop it where a cache is
used, and some treat a batch of one unlike a batch of two. So the model gets a mask of ones, and the hidden keys are
masked where attention is computed. On the dispatch path ``core.models.attention`` gets the mask from ``merged``; on the
eager path hooks change the 4-D mask that a module is given, for the time of one ``with`` block.

A row that would have no key at all (all that stands before it is hidden too) attends to itself: it would be NaN
otherwise, and NaN times a weight of zero spreads. ``hiding_leaks`` is a check that needs no knowledge of a family: the
hidden token is exchanged for another one, and nothing after it may change. Families with layers that mix tokens by
other means (mamba, convolutions) fail it. Guarded by tests/core/test_models_token_masking.py.
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
    """The tokens to hide: ``keys`` bool [batch, token], True: hidden from all others.

    None hides nothing and only calls ``cancelled``.
    """

    def __init__(self, keys: torch.Tensor | None, cancelled: IsCancelled | None = None) -> None:
        self.keys = keys if keys is not None and bool(keys.any()) else None
        self.used = False
        """True once some mask was changed."""
        self._cancelled = cancelled
        self._last: tuple[Any, tuple[int, int], torch.Tensor] | None = None

    def merged(self, mask: torch.Tensor | None, queries: int, keys: int) -> torch.Tensor | None:
        """Returns ``mask`` (None: causal; 4-D bool or additive) without the hidden keys; called at every layer."""
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
    """Returns [B, 1 or H, Q, K]; a row that is left with nothing attends to its own key."""
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
"""Read by the attention function; other threads are not affected."""


@contextmanager
def hide_tokens(hf: Any, hidden: HiddenTokens) -> Iterator[HiddenTokens]:
    """Hides keys from every forward pass of ``hf`` inside the block. The model's lock must be held."""
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
    """Changes the 4-D mask that a module of the eager path is given (a forward pre-hook)."""
    mask = kwargs.get("attention_mask", args[place] if place < len(args) else None)
    if not isinstance(mask, torch.Tensor) or mask.ndim != 4:
        return None
    said = mask.dtype == torch.bool and mask.shape[-2] > 1 and bool(mask[..., 0, -1].all())  # mpt: True means masked
    merged = hidden.merged(~mask if said else mask, mask.shape[-2], mask.shape[-1])
    mask = ~merged if said and merged is not None else merged
    if "attention_mask" in kwargs:
        return args, {**kwargs, "attention_mask": mask}
    return (*args[:place], mask, *args[place + 1 :]), kwargs
