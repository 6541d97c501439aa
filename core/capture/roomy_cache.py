"""A cache of keys and values with room for the tokens to come, in place of the library's, which is copied every step.

The library joins each new token to all before it: at 8,000 tokens every step copies some 400 MB and leaves holes in the
heap that no other tensor fits into, twice the cache in the end. Here a layer's keys lie in one tensor with room behind
them; what attention sees is a view of the filled part. Only for models whose every layer keeps every token.
Guarded by tests/core/test_capture_roomy_cache.py: equal to the library's, to the last bit.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

GROWTH = 1.25
MORE_ROOM = 64
"""Tokens that are added at least when the room is used up."""


class _RoomyLayer(DynamicLayer):
    """Keys and values of one layer, [B, H_kv, n, d], as views of larger tensors."""

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self._tokens = tokens
        self._rooms: list[torch.Tensor] = []

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> Any:
        """Adds the new tokens' keys and values and returns all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        before = self.get_seq_length()
        after = before + key_states.shape[-2]
        if not self._rooms or self._rooms[0].shape[-2] < after:
            size = (
                max(after + MORE_ROOM, self._tokens) if not self._rooms else max(int(GROWTH * after), after + MORE_ROOM)
            )
            rooms = [new.new_empty((*new.shape[:-2], size, new.shape[-1])) for new in (key_states, value_states)]
            for room, old in zip(rooms, (self.keys, self.values), strict=True):
                if before:
                    room[..., :before, :] = old
            self._rooms = rooms
        for room, new in zip(self._rooms, (key_states, value_states), strict=True):
            room[..., before:after, :] = new
        self.keys, self.values = (room[..., :after, :] for room in self._rooms)
        return self.keys, self.values


def roomy_cache(model: Any, tokens: int) -> Any:
    """Returns an empty cache with room for ``tokens``; None for a loaded ``Model`` that needs another kind of cache."""
    ref = model.ref
    plain = ref.attention == "dispatch" and ref.kind == "decoder" and all(window is None for window in ref.windows)
    if not plain or tuple(ref.attention_layers) != tuple(range(ref.layers)):
        return None
    own = DynamicCache(config=model.hf.config)
    if [type(layer) for layer in own.layers] != [DynamicLayer] * ref.layers:
        return None
    own.layers = [_RoomyLayer(tokens) for _ in range(ref.layers)]
    return own
