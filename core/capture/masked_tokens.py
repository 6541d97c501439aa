"""Which tokens an encoder finds likeliest in the place of a mask token, where it has a head for masked words.

Guarded by tests/core/test_capture_text_maps.py.
"""

from __future__ import annotations

from typing import Any

import torch

from ..errors import MethodError
from ..models.eager_attention import encoder_pass
from ..records import TOP, MaskedToken
from ..text.detokenise import token_texts
from .encoder_inputs import EncoderInputs, encoder_inputs
from .run_model import capture_errors, check_model

NO_HEAD = "This encoder has no head for masked words, so it says nothing in their place."


def masked_predictions(model: Any, text: str, second: str = "", k: int = TOP) -> tuple[MaskedToken, ...]:
    """Returns the ``k`` likeliest tokens, with probabilities, for each mask token in the text (or pair), in order.

    Raises MethodError where the model has no head for masked words or the text no mask token, CaptureError.
    """
    check_model(model)
    inputs = encoder_inputs(model, text, second)
    with model.lock, capture_errors(model.ref.label):
        logits = getattr(encoder_pass(model.hf, inputs.tensors)[1], "logits", None)
    if logits is None or model.ref.kind != "encoder":
        raise MethodError(f"{model.ref.label} has no head for masked words: pick an encoder that was trained on them.")
    found = masked_tokens_of(model, inputs, logits, k)
    if not found:
        raise MethodError(f"The text has no masked word: write {model.tokenizer.mask_token} in the place of one.")
    return found


def masked_tokens_of(model: Any, inputs: EncoderInputs, logits: torch.Tensor, k: int = TOP) -> tuple[MaskedToken, ...]:
    """Returns what ``logits`` [1, T, V] of a pass say in the place of each mask token."""
    out = []
    for at in (inputs.ids == model.tokenizer.mask_token_id).nonzero()[:, 0].tolist():
        best = torch.softmax(logits[0, at].float(), dim=-1).topk(min(k, logits.shape[-1]))
        ids = best.indices.tolist()
        out.append(MaskedToken(at, tuple(ids), token_texts(model.tokenizer, ids), tuple(best.values.tolist())))
    return tuple(out)
