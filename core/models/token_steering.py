"""Makes a model read tokens more or less than it would: adds a number to the attention logits of their keys.

Adding ln a before the softmax multiplies the odds of reading a key by exactly a, at each query, layer and head; minus
infinity hides it. So hiding words (``token_masking``) is the factor 0. In ``target`` mode the softmax is taken first,
and the rows whose share on the part falls short (or is too large) are scaled to the wished share, which is what the
right number before the softmax would have given.

Why not the 2-D ``attention_mask``: some families count positions from it (OPT, ALiBi), some drop it where a cache is
used, and it says only yes or no. So the model gets a mask of ones, and keys are changed where attention is computed. On
the dispatch path ``core.models.attention`` asks ``merged`` for the mask; on the eager path hooks change the 4-D mask
that the innermost modules are given, for the time of one ``with`` block.

A row that would have no key at all (all that stands before it is hidden too) attends to itself: it would be NaN
otherwise, and NaN times a weight of zero spreads. In bfloat16 the additive mask has eight bits: there the odds are
multiplied by a within half a percent. Guarded by tests/core/test_models_token_steering.py and
tests/core/test_models_token_masking.py.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from ..errors import Cancelled, CaptureError
from ..progress import IsCancelled

Reweigh = Callable[[torch.Tensor, torch.Tensor, int], None]
"""reweigh(weights [batch, head, row, key], positions of the queries [row], position of the first key): in place."""


@dataclass(frozen=True, eq=False)
class KeyRule:
    """How some keys of one row of a batch are read; of every row where ``row`` is None."""

    row: int | None
    keys: torch.Tensor
    """int64 [n]: positions of the keys, counted in the padded row."""
    bias: float = 0.0
    """Added to their attention logits; minus infinity hides them."""
    target: float | None = None
    """Share that the keys get together; None: ``bias`` applies."""
    most: bool = False
    """Whether the target is an upper limit."""
    layers: frozenset[int] | None = None
    """``layer_idx`` of the layers in which it applies; None: all."""
    heads: tuple[int, ...] = ()
    """() all."""
    first_reader: int = 0
    """Position of the first query that it applies to."""

    @property
    def hides(self) -> bool:
        """True where the keys are hidden from every query and head."""
        return self.bias == -math.inf and not self.heads and not self.first_reader


class TokenSteering:
    """Changes what is read in every forward pass of one sequence (or of a batch); no rule only calls ``cancelled``."""

    def __init__(self, rules: Sequence[KeyRule] = (), cancelled: IsCancelled | None = None) -> None:
        self.rules = tuple(rules)
        self.used = False
        """True once some mask or weight was changed."""
        self._cancelled = cancelled
        self._seen: dict[int, int] = {}
        """Tokens that each layer has processed."""
        self._made: dict[Any, tuple[Any, torch.Tensor]] = {}
        self._shape: Any = None
        self._reweigh: dict[tuple[KeyRule, ...], Reweigh] = {}

    def merged(
        self, mask: torch.Tensor | None, layer: int, queries: int, keys: int, heads: int, like: torch.Tensor
    ) -> torch.Tensor | None:
        """Returns ``mask`` (None: causal; 4-D bool or additive) with the rules of this layer; called at every layer.

        ``like`` gives dtype and device of an additive mask. Keys are the last that the layer has seen, in order.
        """
        if self._cancelled is not None and self._cancelled():
            raise Cancelled("Stopped.")
        if not self.rules:
            return mask
        before = 0 if keys == queries else self._seen.get(layer, keys - queries)
        self._seen[layer] = before + queries
        rules = self.added(layer)
        if not rules:
            return mask
        self.used = True
        start = max(before + queries - keys, 0)
        shape = (before, queries, keys, start)
        if shape != self._shape:  # layers share their masks, steps do not
            self._shape, self._made = shape, {}
        name = (id(mask), rules, heads if any(r.heads for r in rules) else 0)
        found = self._made.get(name)
        if found is None:  # the mask is kept beside, so that its id stays its own
            found = self._made[name] = (mask, _merge(mask, rules, before, queries, keys, start, heads, like))
        return found[1]

    def added(self, layer: int) -> tuple[KeyRule, ...]:
        """Returns the rules of a layer that add to attention logits."""
        return tuple(r for r in self.rules if r.target is None and (r.layers is None or layer in r.layers))

    def reweigh_of(self, layer: int) -> Reweigh | None:
        """Returns what scales this layer's rows to their targets; None where it has none. Equal layers share one."""
        rules = tuple(r for r in self.rules if r.target is not None and (r.layers is None or layer in r.layers))
        if not rules:
            return None
        self.used = True
        return self._reweigh.setdefault(rules, partial(_to_targets, rules))

    def queries_of(self, layer: int, queries: int) -> torch.Tensor:
        """Returns int64 [queries]: positions of the queries that ``merged`` was just called for."""
        last = self._seen[layer]
        return torch.arange(last - queries, last)


