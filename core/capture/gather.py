"""Collects attention rows during a run and packs them into the ``Rows`` and ``mass`` that a Trace keeps.

``Gather`` is the recorder's ``emit``: it receives a block of float rows of one layer, sums each token group's share
(``mass``: exact, before packing) and packs the rows to 16 bits. Groups must be known before the model runs; they are,
since a step can attend only to the prompt and to its own earlier output. Guarded by
tests/core/test_capture_token_scores.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch

from ..records import MAX, MEAN, SCALE, WITH_HEADS, Rows, Segment, Tokens
from ..text.token_groups import DISJOINT, GROUPS, begins_with_markup, group_membership, group_names


def pack_weights(weights: torch.Tensor, out: torch.Tensor) -> None:
    """Writes round(65535 * sqrt(a)) (see ``Rows``) into ``out``, uint16 of the same shape; overwrites ``weights``."""
    out.copy_(weights.sqrt_().mul_(SCALE).add_(0.5))  # the copy cuts to whole numbers: this rounds


def packed_rows(layers: Mapping[int, torch.Tensor], kind: Literal["self", "encoder", "cross"]) -> Rows:
    """Returns the rows of whole maps, {layer: float32 [1, head, query, key]}, whose queries are counted from 0."""
    maps = torch.cat([weights[0] for weights in layers.values()])
    packed = torch.zeros(maps.shape, dtype=torch.uint16)
    sums = maps.sum(-1).cpu().numpy()
    pack_weights(maps.cpu(), packed)
    heads = [weights.shape[1] for weights in layers.values()]
    return Rows(
        queries=np.arange(maps.shape[1]),
        layers=np.repeat(list(layers), heads),
        heads=np.concatenate([np.arange(count) for count in heads]),
        packed=packed.numpy(),
        sums=sums,
        kind=kind,
    )


class Gather:
    """Collects the rows of one run (batch of 1).

    ``layers``: which have attention. ``kind``: ``cross`` where a decoder reads an encoder's text, the prompt alone: no
    query is among the keys, and the columns of output stay zero. Most runs end within one block of steps: their rows
    are packed straight into the array that the Trace keeps, so that nothing is copied or held twice.
    """

    def __init__(
        self,
        prompt: Tokens,
        segments: Sequence[Segment],
        steps: int,
        keep: str,
        layers: Sequence[int],
        device: str = "cpu",
        kind: Literal["self", "cross"] = "self",
    ) -> None:
        self._kind: Literal["self", "cross"] = kind
        self.beside: dict[str, Rows] = {}
        """Rows of an encoder-decoder's other attention: ``encoder`` [map, P, P], ``decoder`` [map, T, T]."""
        self._place = {layer: i for i, layer in enumerate(sorted(layers))}
        self._straight: torch.Tensor | None = None
        self.groups = group_names(segments)
        self._prompt = len(prompt)
        self._keep, self.keeps_heads = keep, keep in WITH_HEADS
        keys = self._prompt + max(steps, 1)
        member = group_membership(
            prompt, len(prompt), segments, keys, sink=kind == "self" or begins_with_markup(prompt)
        )
        self._member = torch.from_numpy(member).to(device)
        self._packed: dict[int, list[tuple[int, np.ndarray]]] = {}
        self._sums: dict[int, list[np.ndarray]] = {}
        self._mass: dict[int, list[np.ndarray]] = {}
        self._norms: dict[int, list[tuple[int, np.ndarray]]] = {}

    def __call__(self, layers: Sequence[int], first: int, start: int, weights: torch.Tensor) -> None:
        """Adds one block: ``weights`` float32 [layer, 1, H, R, K] of rows ``first`` ..; keys begin at ``start``."""
        weights = weights[:, 0]
        rows, keys = weights.shape[2:]
        mass = torch.matmul(weights, self._member[start : start + keys])
        if self._kind == "self":
            queries = torch.arange(first, first + rows, device=weights.device) + self._prompt - 1 - start
            own = queries[:, None].expand(*weights.shape[:3], 1)
            mass[..., GROUPS.index("query")] = weights.gather(3, own)[..., 0]
        self._add(self._mass, layers, mass)
        if self._keep == "none":
            return
        sums = mass[..., :DISJOINT].sum(-1)
        if self._keep == "reduced":
            weights = torch.stack([weights.mean(1), weights.amax(1)], dim=1)
            sums = weights.sum(-1)
        self._add(self._sums, layers, sums)
        for layer, part in zip(layers, weights.cpu(), strict=True):
            block = self._block(layer, first, part.shape, start)
            pack_weights(part, block[..., start : start + keys])
            self._packed.setdefault(layer, []).append((first, block.numpy()))

    def add_norms(self, layer: int, first: int, norms: torch.Tensor) -> None:
        """Adds what one layer writes for the keys from ``first`` on: float32 [1, H, K], see ``value_norms``."""
        self._norms.setdefault(layer, []).append((first, norms[0].cpu().numpy()))

    def _block(self, layer: int, first: int, shape: torch.Size, start: int) -> torch.Tensor:
        """Returns zeros, uint16 [H, R, from the first key on], for one layer's rows."""
        heads, rows, keys = shape
        if self._straight is None and first == 0:
            self._straight = torch.zeros((len(self._place), heads, rows, self._prompt + rows - 1), dtype=torch.uint16)
        whole = self._straight
        if whole is not None and first == 0 and whole.shape[1:3] == (heads, rows) and start + keys <= whole.shape[3]:
            return whole[self._place[layer]]
        return torch.zeros((heads, rows, start + keys), dtype=torch.uint16)

    @staticmethod
    def _add(kept: dict[int, list[np.ndarray]], layers: Sequence[int], values: torch.Tensor) -> None:
        for layer, value in zip(layers, values.cpu().numpy(), strict=True):
            kept.setdefault(layer, []).append(value)

    def rows(self, steps: int) -> Rows | None:
        """Returns all rows of the first ``steps`` steps, with P + T - 1 columns; frees the blocks while copying."""
        if not self._packed:
            return None
        names = (lambda heads: [MEAN, MAX]) if self._keep == "reduced" else (lambda heads: list(range(heads)))
        layers = [(layer, len(blocks[0][1])) for layer, blocks in sorted(self._packed.items())]
        sums = np.zeros((sum(heads for _, heads in layers), steps), np.float32)
        out = self._finished(steps, len(sums))
        at = 0
        for layer, heads in layers:
            for first, block in self._packed.pop(layer):
                if not np.shares_memory(block, out):
                    part = block[:, : steps - first, : out.shape[2]]
                    out[at : at + heads, first : first + part.shape[1], : part.shape[2]] = part
            sums[at : at + heads] = np.concatenate(self._sums[layer], axis=1)[:, :steps]
            at += heads
        return Rows(
            queries=np.arange(steps) + self._prompt - 1,
            layers=np.concatenate([[layer] * heads for layer, heads in layers]),
            heads=np.concatenate([names(heads) for _, heads in layers]),
            packed=out,
            sums=sums,
            kind=self._kind,
        )

    def _finished(self, steps: int, maps: int) -> np.ndarray:
        """Returns uint16 [maps, steps, P + steps - 1]: the array packed into, or zeros where that is incomplete."""
        shape = (maps, steps, self._prompt + steps - 1)
        whole = self._straight
        if whole is not None and len(self._packed) == len(self._place):
            flat = whole.numpy().reshape(-1, *whole.shape[2:])
            if flat.shape == shape and all(len(blocks) == 1 for blocks in self._packed.values()):
                return flat
        return np.zeros(shape, np.uint16)

    def mass(self, layers: Sequence[int], steps: int) -> np.ndarray:
        """Returns float32 [attention layer, head, step, G] for ``layers`` in order; NaN for heads a layer lacks."""
        found = {layer: np.concatenate(self._mass[layer], axis=1)[:, :steps] for layer in layers if layer in self._mass}
        heads = max((m.shape[0] for m in found.values()), default=0)
        out = np.full((len(layers), heads, steps, len(self.groups)), np.nan, np.float32)
        for i, layer in enumerate(layers):
            if layer in found:
                out[i, : found[layer].shape[0]] = found[layer]
        return out

    def norms(self, layers: Sequence[int], steps: int) -> np.ndarray | None:
        """Returns float16 [attention layer, head, key] for ``layers`` in order; None where heads are not kept.

        Without keys where what heads write is not known.
        """
        if not self.keeps_heads or not layers:
            return None
        if set(layers) - set(self._norms):
            heads = max((block.shape[0] for blocks in self._mass.values() for block in blocks), default=0)
            return np.zeros((len(layers), heads, 0), np.float16)
        heads = max(blocks[0][1].shape[0] for blocks in self._norms.values())
        out = np.full((len(layers), heads, self._prompt + steps - 1), np.nan, np.float16)
        for i, layer in enumerate(layers):
            for first, block in self._norms[layer]:
                part = np.minimum(block, np.finfo(np.float16).max)[:, : out.shape[2] - first]
                out[i, : len(part), first : first + part.shape[1]] = part
        return out
