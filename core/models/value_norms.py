"""Computes how much each head writes for a key: the norm of W_o^h v_j (Kobayashi et al. 2020, arXiv 2004.10102).

Attention says how much of a token is read, not how much there is to read: sinks get high weights on vectors of next to
no length. A head's output is sum_j a_j W_o^h v_j, where v_j is the key's value vector and W_o^h the head's part of the
output projection, so the length of W_o^h v_j is what a weight of 1 would write. Biases of the projection belong to no
key and are left out, as are norms that the model applies to the sum afterwards.

||W v||^2 = v^T (W^T W) v, so each head needs its Gram matrix W^T W [d, d] once for a loaded model, and a key costs d^2.
The projection is found by observation, not by name: it is the linear layer whose input is the attention output. Where
something stands between them (a gate, a norm of its own) the formula would not hold, and the model has no norms.

Guarded by tests/core/test_models_value_norms.py: families against W_o applied to the values, and against their output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .attention import EmitValues, Recorder, recording
from .per_model import once_per_model
from .placement import dense_weight, input_width
from .self_check import probe_ids

PROBE_TOKENS = 6
CHUNK = 1 << 22
"""Numbers that are computed together (16 MB)."""


def head_grams(model: Any) -> dict[int, torch.Tensor]:
    """Returns {layer_idx: float32 [head, d, d]} of a loaded ``Model``; {} where a layer's projection cannot be named.

    Made once for a loaded model, under its lock.
    """
    if model.ref.attention != "dispatch":
        return {}
    return _grams_of(model.hf)


@once_per_model
def _grams_of(hf: Any) -> dict[int, torch.Tensor]:
    return find_grams(hf)


def find_grams(hf: Any) -> dict[int, torch.Tensor]:
    """Returns ``head_grams`` of a transformers model on the dispatch path, by running a few tokens through it."""
    found = find_projections(hf).items()
    return {layer: _gram(dense_weight(at), heads) for layer, (at, heads) in found}


def find_projections(hf: Any) -> dict[int, tuple[torch.nn.Module, int]]:
    """Returns {layer_idx: (the linear layer that takes its attention's output, number of heads)}, by running 6 tokens.

    The input of that layer is [..., head x d]. {} where one of the layers has none; of a model on the dispatch path.
    """
    finder = _Finder()
    linear = [m for m in hf.modules() if input_width(m) is not None]
    hooks = [module.register_forward_pre_hook(finder.look) for module in linear]
    ids = probe_ids(hf, PROBE_TOKENS)
    try:
        with torch.no_grad(), recording(finder):
            hf(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    if set(finder.found) != finder.layers:
        return {}
    return dict(sorted(finder.found.items()))


class _Finder(Recorder):
    """Sees each layer's attention output and finds the linear layer that takes it as its input."""

    def __init__(self) -> None:
        super().__init__(lambda *_: None)
        self.layers: set[int] = set()
        self.found: dict[int, tuple[torch.nn.Module, int]] = {}
        self._last: tuple[int, torch.Tensor] | None = None

    def take(self, module: Any, query: Any, key: Any, value: Any, mask: Any, settings: Any, out: torch.Tensor) -> None:
        """Keeps the output [B, Q, H, d] of a layer until a linear layer takes it."""
        self.layers.add(module.layer_idx)
        self._last = (module.layer_idx, out)

    def look(self, module: Any, inputs: tuple[Any, ...]) -> None:
        """A forward pre-hook: compares what a linear layer is given with the attention output seen last."""
        if self._last is None or not inputs or not torch.is_tensor(inputs[0]):
            return
        (layer, out), given = self._last, inputs[0]
        fits = given.numel() == out.numel() and input_width(module) == out.shape[2] * out.shape[3]
        if fits and torch.equal(given.reshape(-1), out.reshape(-1).to(given.device)):
            self.found[layer], self._last = (module, out.shape[2]), None


def _gram(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Returns W^T W of each head's part of a projection [out, head x d]: float32 [head, d, d]."""
    with torch.no_grad():
        parts = weight.float().unflatten(1, (heads, -1)).transpose(0, 1)
        return parts.transpose(1, 2) @ parts


def norms_of_values(model: Any, emit: Callable[[int, int, torch.Tensor], None]) -> EmitValues | None:
    """Returns what a Recorder needs to pass each layer's norms to ``emit(layer, first_key, [B, H, K])``, or None."""
    grams = head_grams(model)
    if not grams:
        return None
    return lambda layer, first, value: emit(layer, first, written_norms(value, grams[layer]))


def written_norms(value: torch.Tensor, gram: torch.Tensor) -> torch.Tensor:
    """Returns ||W_o^h v_j||, float32 [B, H, K], of values [B, H_kv, K, d]; heads share them where H_kv < H."""
    batch, shared, keys, width = value.shape
    heads, each = len(gram), len(gram) // shared
    side_by_side = gram.reshape(shared, each, width, width).transpose(1, 2).reshape(shared, width, each * width)
    out = torch.empty((batch, heads, keys), dtype=torch.float32, device=value.device)
    size = max(1, CHUNK // max(batch * heads * width, 1))
    for first in range(0, keys, size):
        part = value[:, :, first : first + size].float()
        turned = torch.matmul(part, side_by_side).unflatten(-1, (each, width))
        squares = torch.einsum("bskgd,bskd->bsgk", turned, part)
        out[..., first : first + size] = squares.clamp_(min=0).sqrt_().reshape(batch, heads, -1)
    return out
