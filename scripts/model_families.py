"""Checks the attention of a tiny random model of each causal family: python -m scripts.model_families [NAME...]

Prints docs/model-families.md: which path each family is read on, and which limits (window, chunk, number of picked
keys) were made small and crossed for that. Takes some minutes; sizes come from tests/core/tiny.py.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import torch

from core.models.attention_setup import install_attention
from core.models.self_check import limits, row_problems
from tests.core import tiny

TITLE = (
    "# Model families",
    "",
    "Printed by `python -m scripts.model_families`: tiny random models of every family that transformers lists as",
    "causal, checked as a real one is whenever it is loaded (`core/models/self_check.py`).",
    "",
)
PATHS = {
    "dispatch": "fast: rows are taken where attention is computed, and equal eager's",
    "eager": "slow: the library's eager path returns them",
    "none": "no attention to show",
    "refused": "refused in one sentence: rows are not there, read the future (encoders) or cannot be verified",
    "failed": "failed: the library's own code raises on a tiny model",
    "not built": "not checked: no tiny model from these sizes; a real one is checked when it is loaded",
}
SIZES: tuple[dict[str, Any], ...] = ({}, tiny.MOE, tiny.LATENT, tiny.GPT, tiny.EAGER["xglm"])
"""Tried one after the other for a family that is not in the tests' tables."""

TINY = 30_000_000

LINEAR = {
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}
MAMBA = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_n_groups": 1, "mamba_d_state": 8, "mamba_expand": 2}
PER_LAYER = tiny.MIXED | {
    "vocab_size_per_layer_input": 120,
    "hidden_size_per_layer_input": 8,
    "num_kv_shared_layers": 0,
}
OWN = {
    "bamba": MAMBA | {"attn_layer_indices": [1]},
    "codegen": tiny.GPT | {"rotary_dim": 4},
    "gemma3n_text": PER_LAYER | {"laurel_rank": 4, "activation_sparsity_pattern": [0.0] * 3},
    "gemma4_text": PER_LAYER | {"global_head_dim": 8},
    "granitemoehybrid": MAMBA
    | tiny.MOE
    | {"layer_types": ["mamba", "attention", "mamba"], "shared_intermediate_size": 16},
    "jamba": tiny.MOE
    | {"attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False, "mamba_dt_rank": 4},
    "lfm2_moe": tiny.MOE | {"layer_types": ["conv", "full_attention", "conv"], "num_dense_layers": 1},
    "mamba2": {"num_heads": 8, "head_dim": 8, "state_size": 8, "n_groups": 1},
    "minimax_m3_vl_text": tiny.BLOCKS,
    "qwen3_5_moe_text": LINEAR | tiny.MOE | {"shared_expert_intermediate_size": 16},
    "qwen3_5_text": LINEAR,
    "qwen3_next": LINEAR | tiny.MOE | {"shared_expert_intermediate_size": 16},
}
"""Families whose sizes have names of their own."""


def built_sizes(family: str) -> dict[str, Any] | None:
    """Returns the sizes with which a tiny model of ``family`` runs, or None."""
    for sizes in [OWN[family]] if family in OWN else SIZES:
        try:
            room = {"max_position_embeddings": 512} | sizes
            with torch.device("meta"):  # a family with names of its own would be built at its real size
                if sum(p.numel() for p in tiny.build(family, **room).parameters()) > TINY:
                    continue
            hf = tiny.build(family, **room)
            hf(input_ids=torch.arange(3, 9)[None])
            return room
        except Exception as error:  # the next sizes may fit; what none of them fits is listed as not built
            sys.stderr.write(f"{family} {sorted(sizes)[:3]}: {type(error).__name__}\n")
    return None


def family_path(family: str) -> tuple[str, str]:
    """Returns (one of ``PATHS``, with the error behind "failed"; the limits that were crossed)."""
    sizes = built_sizes(family)
    if sizes is None:
        return "not built", ""
    hf = tiny.build(family, **sizes)
    crossed = ", ".join(sorted(f"`{name}`" for name in limits(hf)))
    try:
        path = install_attention(hf)
        if path == "eager" and row_problems(tiny.build(family, **sizes, attn_implementation="eager")):
            path = "refused"
    except Exception as error:
        return f"failed: {type(error).__name__}", crossed
    return path, crossed


def main(names: Sequence[str]) -> int:
    """Prints the page."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as FAMILIES

    logging.disable(logging.ERROR)
    warnings.simplefilter("ignore")
    rows = []
    for family in names or sorted(FAMILIES):
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            rows.append((family, *family_path(family)))
        sys.stderr.write(f"{' | '.join(rows[-1])}\n")
    counts = Counter(path.partition(":")[0] for _, path, _ in rows)
    lines = [f"| {path} | {words} | {counts[path]} |" for path, words in PATHS.items() if counts[path]]
    table = [f"| {family} | {path} | {crossed} |" for family, path, crossed in rows]
    head = [*TITLE, "| path | what it is | families |", "|---|---|---|", *lines, ""]
    sys.stdout.write("\n".join([*head, "| family | path | limits crossed in the check |", "|---|---|---|", *table, ""]))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main(sys.argv[1:]))
