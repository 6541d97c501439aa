"""Runs an encoder-decoder: what its decoder starts with and may write, and the rows of its three kinds of attention.

A step's row is the cross-attention of the decoder position that predicted its token: how the output reads the input.
The encoder's own attention and the decoder's over its own output are kept beside (``Gather.beside``). Guarded by
tests/core/test_capture_encdec.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessor

from ..models.eager_attention import EncdecPass, Weights, decoder_start, encdec_pass, float_weights
from .gather import Gather
from .packed_rows import rows_of_maps


class ForcedOutput(LogitsProcessor):
    """Lets the first output token be the one that the model must begin with, and never writes its forbidden tokens."""

    def __init__(self, first: int | None, never: Sequence[int]) -> None:
        self._first, self._never = first, list(never)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Returns the logits [B, V] of one step, -inf for what must not come."""
        scores = scores.clone()
        scores[:, self._never] = float("-inf")
        if self._first is not None and input_ids.shape[1] == 1:
            scores[:] = float("-inf")
            scores[:, self._first] = 0.0
        return scores


def empty_cache() -> Any:
    """Returns a cache for ``generate`` that grows: the library's own is as deep as the encoder, not the decoder."""
    from transformers import DynamicCache, EncoderDecoderCache

    return EncoderDecoderCache(DynamicCache(), DynamicCache())


def output_rules(model: Any) -> list[LogitsProcessor]:
    """Returns what a loaded encoder-decoder's own settings force (``Model.forced``), for behind what keeps scores."""
    first, never = model.forced
    return [ForcedOutput(first, never)] if first is not None or never else []


def pass_over(hf: Any, input_ids: Sequence[int], output_ids: Sequence[int]) -> EncdecPass:
    """Returns the pass over an input and an output that is known: the decoder reads all of it but the last token."""
    ids = torch.tensor([list(input_ids)], device=hf.device)
    behind = torch.tensor([[decoder_start(hf), *output_ids[:-1]]], device=hf.device)
    return encdec_pass(hf, ids, behind)


def give_pass(gather: Gather, found: EncdecPass) -> None:
    """Passes the rows of a whole pass to ``gather``."""
    _keep_beside(gather, found.encoder, found.decoder)
    for layer, weights in found.cross.items():
        gather([layer], 0, 0, weights[None])


def give_steps(gather: Gather, out: Any) -> None:
    """Passes the rows of what ``generate`` returned to ``gather``: a tuple of layers for each step."""
    steps = [float_weights(layers) for layers in out.decoder_attentions]
    decoder: Weights = {}
    for layer, first in steps[0].items():
        square = decoder[layer] = torch.zeros((1, first.shape[1], len(steps), len(steps)), device=first.device)
        for step, layers in enumerate(steps):
            square[:, :, step, : step + 1] = layers[layer][:, :, -1]
    _keep_beside(gather, float_weights(out.encoder_attentions), decoder)
    for step, layers in enumerate(out.cross_attentions):
        for layer, weights in float_weights(layers).items():
            gather([layer], step, 0, weights[None, :, :, -1:])


def _keep_beside(gather: Gather, encoder: Weights, decoder: Weights) -> None:
    if gather.keeps_heads:
        gather.beside = {"encoder": rows_of_maps(encoder, "encoder"), "decoder": rows_of_maps(decoder, "self")}
