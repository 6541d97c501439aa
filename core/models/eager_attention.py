"""Runs encoders and encoder-decoders on the eager path, which returns their attention, and checks what it returns.

Their texts are short, so whole T x T matrices are no trouble. A decoder of an encoder-decoder reads its own output so
far, behind a start token, and the encoder's text by cross-attention. Checked on a few tokens whenever such a model is
loaded: there is attention, every row sums to 1, and a decoder reads no future. Guarded by
tests/core/test_models_eager_attention.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import CaptureError
from ..records import ModelKind
from .self_check import probe_ids

Weights = dict[int, torch.Tensor]
"""{layer, counted from 0 among those with attention: float32 [batch, head, query, key]}"""


@dataclass(frozen=True, eq=False)
class EncdecPass:
    """What one pass of an encoder-decoder over P input tokens and T decoder tokens gave."""

    encoder: Weights
    """[B, H, P, P]"""
    decoder: Weights
    """[B, H, T, T]"""
    cross: Weights
    """[B, H, T, P]"""
    logits: torch.Tensor
    """[B, T, V]"""


def float_weights(attentions: Iterable[Any] | None) -> Weights:
    """Returns the layers of a model's attentions as float32; layers that have none are left out."""
    return dict(enumerate(a.float() for a in attentions or () if torch.is_tensor(a) and a.ndim == 4))


def encoder_pass(hf: Any, inputs: Mapping[str, torch.Tensor]) -> tuple[Weights, Any]:
    """Returns (attention [B, H, T, T] of each layer, the model's output) of an encoder on the eager path."""
    with torch.no_grad():
        out = hf(**inputs, output_attentions=True)
    return float_weights(getattr(out, "attentions", None)), out


def encdec_pass(hf: Any, ids: torch.Tensor, decoder_ids: torch.Tensor) -> EncdecPass:
    """Returns all three kinds of attention of one teacher-forced pass: ``ids`` [B, P] in, ``decoder_ids`` [B, T] out.

    ``decoder_ids`` begin with the start token (``decoder_start``).
    """
    with torch.no_grad():
        out = hf(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            decoder_input_ids=decoder_ids,
            use_cache=False,
            output_attentions=True,
        )
    encoder, decoder, cross = (
        float_weights(getattr(out, f"{kind}_attentions", None)) for kind in ("encoder", "decoder", "cross")
    )
    return EncdecPass(encoder, decoder, cross, out.logits)


def decoder_start(hf: Any) -> int:
    """Returns the id of the token that the decoder of an encoder-decoder begins with; families name it differently."""
    configs = (hf.generation_config, hf.config)
    names = ("decoder_start_token_id", "bos_token_id", "pad_token_id")
    found = (getattr(config, name, None) for name in names for config in configs)
    return int(next((token for token in found if token is not None), 0))


def observed_heads(hf: Any, kind: ModelKind) -> dict[int, int]:
    """Returns {layer: heads} of an encoder, or of the cross-attention of an encoder-decoder, seen in a real pass."""
    layers = _checked_maps(hf, kind)["cross" if kind == "encdec" else "encoder"]
    return {layer: weights.shape[1] for layer, weights in layers.items()}


def _checked_maps(hf: Any, kind: ModelKind) -> dict[str, Weights]:
    """Returns {kind of attention: weights} of a pass over a few tokens."""
    ids = probe_ids(hf)
    if kind == "encoder":
        return {"encoder": encoder_pass(hf, {"input_ids": ids, "attention_mask": torch.ones_like(ids)})[0]}
    behind = torch.cat([torch.full_like(ids[:, :1], decoder_start(hf)), ids[:, :7]], dim=1)
    found = encdec_pass(hf, ids, behind)
    return {"encoder": found.encoder, "decoder": found.decoder, "cross": found.cross}


def check_kind(model: Any) -> None:
    """Raises CaptureError where the attention of a loaded encoder or encoder-decoder cannot be right."""
    ref = model.ref
    wrong = kind_problems(model.hf, ref.kind)
    if wrong:
        raise CaptureError(
            f"{ref.label} was refused: its attention could not be verified ({wrong[0]}). Pick another model, or report "
            "this one."
        )


def kind_problems(hf: Any, kind: ModelKind) -> list[str]:
    """Returns what is wrong with the attention of an encoder or encoder-decoder, in words; empty when nothing is."""
    tolerance = 1e-4 if hf.dtype == torch.float32 else 5e-2
    maps = _checked_maps(hf, kind)
    read = len(probe_ids(hf)[0])
    wrong = []
    for name, layers in maps.items():
        queries, keys = (read if name == "encoder" else 8), (8 if name == "decoder" else read)
        if not layers:
            wrong.append(f"the model returns no {name} attention")
        for layer, weights in layers.items():
            if weights.shape[-2:] != (queries, keys):
                seen = " x ".join(map(str, weights.shape[-2:]))
                wrong.append(f"{name} layer {layer} gives {seen} weights where {queries} x {keys} are expected")
            elif not ((weights.sum(-1) - 1).abs() <= tolerance).all():  # so asked, NaN fails too
                wrong.append(f"rows of {name} layer {layer} do not sum to 1")
            elif name == "decoder" and weights.triu(1).abs().max() > tolerance:
                wrong.append(f"{name} layer {layer} reads the future")
    return wrong
