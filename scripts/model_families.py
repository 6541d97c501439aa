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

PATHS = {
    "dispatch": "fast: rows are taken where attention is computed, and equal eager's",
    "eager": "slow: the library's eager path returns them",
    "none": "no attention to show",
    "refused": "refused: rows cannot be verified",
    "not built": "not built: no tiny model from the common sizes",
}
SIZES: tuple[dict[str, Any], ...] = ({}, tiny.MOE, tiny.LATENT, tiny.GPT, tiny.EAGER["xglm"])
"""Tried one after the other for a family that is not in the tests' tables."""

TINY = 30_000_000

OWN = {"minimax_m3_vl_text": tiny.BLOCKS}


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
        except Exception:
            continue
    return None


def family_path(family: str) -> tuple[str, str]:
    """Returns (one of ``PATHS``, the limits that were crossed)."""
    sizes = built_sizes(family)
    if sizes is None:
        return "not built", ""
    hf = tiny.build(family, **sizes)
    crossed = ", ".join(sorted(f"`{name}`" for name in limits(hf)))
    try:
        path = install_attention(hf)
        if path == "eager" and row_problems(tiny.build(family, **sizes, attn_implementation="eager")):
            path = "refused"
    except Exception:
        path = "refused"
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
    counts = Counter(path for _, path, _ in rows)
    lines = [f"| {path} | {words} | {counts[path]} |" for path, words in PATHS.items() if counts[path]]
    table = [f"| {family} | {path} | {crossed} |" for family, path, crossed in rows]
    head = ["| path | what it is | families |", "|---|---|---|", *lines, ""]
    sys.stdout.write("\n".join([*head, "| family | path | limits crossed in the check |", "|---|---|---|", *table, ""]))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main(sys.argv[1:]))
