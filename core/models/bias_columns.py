"""Adds numbers to the attention logits of some keys without a mask: as more columns of queries and keys.

A mask makes the library copy keys for every head and compute both triangles of a prompt. But to add b to the logit of a
key for some queries and heads is to add one column: 1 in those queries, b / scale in that key, 0 elsewhere; then
scale · (q, 1) · (k, b / scale) = scale · q · k + b, to the last bits, and the causal kernel needs no mask. Keys that
are read likewise by the same queries and heads share a column. Guarded by tests/core/test_models_bias_columns.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from .token_steering import KeyRule

COLUMNS = 8
"""Width that kernels like; more kinds of rules than that take the mask."""


def with_bias_columns(
    rules: Sequence[KeyRule], query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None:
    """Returns query [B, H, T, d + 8], key and value [B, shared head, T, d + 8] of a pass over a whole prompt.

    None where the rules cannot be columns: hidden keys, too many kinds, no number to add. The values' columns are 0.
    """
    kinds = sorted({(rule.heads, rule.first_reader) for rule in rules})
    if not 0 < len(kinds) <= COLUMNS or any(rule.bias == -math.inf for rule in rules):
        return None
    reads = query.new_zeros(1, query.shape[1], query.shape[2], COLUMNS)
    added = key.new_zeros(key.shape[0], 1, key.shape[2], COLUMNS)
    for at, (heads, first_reader) in enumerate(kinds):
        reads[:, list(heads) if heads else slice(None), first_reader:, at] = 1
    for rule in rules:
        places = rule.keys[rule.keys < key.shape[2]].to(key.device)
        rows = slice(None) if rule.row is None else slice(rule.row, rule.row + 1)
        column = added[rows, 0, :, kinds.index((rule.heads, rule.first_reader))]
        column.index_add_(1, places, column.new_full((len(column), len(places)), rule.bias / scale))
    queries = torch.cat([query, reads.expand(len(query), -1, -1, -1)], dim=-1)
    keys = torch.cat([key, added.expand(-1, key.shape[1], -1, -1)], dim=-1)
    return queries, keys, torch.nn.functional.pad(value, (0, COLUMNS))
