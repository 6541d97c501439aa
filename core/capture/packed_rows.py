"""Packs attention rows to 16 bits as they come; rows too large for memory grow in a file instead.

A run writes at most so many steps, and the memory that the user grants (``settings.rows_limit``) holds at most so many
of them: ``steps_that_fit``. Most runs end within one block of steps: their rows are packed straight into the array that
the Trace keeps, so that nothing is copied or held twice. Rows of more than IN_MEMORY bytes lie in a file without a
name, which the system deletes with its last reader; its pages are given back after every block. Guarded by
tests/core/test_capture_packed_rows.py.
"""

from __future__ import annotations

import math
import mmap
import tempfile
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch

from .. import settings
from ..records import SCALE, Rows, rows_bytes

Kind = Literal["self", "encoder", "cross"]
IN_MEMORY = 128 << 20
"""Most bytes of rows that are held in memory while they grow."""


def pack_weights(weights: torch.Tensor, out: torch.Tensor) -> None:
    """Writes round(65535 * sqrt(a)) (see ``Rows``) into ``out``, uint16 of the same shape; overwrites ``weights``."""
    out.copy_(weights.sqrt_().mul_(SCALE).add_(0.5))  # the copy cuts to whole numbers: this rounds


def rows_of_maps(layers: Mapping[int, torch.Tensor], kind: Kind) -> Rows:
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


def zero_rows(shape: Sequence[int]) -> tuple[torch.Tensor, mmap.mmap | None]:
    """Returns zeros, uint16 of ``shape``, for packed rows, and the file that they lie in where they are large."""
    size = 2 * math.prod(shape)
    if size <= IN_MEMORY:
        return torch.zeros(tuple(shape), dtype=torch.uint16), None
    home = settings.home_path()
    with tempfile.TemporaryFile(dir=home if home.is_dir() else None) as file:
        file.truncate(size)
        mapped = mmap.mmap(file.fileno(), 0)
    return torch.frombuffer(mapped, dtype=torch.uint16).reshape(tuple(shape)), mapped


class PackedRows:
    """Collects blocks of rows of every layer, packed, and makes ``Rows`` of them."""

    def __init__(self, layers: Sequence[int], prompt: int, steps: int) -> None:
        """``layers``: those that will come; ``prompt``: keys before the first step; ``steps``: the most that come."""
        self._place = {layer: i for i, layer in enumerate(sorted(layers))}
        self._prompt, self._steps = prompt, steps
        self._array: torch.Tensor | None = None
        self._file: mmap.mmap | None = None
        self._blocks: dict[int, list[tuple[int, np.ndarray]]] = {}
        self._sums: dict[int, list[np.ndarray]] = {}

    def add(self, layer: int, first: int, start: int, weights: torch.Tensor, sums: torch.Tensor) -> None:
        """Adds rows ``first`` .. of a layer, float32 [H, R, K], 0..1, whose keys begin at ``start``; overwrites them.

        ``sums`` [H, R]: their true sums.
        """
        heads, rows, keys = weights.shape
        block = self._block(layer, first, (heads, rows), start + keys)
        pack_weights(weights, block[..., start : start + keys])
        self._blocks.setdefault(layer, []).append((first, block.numpy()))
        self._sums.setdefault(layer, []).append(sums.cpu().numpy())

    def release(self) -> None:
        """Gives the pages of the file back: they stay in the file, and no longer count as this program's memory."""
        if self._file is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._file.madvise(mmap.MADV_DONTNEED)

    def _block(self, layer: int, first: int, shape: tuple[int, int], keys: int) -> torch.Tensor:
        """Returns zeros, uint16 [H, R, at least ``keys``], for one layer's rows."""
        heads, rows = shape
        if self._array is None:
            self._array = self._allocated(heads, rows if first == 0 else 0)
        whole = self._array
        if whole.shape[1] == heads and first + rows <= whole.shape[2] and keys <= whole.shape[3]:
            return whole[self._place[layer], :, first : first + rows]
        return torch.zeros((heads, rows, keys), dtype=torch.uint16)

    def _allocated(self, heads: int, rows: int) -> torch.Tensor:
        """Returns zeros, uint16 [layer, head, step, key]: of all steps in a file, or of the first block in memory."""
        maps = heads * len(self._place)
        if rows_bytes(maps, self._prompt, self._steps) <= IN_MEMORY:
            return torch.zeros((len(self._place), heads, rows, self._prompt + rows - 1), dtype=torch.uint16)
        shape = (len(self._place), heads, self._steps, self._prompt + self._steps - 1)
        array, self._file = zero_rows(shape)
        return array

    def finish(self, steps: int, names: Sequence[int] | None, kind: Kind) -> Rows | None:
        """Returns the first ``steps`` rows, with prompt + steps - 1 columns; frees the blocks while copying.

        ``names``: what the maps of a layer are called where they are no heads. None where nothing was added.
        """
        if not self._blocks:
            return None
        layers = [(layer, len(blocks[0][1])) for layer, blocks in sorted(self._blocks.items())]
        sums = np.zeros((sum(heads for _, heads in layers), steps), np.float32)
        out = self._finished(steps, len(sums))
        at = 0
        for layer, heads in layers:
            for first, block in self._blocks.pop(layer):
                if not np.shares_memory(block, out):
                    part = block[:, : steps - first, : out.shape[2]]
                    out[at : at + heads, first : first + part.shape[1], : part.shape[2]] = part
            sums[at : at + heads] = np.concatenate(self._sums[layer], axis=1)[:, :steps]
            at += heads
        self.release()
        return Rows(
            queries=np.arange(steps) + self._prompt - 1,
            layers=np.concatenate([[layer] * heads for layer, heads in layers]),
            heads=np.concatenate([range(heads) if names is None else names for _, heads in layers]),
            packed=out,
            sums=sums,
            kind=kind,
        )

    def _finished(self, steps: int, maps: int) -> np.ndarray:
        """Returns uint16 [maps, steps, P + steps - 1]: the array packed into, or zeros where that is incomplete."""
        shape = (maps, steps, self._prompt + steps - 1)
        whole = self._array
        if whole is not None and len(self._blocks) == len(self._place):
            array = whole.numpy()
            inside = all(np.shares_memory(block, array) for blocks in self._blocks.values() for _, block in blocks)
            flat = array.reshape(-1, *array.shape[2:])
            if inside and len(flat) == maps and (self._file is not None or flat.shape == shape):
                return flat[:, :steps, : shape[2]]
        return np.zeros(shape, np.uint16)
