"""Captures attention weights from a model while it runs on its fast (sdpa) path.

transformers dispatches attention by name. ``install_attention`` registers one function under the name ``heed``: it
calls the library's own sdpa for the output and, only while a ``Recorder`` is active in this thread, keeps the *query
vectors* of the wanted rows. The rows themselves are computed later, a block of steps at a time, from those queries and
the keys that the cache holds anyway: softmax(q k^T * scale + mask). So nothing is T x T, nothing runs eagerly, and a
step of generation costs no more than keeping a reference.

Why not ``output_attentions``: it forces the eager path, keeps layers x heads x T x T, and some families on sdpa return
attention to the future. Why not hooks on q_proj/k_proj: rotary, norms and windows differ by family.

Two cases that sdpa cannot compute (soft-capped scores, learned sinks) go through ``_exact`` in blocks of queries.
``attention_mask`` conventions are sdpa's: None (the module says whether it is causal), 4-D bool, or 4-D additive.
Sliding layers pass only the last keys: each layer counts its own tokens to place them.

Guarded by tests/core/test_attention_families.py: every layer of 25+ families against eager, to 1e-5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch

from ..errors import Cancelled
from ..progress import IsCancelled
from .bias_columns import with_bias_columns
from .packed_attention import packed_texts
from .token_steering import Reweigh, TokenSteering, steered_tokens

NAME = "heed"
BLOCK = 64
"""Steps whose rows are computed together."""
EXACT_BLOCK = 256
"""Queries per block on the exact path."""

CELLS = 1 << 19
"""Weights that are computed together: small layers in one batch, large ones alone, so that they stay in cache."""

ROW_CELLS = 1 << 24
"""Weights of long texts that are made at once: 64 MB."""

Emit = Callable[[list[int], int, int, torch.Tensor], None]
"""emit(layers, first_row, first_key, weights [layer, batch, head, row, key] float32); one call: layers of one shape."""

EmitValues = Callable[[int, int, torch.Tensor], None]
"""emit_values(layer, first_key, values [batch, shared head, key, d]); emit_keys the same for keys."""


@dataclass
class _Pending:
    """What one layer has collected and not yet turned into rows."""

    seen: int = 0
    """Tokens that this layer has processed."""
    emitted: int = 0
    """Rows already emitted."""
    queries: list[torch.Tensor] = field(default_factory=list)
    masks: list[torch.Tensor | None] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    """Per pending row: how many keys of the whole run it may attend to."""
    key: torch.Tensor | None = None
    value: torch.Tensor | None = None
    valued: int = 0
    """Tokens whose values were already passed on."""
    start: int = 0
    """Position of the first key in ``key``."""
    settings: tuple[float, float | None, torch.Tensor | None] = (1.0, None, None)
    """scale, soft cap, learned sinks"""
    reweigh: Reweigh | None = None
    """What scales rows to a target share, see ``token_steering``."""


class Recorder:
    """Keeps the last ``first`` query rows of the first forward pass and every row after it.

    ``emit`` receives each layer's rows in order, ``emit_values`` its value vectors and ``emit_keys`` its key vectors as
    they are in the cache, each key once and before the rows that read it. ``cancelled`` is called at every layer.
    ``at_once``: there is only one pass, so a large layer's rows are computed while its keys are still in the
    processor's cache. ``before``: tokens that the model's cache holds already. ``together``: the most weights that are
    made at once; a layer with more is emitted in several blocks of rows (None: never).
    """

    def __init__(
        self,
        emit: Emit,
        first: int = 1,
        cancelled: IsCancelled | None = None,
        at_once: bool = False,
        emit_values: EmitValues | None = None,
        emit_keys: EmitValues | None = None,
        before: int = 0,
        together: int | None = None,
    ) -> None:
        self._together = together
        self._emit_values, self._emit_keys = emit_values, emit_keys
        self._emit = emit
        self._first, self._before = first, before
        self._cancelled = cancelled
        self._at_once = at_once
        self._layers: dict[int, _Pending] = {}

    def take(
        self,
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        settings: dict[str, Any],
        out: torch.Tensor,
    ) -> None:
        """Takes query [B, H, Q, d], key and value [B, H_kv, K, d] of one layer and its output [B, Q, H, d].

        Called by the attention function.
        """
        if self._cancelled is not None and self._cancelled():
            raise Cancelled("Stopped.")
        index = module.layer_idx
        layer = self._layers.get(index)
        if layer is None:
            layer = self._layers[index] = _Pending(seen=self._before)
        steps, keys = query.shape[2], key.shape[2]
        if steps > 1:
            if _is_causal(module, mask, steps, settings):
                key = key[:, :, :steps]  # as sdpa does: an empty static cache is longer than what was read
                keys = steps
            want = min(steps, self._first) if layer.seen == self._before else steps
            if want < steps:  # a view would keep the queries of the whole prompt alive
                query = query[:, :, steps - want :].clone()
            mask = None if mask is None else mask[:, :, -want:]
            steps, skipped = want, steps - want
            layer.seen += skipped
        layer.seen += steps
        start = max(layer.seen - keys, 0)
        if layer.limits and (start != layer.start or len(layer.limits) >= BLOCK):
            self._flush([index])
        if not layer.limits:
            layer.settings = (_scale(query, settings), settings.get("softcap"), settings.get("s_aux"))
            layer.reweigh = settings.get("reweigh")
        layer.queries.append(query)
        layer.masks.append(mask)
        layer.limits += range(layer.seen - steps + 1, layer.seen + 1)
        layer.key, layer.value, layer.start = key, value, start
        if self._at_once and _cells(layer) >= CELLS:
            self._flush([index])

    def finish(self) -> None:
        """Computes the rows still pending, layers of the same shape in one batch."""
        alike: dict[Any, list[int]] = {}
        for index, layer in self._layers.items():
            if layer.limits:
                alike.setdefault(_shape(index, layer), []).append(index)
        for layers in alike.values():
            together = max(1, CELLS // _cells(self._layers[layers[0]]))
            for first in range(0, len(layers), together):
                self._flush(layers[first : first + together])

    def _flush(self, layers: list[int]) -> None:
        """Computes and emits the rows of layers that have the same ``_shape``."""
        pending = [self._layers[index] for index in layers]
        one = pending[0]
        keys = [layer.key for layer in pending if layer.key is not None]
        queries = [q[0] if len(q) == 1 else torch.cat(q, dim=2) for q in (layer.queries for layer in pending)]
        query, key = (torch.cat(t) if len(t) > 1 else t[0] for t in (queries, keys))
        allowed = _allowed(one, keys[0])
        if len(layers) > 1 and allowed.shape[0] > 1:
            allowed = allowed.repeat(len(layers), 1, 1, 1)
        scale, cap, sinks = one.settings
        for index, layer in zip(layers, pending, strict=True):
            first, layer.valued = max(layer.valued, layer.start), layer.limits[-1]
            for emit, vectors in ((self._emit_values, layer.value), (self._emit_keys, layer.key)):
                if emit is not None and vectors is not None:
                    emit(index, first, vectors[:, :, first - layer.start : layer.valued - layer.start])
        rows = len(one.limits)
        most = rows if self._together is None else max(1, rows * self._together // (_cells(one) * len(layers)))
        for first in range(0, rows, most):
            part = slice(first, first + most)
            open_keys = allowed[:, :, part] if allowed.shape[2] > 1 else allowed
            weights = softmax_rows(query[:, :, part], key, scale, open_keys, cap, sinks)
            weights = weights.unflatten(0, (len(layers), -1))
            if one.reweigh is not None:
                for layer_weights in weights:
                    one.reweigh(layer_weights, torch.tensor(one.limits[part]) - 1, one.start)
            self._emit(layers, one.emitted + first, one.start, weights)
        for layer in pending:
            layer.emitted += len(layer.limits)
            layer.queries, layer.masks, layer.limits, layer.key, layer.value = [], [], [], None, None


def _cells(layer: _Pending) -> int:
    """Returns the number of weights in this layer's pending rows."""
    assert layer.key is not None
    return layer.queries[0].shape[0] * layer.queries[0].shape[1] * len(layer.limits) * layer.key.shape[2]