def _merge(
    mask: torch.Tensor | None,
    rules: Sequence[KeyRule],
    before: int,
    queries: int,
    keys: int,
    start: int,
    heads: int,
    like: torch.Tensor,
) -> torch.Tensor:
    """Returns [B, 1 or H, Q, K]: bool where keys are only hidden, else additive."""
    batch = like.shape[0]
    column = torch.arange(keys, device=like.device)[None]
    row = torch.arange(keys - queries, keys, device=like.device)[:, None]
    if mask is None:
        mask = (column <= row)[None, None]
    mask = mask[..., :keys].to(like.device)
    own = column == row
    if all(rule.hides for rule in rules):
        gone = torch.zeros((batch, keys), dtype=torch.bool, device=like.device)
        for rule in rules:
            rows = slice(None) if rule.row is None else rule.row
            gone[rows, _places(rule, start, keys).to(like.device)] = True
        return _hide(mask, gone[:, None, None, :], own)
    by_head = heads if any(rule.heads for rule in rules) else 1
    by_query = queries if any(rule.first_reader > before for rule in rules) else 1
    bias = torch.zeros((batch, by_head, by_query, keys), device=like.device)
    for rule in rules:
        chosen: Any = torch.tensor(rule.heads, device=like.device) if rule.heads else torch.arange(by_head)
        rows = torch.arange(batch) if rule.row is None else torch.tensor([rule.row])
        part = bias[:, :, max(rule.first_reader - before, 0) :]
        index = torch.meshgrid(
            rows, chosen.cpu(), torch.arange(part.shape[2]), _places(rule, start, keys), indexing="ij"
        )
        part.index_put_(tuple(i.to(like.device) for i in index), torch.tensor(rule.bias, device=like.device), True)
    if mask.dtype == torch.bool:
        mask = torch.zeros_like(mask, dtype=like.dtype).masked_fill(~mask, torch.finfo(like.dtype).min)
    gone = bias == -math.inf
    if not gone.any():
        return mask + bias.to(mask.dtype)
    return _hide(mask + bias.masked_fill(gone, 0.0).to(mask.dtype), gone, own)


def _places(rule: KeyRule, start: int, keys: int) -> torch.Tensor:
    """Returns the rule's keys as columns of what a layer sees, which begins at position ``start``."""
    found = rule.keys - start
    return found[(found >= 0) & (found < keys)]


