"""Tiny seeded random models, one line for each family, built offline from a config."""

from __future__ import annotations

from typing import Any

import torch

COMMON = {
    "vocab_size": 120,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GPT = {
    "n_embd": 32,
    "n_layer": 3,
    "n_head": 4,
    "n_positions": 128,
    "vocab_size": 120,
    "pad_token_id": 0,
    "eos_token_id": 2,
}
WINDOW = {"sliding_window": 5}
MIXED = WINDOW | {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
MOE = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
OPT = {"ffn_dim": 48, "word_embed_proj_dim": 32}

LATENT = {
    "kv_lora_rank": 8,
    "q_lora_rank": 16,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 8,
    "v_head_dim": 12,
    "head_dim": 4,
    "num_key_value_heads": 4,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "n_group": 2,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "moe_intermediate_size": 16,
    "n_shared_experts": 1,
}
PICKED = LATENT | {"index_topk": 6, "index_head_dim": 8, "index_n_heads": 32}
"""32 heads: with few, several keys have a score of exactly 0, and such ties are broken by chance."""

DISPATCH: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": WINDOW,
    "qwen2": MIXED | {"use_sliding_window": True},
    "qwen3": {},
    "qwen3_moe": MOE,
    "gemma": {},
    "gemma2": MIXED | {"attn_logit_softcapping": 20.0, "query_pre_attn_scalar": 8},
    "gemma3_text": MIXED | {"query_pre_attn_scalar": 16},
    "gpt_oss": MIXED | MOE,
    "phi": {},
    "phi3": WINDOW,
    "olmo": {},
    "olmo2": {},
    "olmo3": MIXED,
    "granite": {"attention_multiplier": 0.3},
    "cohere": {},
    "cohere2": MIXED,
    "starcoder2": WINDOW,
    "stablelm": {},
    "gpt2": GPT,
    "gpt_neox": {},
    "gpt_bigcode": GPT,
    "opt": OPT,
    "biogpt": {},
    "mixtral": MOE | WINDOW,
    "exaone4": MIXED,
    "smollm3": {},
    "glm": {},
    "glm4": {},
    "helium": {},
    "ernie4_5": {},
    "nemotron": {},
    "arcee": {},
    "apertus": {},
    "hunyuan_v1_dense": {},
    "seed_oss": {},
    "deepseek_v3": LATENT,
    "deepseek_v32": PICKED,
    "glm_moe_dsa": PICKED,
    "axk2": PICKED,
    "hy_v4": PICKED,
    "dots3_note_text": PICKED | {"layer_types": ["indexed_attention"] * 3},
    "lfm2": {"layer_types": ["conv", "full_attention", "conv"]},
}
"""Families whose attention is captured on the sdpa path; the window (5) and the number of picked keys (6)
are smaller than the tests' prompts."""

EAGER: dict[str, dict[str, Any]] = {
    "bloom": {"n_layer": 3, "n_head": 4},
    "gpt_neo": {
        "num_hidden_layers": 2,
        "attention_types": [[["global", "local"], 1]],
        "window_size": 5,
    },
    "gptj": GPT | {"rotary_dim": 4},
    "xglm": {"num_layers": 3, "attention_heads": 4, "ffn_dim": 48, "d_model": 32},
}
"""Families without attention dispatch: the loader reloads them on the eager path."""

BLOCKS = MOE | {
    "layer_types": ["full_attention", "minimax_m3_sparse", "minimax_m3_sparse"],
    "rotary_dim": 4,
    "index_head_dim": 8,
    "index_n_heads": 2,
}
"""``minimax_m3_vl_text``: dispatches, but picks blocks of keys by the name of the path, so only eager is right."""


def build(family: str, seed: int = 0, **extra: Any) -> Any:
    """A tiny random causal model of ``family``, float32, eval, with sharp enough attention to test."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    settings = COMMON | DISPATCH.get(family, {}) | EAGER.get(family, {}) | extra
    if family in EAGER or "n_embd" in settings:
        settings = {k: v for k, v in settings.items() if k not in ("head_dim", "num_key_value_heads")}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **settings)).float().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 or "sink" in name:
                parameter.mul_(4)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    return model