def _shape(index: int, layer: _Pending) -> Any:
    """Returns a key, equal for layers whose rows can be computed together; unique where learned sinks are its own."""
    assert layer.key is not None
    scale, cap, sinks = layer.settings
    if sinks is not None:
        return index
    same = (layer.limits[0], len(layer.limits), tuple(map(id, layer.masks)), layer.reweigh)
    return layer.start, layer.emitted, same, layer.queries[0].shape, layer.key.shape, layer.key.device, scale, cap


def _is_causal(module: Any, mask: torch.Tensor | None, steps: int, settings: dict[str, Any]) -> bool:
    asked = settings.get("is_causal")
    causal = getattr(module, "is_causal", True) if asked is None else asked
    return mask is None and steps > 1 and bool(causal)


def _scale(query: torch.Tensor, settings: dict[str, Any]) -> float:
    scaling = settings.get("scaling")
    return query.shape[-1] ** -0.5 if scaling is None else float(scaling)


def _allowed(layer: _Pending, key: torch.Tensor) -> torch.Tensor:
    """Returns what may be attended to, [1 or B, 1 or H, rows, K]: bool, or additive where the model's own mask is."""
    keys = key.shape[2]
    positions = torch.arange(layer.start, layer.start + keys, device=key.device)
    limits = torch.tensor(layer.limits, device=key.device)
    causal = (positions[None, :] < limits[:, None])[None, None]
    if all(mask is None for mask in layer.masks):
        return causal
    parts = [_stretch(mask, keys, causal, key) for mask in layer.masks]
    mask = torch.cat([p.expand(max(q.shape[0] for q in parts), -1, -1, -1) for p in parts], dim=2)
    if mask.dtype == torch.bool:
        return mask & causal
    return mask.masked_fill(~causal, torch.finfo(torch.float32).min)


