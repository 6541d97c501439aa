"""Collects attention rows during a run and packs them into the ``Rows`` and ``mass`` that a Trace keeps.

``Gather`` is the recorder's ``emit``: it receives a block of float rows of one layer, sums each token group's share
(``mass``: exact, before packing) and packs the rows to 16 bits. Groups must be known before the model runs; they are,
since a step can attend only to the prompt and to its own earlier output.

Where the rows of every head might take more than ``limit`` bytes by the end, each layer's reductions are collected
beside them from the start; once the heads do take more, they are dropped and the reductions stay. So what is kept is
exact either way. Guarded by tests/core/test_capture_token_scores.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from .. import settings
from ..models.memory_estimate import size_text
from ..records import MAX, MEAN, WITH_HEADS, WRITTEN, Rows, Segment, Tokens, steps_that_fit
from ..text.token_groups import DISJOINT, GROUPS, begins_with_markup, group_membership, group_names
from .packed_rows import PackedRows

REDUCTIONS = (MEAN, MAX, WRITTEN)


class Gather:
    """Collects the rows of one run (batch of 1).

    ``layers``: which have attention. ``kind``: ``cross`` where a decoder reads an encoder's text, the prompt alone: no
    query is among the keys, and the columns of output stay zero. ``heads``: of a layer; ``limit``: the most bytes that
    rows may take.
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
        heads: int = 0,
        limit: int | None = None,
    ) -> None:
        self._kind: Literal["self", "cross"] = kind
        self.beside: dict[str, Rows] = {}
        """Rows of an encoder-decoder's other attention: ``encoder`` [map, P, P], ``decoder`` [map, T, T]."""
        self.groups = group_names(segments)
        self._prompt = len(prompt)
        self._layers, self._steps = sorted(layers), max(steps, 1)
        self._limit = settings.rows_limit() if limit is None else limit
        self.keeps_norms = keep != "none"
        """Whether what heads write is needed."""
        fits = [steps_that_fit(count * len(layers), self._prompt, self._steps, self._limit) for count in (heads, 3)]
        self._fits = fits[0]
        """Steps whose rows of every head may be kept."""
        self._by_head = PackedRows(layers, self._prompt, fits[0]) if keep in WITH_HEADS and fits[0] else None
        reduced = keep == "reduced" or (keep in WITH_HEADS and fits[0] < self._steps)
        self._by_layer = PackedRows(layers, self._prompt, fits[1]) if reduced and fits[1] else None
        self._most = fits[1]
        self._asked_heads = keep in WITH_HEADS
        keys = self._prompt + max(steps, 1)
        member = group_membership(
            prompt, len(prompt), segments, keys, sink=kind == "self" or begins_with_markup(prompt)
        )
        self._member = torch.from_numpy(member).to(device)
        self._mass: dict[int, list[np.ndarray]] = {}
        self._norms: dict[int, list[tuple[int, np.ndarray]]] = {}

    def __call__(self, layers: Sequence[int], first: int, start: int, weights: torch.Tensor) -> None:
        """Adds one block: ``weights`` float32 [layer, 1, H, R, K] of rows ``first`` ..; keys begin at ``start``."""
        weights = weights[:, 0]
        rows, keys = weights.shape[2:]
        mass = torch.matmul(weights, self._member[start : start + keys].to(weights.device))
        if self._kind == "self":
            queries = torch.arange(first, first + rows, device=weights.device) + self._prompt - 1 - start
            own = queries[:, None].expand(*weights.shape[:3], 1)
            mass[..., GROUPS.index("query")] = weights.gather(3, own)[..., 0]
        for layer, value in zip(layers, mass.cpu().numpy(), strict=True):
            self._mass.setdefault(layer, []).append(value)
        if first + rows > self._fits:
            self._by_head = None
        if first + rows > self._most:
            self._by_layer = None
        for layer, one in zip(layers, weights, strict=True):
            if self._by_layer is not None:
                self._by_layer.add(layer, first, start, *self._reduced(layer, start, one.cpu()))
        sums = mass[..., :DISJOINT].sum(-1)
        if self._by_head is not None:
            for layer, one, total in zip(layers, weights.cpu(), sums.cpu(), strict=True):
                self._by_head.add(layer, first, start, one, total)
        for kept in (self._by_head, self._by_layer):
            if kept is not None:
                kept.release()

    def _reduced(self, layer: int, start: int, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns (float32 [reduction, R, K] of ``weights`` [H, R, K], the sums of their rows): see ``REDUCTIONS``."""
        found = [weights.mean(0), weights.amax(0)]
        if layer in self._norms:
            heads, _, keys = weights.shape
            norms = torch.from_numpy(self._norms_of(layer, heads, start + keys)[:, start:].astype(np.float32))
            found.append(torch.einsum("hrk,hk->rk", weights, norms) / heads)
        made = torch.stack(found)
        sums = made.sum(-1)
        if len(made) == len(REDUCTIONS):  # lengths, which may be above 1: packed as parts of the row's largest
            made[-1] /= made[-1].amax(-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
        return made, sums

    def add_norms(self, layer: int, first: int, norms: torch.Tensor) -> None:
        """Adds what one layer writes for the keys from ``first`` on: float32 [1, H, K], see ``value_norms``."""
        self._norms.setdefault(layer, []).append((first, norms[0].cpu().numpy()))

    def rows(self, steps: int) -> Rows | None:
        """Returns the rows of the first ``steps`` steps, with P + T - 1 columns: of every head, else the reductions."""
        if self._by_head is not None:
            return self._by_head.finish(steps, None, self._kind)
        if self._by_layer is None:
            return None
        written = set(self._norms) >= set(self._layers)
        return self._by_layer.finish(steps, REDUCTIONS if written else REDUCTIONS[:2], self._kind)

    @property
    def keeps_heads(self) -> bool:
        """Whether the rows of every head are kept, so far."""
        return self._by_head is not None

    def notes(self) -> tuple[str, ...]:
        """Returns what a reader should know of what was not kept, in sentences."""
        if not self._asked_heads or self._by_head is not None or not self._mass:
            return ()
        kept = "each layer's mean, maximum and what it writes" if self._by_layer is not None else "no attention rows"
        return (
            f"The attention of every head would take more than the {size_text(self._limit)} granted to one run, so "
            f"{kept} and the shares of every head by role were kept: read single heads again on request, or set "
            "HEED_RUN_GB higher and run it again.",
        )

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
        if self._by_head is None or not layers:
            return None
        if set(layers) - set(self._norms):
            heads = max((block.shape[0] for blocks in self._mass.values() for block in blocks), default=0)
            return np.zeros((len(layers), heads, 0), np.float16)
        heads = max(blocks[0][1].shape[0] for blocks in self._norms.values())
        out = np.full((len(layers), heads, self._prompt + steps - 1), np.nan, np.float16)
        for i, layer in enumerate(layers):
            found = self._norms_of(layer, len(self._norms[layer][0][1]), out.shape[2])
            out[i, : len(found)] = np.minimum(found, np.finfo(np.float16).max)
        return out

    def _norms_of(self, layer: int, heads: int, keys: int) -> np.ndarray:
        """Returns float32 [head, key] of one layer for the first ``keys`` keys; NaN where nothing was added."""
        out = np.full((heads, keys), np.nan, np.float32)
        for first, block in self._norms[layer]:
            part = block[:, : max(keys - first, 0)]
            out[:, first : first + part.shape[1]] = part
        return out