def _hide(mask: torch.Tensor, gone: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Returns ``mask`` without the keys ``gone``; a row that is left with nothing attends to its own key."""
    if mask.dtype == torch.bool:
        left = mask & ~gone
        return left | (~left.any(-1, keepdim=True) & own)
    lowest = torch.finfo(mask.dtype).min
    left = mask.masked_fill(gone, lowest)
    empty = (left <= lowest / 2).all(-1, keepdim=True)
    return left.masked_fill(empty & own, 0.0)


def _to_targets(rules: Sequence[KeyRule], weights: torch.Tensor, positions: torch.Tensor, start: int) -> None:
    """Scales rows in place so that each rule's keys get their share; what cannot or need not change stays as it is."""
    for rule in rules:
        assert rule.target is not None
        places = _places(rule, start, weights.shape[-1]).to(weights.device)
        heads = list(rule.heads) or list(range(weights.shape[1]))
        rows = (positions >= rule.first_reader).to(weights.device)
        if not len(places) or not bool(rows.any()):
            continue
        picked = (slice(None), heads) if rule.row is None else (rule.row, heads)
        part = weights[picked]
        share = part[..., places].sum(-1).double()
        rest = 1 - share  # with learned sinks, that part of a row is among the rest
        wrong = (share > rule.target) if rule.most else (share < rule.target)
        change = wrong & (share > 0) & (rest > 0) & rows
        inside = torch.where(change, rule.target / share, torch.ones_like(share))
        outside = torch.where(change, (1 - rule.target) / rest, torch.ones_like(share))
        scale = outside[..., None].expand(part.shape).clone()
        scale[..., places] = inside[..., None].expand(*inside.shape, len(places))
        weights[picked] = (part * scale).to(weights.dtype)


steered_tokens: ContextVar[TokenSteering | None] = ContextVar("heed_steering", default=None)
"""Read by the attention function; other threads are not affected."""


@contextmanager
def steer_tokens(hf: Any, steering: TokenSteering) -> Iterator[TokenSteering]:
    """Changes what every forward pass of ``hf`` inside the block reads. The model's lock must be held.

    Raises CaptureError for targets, and for single layers, where the slow path cannot tell them.
    """
    token = steered_tokens.set(steering)
    handles = []
    try:
        if hf.config._attn_implementation == "eager":
            if any(rule.target is not None for rule in steering.rules):
                raise CaptureError(
                    "This model gives its attention only on the slow path, where a part cannot be brought to a target "
                    "share: use a factor instead."
                )
            handles = _hooked(hf, steering)
        yield steering
    finally:
        steered_tokens.reset(token)
        for handle in handles:
            handle.remove()


def _hooked(hf: Any, steering: TokenSteering) -> list[Any]:
    """Hooks the innermost modules that take a mask: one that also its block took would be changed twice."""
    takes = {name: module for name, module in hf.named_modules() if _mask_place(module) is not None}
    inner = [m for n, m in takes.items() if not any(o != n and (not n or o.startswith(f"{n}.")) for o in takes)]
    heads = int(getattr(hf.config.get_text_config(), "num_attention_heads", 0) or 0)
    hooks = []
    for order, module in enumerate(inner):
        layer = next((i for i in (getattr(module, n, None) for n in _LAYER_NAMES) if isinstance(i, int)), order)
        change = partial(_change, steering, int(_mask_place(module) or 0), layer, heads)
        hooks.append(module.register_forward_pre_hook(change, with_kwargs=True))
    return hooks


_LAYER_NAMES = ("layer_idx", "layer_id", "layer_number")


def _mask_place(module: Any) -> int | None:
    names = list(inspect.signature(module.forward).parameters)
    return names.index("attention_mask") if "attention_mask" in names else None


def _change(
    steering: TokenSteering, place: int, layer: int, heads: int, module: Any, args: tuple, kwargs: dict[str, Any]
) -> tuple[tuple, dict] | None:
    """Changes the 4-D mask that a module of the eager path is given (a forward pre-hook)."""
    mask = kwargs.get("attention_mask", args[place] if place < len(args) else None)
    if not isinstance(mask, torch.Tensor) or mask.ndim != 4:
        return None
    said = mask.dtype == torch.bool and mask.shape[-2] > 1 and bool(mask[..., 0, -1].all())  # mpt: True means masked
    like = torch.empty(
        (mask.shape[0], 0), dtype=torch.float32 if mask.dtype == torch.bool else mask.dtype, device=mask.device
    )
    merged = steering.merged(~mask if said else mask, layer, mask.shape[-2], mask.shape[-1], heads, like)
    if mask.dtype == torch.bool and merged is not None and merged.dtype != torch.bool:
        raise CaptureError(
            "This model takes its mask as yes or no, so a part can be hidden from it but not read more or less: use "
            "the factor 0, or pick another model."
        )
    mask = ~merged if said and merged is not None else merged
    if "attention_mask" in kwargs:
        return args, {**kwargs, "attention_mask": mask}
    return (*args[:place], mask, *args[place + 1 :]), kwargs