def _stretch(mask: torch.Tensor | None, keys: int, causal: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """Widens one step's mask to the keys known now: keys that came later are masked."""
    if mask is None:
        return torch.ones((1, 1, 1, keys), dtype=torch.bool, device=key.device)
    mask = mask[..., :keys]
    if mask.dtype != torch.bool:
        mask = mask.float()
    fill = False if mask.dtype == torch.bool else torch.finfo(torch.float32).min
    return torch.nn.functional.pad(mask, (0, keys - mask.shape[-1]), value=fill)


def softmax_rows(
    query: torch.Tensor,
    key: torch.Tensor,
    scale: float,
    allowed: torch.Tensor,
    cap: float | None = None,
    sinks: torch.Tensor | None = None,
) -> torch.Tensor:
    """Returns float32 [B, H, R, K]: softmax(cap(q k^T * scale) + mask), with grouped-query heads sharing their keys.

    ``query`` [B, H, R, d], ``key`` [B, H_kv, K, d], ``allowed`` bool or additive, broadcastable to [B, H, R, K].
    ``cap``: s -> cap * tanh(s / cap) (Gemma 2). ``sinks`` [H]: one logit per head that takes its part of the softmax
    and is then dropped (gpt-oss), so that rows sum to less than 1.
    """
    batch, heads, rows, width = query.shape
    shared = key.shape[1]
    grouped = query.reshape(batch, shared, heads // shared * rows, width)
    if query.dtype == torch.float32:  # fewer numbers to scale than scores
        grouped, scale = grouped * scale, 1.0
    scores = torch.matmul(grouped, key.transpose(2, 3)).reshape(batch, heads, rows, -1).float()
    if scale != 1.0:
        scores.mul_(scale)
    if cap is not None:
        scores.div_(cap).tanh_().mul_(cap)
    empty = _hide(scores, allowed)
    if sinks is None:
        weights = torch.softmax(scores, dim=-1)
    else:
        extra = sinks.float().reshape(1, heads, 1, 1).expand(batch, heads, rows, 1)
        weights = torch.softmax(torch.cat([scores, extra], dim=-1), dim=-1)[..., :-1]
    return torch.nan_to_num_(weights, nan=0.0) if empty else weights  # a row of padding attends to nothing


def _hide(scores: torch.Tensor, allowed: torch.Tensor) -> bool:
    """Applies the mask to ``scores`` in place; returns whether a row may be left without any key."""
    if allowed.dtype != torch.bool:
        scores.add_(allowed)
        return True
    columns = (~allowed).flatten(0, -2).any(0).nonzero()
    if len(columns):
        first = int(columns[0])
        scores[..., first:].masked_fill_(~allowed[..., first:], float("-inf"))
    return not bool(allowed.any(-1).all())


def _exact(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    kw: dict[str, Any],
    reweigh: Reweigh | None = None,
    positions_of: torch.Tensor | None = None,
) -> torch.Tensor:
    """Returns the attention output [B, Q, H, d] where sdpa cannot compute it, a block of queries at a time.

    ``reweigh`` scales the weights of queries that stand at ``positions_of`` [Q].
    """
    steps, keys = query.shape[2], key.shape[2]
    share = query.shape[1] // value.shape[1]
    value = value.repeat_interleave(share, dim=1)
    causal = _is_causal(module, mask, steps, kw)
    out = []
    for first in range(0, steps, EXACT_BLOCK):
        part = slice(first, min(first + EXACT_BLOCK, steps))
        if mask is not None:
            allowed = mask[:, :, part, :keys]
        else:
            positions = torch.arange(keys, device=key.device)
            limit = torch.arange(part.start, part.stop, device=key.device) + 1 if causal else torch.tensor([keys])
            allowed = (positions[None] < limit.to(key.device)[:, None])[None, None]
        weights = softmax_rows(query[:, :, part], key, _scale(query, kw), allowed, kw.get("softcap"), kw.get("s_aux"))
        if reweigh is not None and positions_of is not None:
            reweigh(weights, positions_of[part], max(int(positions_of[-1]) + 1 - keys, 0))
        out.append(torch.matmul(weights.to(value.dtype), value))
    return torch.cat(out, dim=2).transpose(1, 2).contiguous()


def _only_picked(mask: torch.Tensor | None, picked: torch.Tensor, keys: int) -> torch.Tensor:
    """Returns ``mask`` with all keys masked but those that an indexer picked for each query: ``picked`` [B, Q, n] int.

    DeepSeek V3.2 and its relatives mask for eager and sdpa by name and hand the indices to any other function.
    """
    allowed = torch.zeros((*picked.shape[:2], keys), dtype=torch.bool, device=picked.device)
    allowed = allowed.scatter(-1, picked.long(), True).unsqueeze(1)
    if mask is None:
        return allowed & torch.ones_like(allowed[0, 0]).tril(keys - allowed.shape[2])
    if mask.dtype == torch.bool:
        return mask[..., :keys] & allowed
    return mask[..., :keys].masked_fill(~allowed, torch.finfo(mask.dtype).min)


_active: ContextVar[Recorder | None] = ContextVar("heed_recorder", default=None)


@contextmanager
def recording(recorder: Recorder) -> Iterator[Recorder]:
    """Passes rows of every forward pass inside the ``with`` block to ``recorder``; other threads are not affected."""
    token = _active.set(recorder)
    try:
        yield recorder
        recorder.finish()
    finally:
        _active.reset(token)


def attention_forward(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kw: Any,
) -> tuple[torch.Tensor, None]:
    """Attends as the library does and shows the active recorder queries and keys: what transformers calls."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    picked = kw.pop("indices", None)
    if picked is not None:
        attention_mask = _only_picked(attention_mask, picked, key.shape[2])
    packing = packed_texts.get()
    if packing is not None:
        return packing.attend(module.layer_idx, query, key, value, attention_mask, kw), None
    steering, own_mask, reweigh, positions = steered_tokens.get(), attention_mask, None, None
    if steering is not None:
        layer, steps = module.layer_idx, query.shape[2]
        attention_mask = steering.merged(attention_mask, layer, steps, key.shape[2], query.shape[1], query)
        reweigh = steering.reweigh_of(layer)
        positions = None if reweigh is None else steering.queries_of(layer, steps)
    if kw.get("softcap") is not None or kw.get("s_aux") is not None or reweigh is not None:
        out = _exact(module, query, key, value, attention_mask, kw, reweigh, positions)
    elif (wider := _with_columns(module, steering, query, key, value, own_mask, kw)) is not None:
        given = kw | {"scaling": _scale(query, kw)}
        out = sdpa_attention_forward(module, *wider, None, **given)[0][..., : value.shape[-1]]
    else:
        out = sdpa_attention_forward(module, query, key, value, attention_mask, **kw)[0]
    recorder = _active.get()
    if recorder is not None:
        settings = kw if reweigh is None else kw | {"reweigh": reweigh}
        recorder.take(module, query, key, value, attention_mask, settings, out)
    return out, None


def _with_columns(
    module: Any,
    steering: TokenSteering | None,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    kw: dict[str, Any],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None:
    """Returns query, key and value that steer a prompt without a mask; None where a mask is needed or cheap."""
    plain = query.device.type == "cpu" and query.dtype == torch.float32
    if steering is None or not plain or query.shape[2] != key.shape[2] or query.shape[-1] != value.shape[-1]:
        return None
    if not _is_causal(module, mask, query.shape[2], kw):
        return None
    return with_bias_columns(steering.added(module.layer_idx), query, key, value, _scale(query, kw))
