"""Lets several texts stand behind one another in one row of a forward pass, each reading its own past and no other.

The past of a text is a *prefix* (keys and values that an earlier pass computed, shared by as many texts as like) and
its own tokens before each. A batch of texts must be padded to one width, copies the prefix for each, and needs a mask
where their pasts differ; here nothing is padded, copied or masked. Attention to the prefix needs no mask at all, and
attention to the own tokens is causal: both are the library's fast kernel, joined by their log-sums:
out = (e^a A + e^b B) / (e^a + e^b), with a and b the log of each part's sum of exponentials (Dao et al. 2022,
FlashAttention, section 3.1). Heads that share keys are rows of one matrix product and not copies of the keys.

A text may lack tokens of the prompt: what is hidden from every other token need not be computed at all, as long as the
others keep their positions. The kernel that gives log-sums exists for processors only. Guarded by
tests/core/test_probe_packed_scoring.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import Cancelled, CaptureError
from ..progress import IsCancelled

KeysAndValues = tuple[torch.Tensor, torch.Tensor]
"""Two tensors [1, shared head, token, d] of one layer."""
Prefix = Mapping[int, KeysAndValues]
"""{layer_idx: keys and values of the tokens before}."""


@dataclass(frozen=True, eq=False)
class Piece:
    """One text of the row: its tokens stand at ``start`` up to ``end``, behind ``before`` tokens of its prefix."""

    start: int
    end: int
    prefix: Prefix | None = None
    before: int = 0


class Packing:
    """Attends for the pieces of one row. ``keep``: the keys and values of the row stay in ``kept``."""

    def __init__(self, pieces: Sequence[Piece], cancelled: IsCancelled | None = None, keep: bool = False) -> None:
        self._pieces, self._cancelled, self._keep = pieces, cancelled, keep
        self.kept: dict[int, KeysAndValues] = {}
        """{layer_idx: keys and values of the whole row}, where they are kept."""

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        settings: Mapping[str, Any],
    ) -> torch.Tensor:
        """Returns [1, token, H, d] for query [1, H, token, d], key and value [1, shared head, token, d] of one layer.

        Raises Cancelled, and CaptureError where the model asks for more than plain causal attention.
        """
        if self._cancelled is not None and self._cancelled():
            raise Cancelled("Stopped.")
        odd = [name for name in ("softcap", "s_aux", "sliding_window") if settings.get(name) is not None]
        if mask is not None or odd or len(query) > 1 or not len(self._pieces):
            raise CaptureError("Texts cannot be packed for this model, whose attention is not plainly causal.")
        if self._keep:
            self.kept[layer] = key, value
        scale = settings.get("scaling")
        out = query.new_empty(1, query.shape[2], query.shape[1], value.shape[3])
        for piece in self._pieces:
            own = slice(piece.start, piece.end)
            parts = query[:, :, own], key[:, :, own], value[:, :, own]
            found, sums = _flash(*parts, True, scale)
            if piece.before:
                assert piece.prefix is not None
                keys, values = (part[:, :, : piece.before] for part in piece.prefix[layer])
                found = _joined((found, sums), _whole(parts[0], keys, values, scale))
            out[:, own] = found.transpose(1, 2)
        return out


Attended = tuple[torch.Tensor, torch.Tensor]
"""(output [1, H, token, d], log of the sum of exponentials [1, H, token])."""


def _flash(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, causal: bool, scale: float | None) -> Attended:
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, key, value, 0.0, causal, scale=scale)


def _whole(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None) -> Attended:
    """Attends to every key; the heads that share keys are rows of one product."""
    batch, heads, tokens, width = query.shape
    grouped = query.reshape(batch, key.shape[1], -1, width)
    out, sums = _flash(grouped, key, value, False, scale)
    return out.reshape(batch, heads, tokens, -1), sums.reshape(batch, heads, tokens)


def _joined(one: Attended, other: Attended) -> torch.Tensor:
    """Returns the output that attending to the keys of both would have given."""
    return torch.lerp(one[0], other[0], torch.sigmoid(other[1] - one[1])[..., None])


packed_texts: ContextVar[Packing | None] = ContextVar("heed_packing", default=None)
"""Read by the attention function; other threads are not affected."""


@contextmanager
def packed(packing: Packing) -> Iterator[Packing]:
    """Makes every forward pass inside the block attend by ``packing``. The model's lock must be held."""
    token = packed_texts.set(packing)
    try:
        yield packing
    finally:
        packed_texts.reset(token)
