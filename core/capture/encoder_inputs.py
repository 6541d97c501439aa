"""Tokenises a text or a pair of texts for an encoder: what it is given, and which token belongs to which text.

Guarded by tests/core/test_capture_text_maps.py.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import PromptError
from ..records import MapTokens, map_tokens
from ..text.detokenise import token_texts
from ..text.special_tokens import check_surrogates, check_token_ids, special_ids

FIRST, SECOND = "question", "context"
"""The parts that the two texts of a pair are called by."""


@dataclass(frozen=True, eq=False)
class EncoderInputs:
    """A text or pair as an encoder reads it."""

    tensors: dict[str, torch.Tensor]
    """What the model is called with: int64 [1, T] each."""
    tokens: MapTokens

    @property
    def ids(self) -> torch.Tensor:
        """int64 [T]"""
        return self.tensors["input_ids"][0]


def encoder_inputs(model: Any, text: str, second: str = "", token_ids: tuple[int, ...] = ()) -> EncoderInputs:
    """Returns a text or pair as the encoder ``model`` reads it, or ``token_ids`` as they are. Raises PromptError."""
    tokenizer = model.tokenizer
    if token_ids:
        check_token_ids(tokenizer, token_ids)
        given: Any = {"input_ids": list(token_ids)}
        parts = [""] * len(token_ids)
    else:
        check_surrogates(text, second)
        given = tokenizer(text, second or None, verbose=False)
        parts = _parts(given, bool(second))
    ids = given["input_ids"]
    if not ids:
        raise PromptError("The text makes no token for this model: write something else for it to read.")
    taken = inspect.signature(model.hf.forward).parameters
    tensors = {
        name: torch.tensor([given[name]], device=model.hf.device)
        for name in ("input_ids", "token_type_ids")
        if name in given and name in taken
    }
    tensors["attention_mask"] = torch.ones_like(tensors["input_ids"])
    # what stands for a word of the user's is no markup, though tokenizers call it special
    marks = special_ids(tokenizer) - {tokenizer.mask_token_id, tokenizer.unk_token_id}
    return EncoderInputs(tensors, map_tokens(token_texts(tokenizer, ids), [int(i) in marks for i in ids], parts))


def _parts(given: Any, pair: bool) -> list[str]:
    """Returns the part of each token: "" for markup, and everywhere where there is only one text."""
    if not pair:
        return [""] * len(given["input_ids"])
    if given.is_fast:
        return [{0: FIRST, 1: SECOND}.get(which, "") for which in given.sequence_ids(0)]
    return [(FIRST, SECOND)[kind] for kind in given.get("token_type_ids", ())] or [""] * len(given["input_ids"])
