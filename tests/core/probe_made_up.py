"""Models whose importance is known by construction, and tiny random ones of many families, loaded by Heed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.core import models_made_up as made_up
from tests.core import tiny

TOKENS = 259
POSITIONS = 64


def copier(back: int) -> Any:
    """A GPT-2 of one layer and one head that repeats the token ``back`` positions before its query.

    The residual stream has three parts: position (one-hot), token (one-hot), copy. The query matches the position
    ``back`` before its own, the value is the token, which goes into the copy part, which the output head reads.
    """
    from transformers import GPT2Config, GPT2LMHeadModel

    width = POSITIONS + 2 * TOKENS
    config = GPT2Config(
        vocab_size=TOKENS, n_positions=POSITIONS, n_embd=width, n_layer=1, n_head=1, n_inner=4,
        tie_word_embeddings=False, eos_token_id=0, bos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    token = torch.arange(TOKENS)
    at = torch.arange(POSITIONS)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if name.endswith(("ln_1.weight", "ln_2.weight", "ln_f.weight")) else 0.0)
        block = model.transformer.h[0]
        model.transformer.wte.weight[token, POSITIONS + token] = 1
        model.transformer.wpe.weight[at, at] = 1
        heat = 10.0  # scales queries and keys, so that all other weights are exp(-hundreds)
        block.attn.c_attn.weight[at[back:], at[: POSITIONS - back]] = heat  # query
        block.attn.c_attn.weight[at, width + at] = heat  # key
        block.attn.c_attn.weight[POSITIONS + token, 2 * width + POSITIONS + TOKENS + token] = 1  # value
        rooms = torch.arange(width)
        block.attn.c_proj.weight[rooms, rooms] = 1
        model.lm_head.weight[token, POSITIONS + TOKENS + token] = 1
    return model


def random(family: str, **extra: Any) -> Any:
    """A tiny random model of ``family`` that fits the made-up tokenizer."""
    return tiny.build(family, **({"vocab_size": TOKENS, "eos_token_id": 0, "bos_token_id": None} | extra))


def load(folder: Path, hf: Any, template: str | None = made_up.TEMPLATE) -> Any:
    """``hf`` saved to ``folder`` and loaded by Heed."""
    from core.models import load_model

    return load_model(str(made_up.save_model(folder, hf, template)))


def explicit(hf: Any, ids: list[int], hidden: list[int]) -> torch.Tensor:
    """The oracle: log-probabilities [token, V] on the library's eager path, with a hand-made 4-D mask."""
    n = len(ids)
    mask = torch.full((1, 1, n, n), float("-inf")).triu(1)
    for key in hidden:
        mask[:, :, key + 1 :, key] = float("-inf")  # the hidden token may read itself: no other token reads its output
    before = hf.config._attn_implementation
    hf.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            out = hf(
                input_ids=torch.tensor([ids]), attention_mask=mask, position_ids=torch.arange(n)[None], use_cache=False
            )
    finally:
        hf.set_attn_implementation(before)
    return torch.log_softmax(out.logits[0].float(), -1)
