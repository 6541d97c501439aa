"""Checks that the parts of an imported run are consistent, beyond what the records check themselves.

The records check shapes; a stranger's file may still hold indices that point nowhere or a model of a billion layers,
which would fail much later and far from its cause. Guarded by tests/core/test_store_json_files.py.
"""

from __future__ import annotations

import numpy as np

from ..errors import StoreError
from ..records import PARTS, WRITTEN, Rows, Tokens, Trace

MOST_LAYERS, MOST_HEADS = 4096, 4096
SLACK = 1e-2
"""How far above 1 a share may lie (bfloat16 models)."""


def check_trace(trace: Trace) -> None:
    """Raises StoreError with one sentence when ``trace`` contradicts itself."""
    for problem in (_tokens(trace.tokens, trace.prompt_length), _model(trace), _steps(trace), _rows(trace)):
        if problem:
            raise StoreError(f"This run contradicts itself: {problem}.")


def _tokens(tokens: Tokens, prompt_length: int) -> str:
    lengths = np.array([len(source.text) for source in tokens.sources] + [0], dtype=np.int64)
    known = tokens.start >= 0
    if (tokens.start < -1).any() or (known != (tokens.end >= 0)).any() or (tokens.end < tokens.start).any():
        return "a token has an impossible span"
    if (known & (tokens.end > lengths[tokens.message])).any():
        return "the span of a token lies outside its text"
    if (tokens.ids < 0).any():
        return "a token has a negative id"
    parts = np.array(tokens.parts)
    if (parts[:prompt_length] != "prompt").any() or (parts[prompt_length:] == PARTS[0]).any():
        return "its prompt tokens are not the first ones"
    return ""


def _model(trace: Trace) -> str:
    model = trace.model
    if model.key != trace.request.model:
        return "its model is not the one that was asked for"
    if not (0 <= model.layers <= MOST_LAYERS and 0 <= model.heads <= MOST_HEADS):
        return f"a model with {model.layers} layers of {model.heads} heads"
    if len(set(model.attention_layers)) != len(model.attention_layers):
        return "a layer of its model stands there twice"
    if any(not 0 <= layer < model.layers for layer in model.attention_layers):
        return "its model has attention in a layer that it does not have"
    return ""


def _steps(trace: Trace) -> str:
    if trace.mass.shape[1] > trace.model.heads:
        return f"shares of {trace.mass.shape[1]} heads from a model with {trace.model.heads}"
    if len(set(trace.groups)) != len(trace.groups):
        return "a group of shares stands there twice"
    if np.nanmin(trace.mass, initial=0) < 0 or np.nanmax(trace.mass, initial=0) > 1 + SLACK:
        return "a share outside 0 .. 1"
    if np.isnan(trace.logprobs).any() or (trace.logprobs > SLACK).any() or (trace.alternative_logprobs > SLACK).any():
        return "a log-probability above 0"
    width = trace.alternative_ids.shape[1]
    if any(len(texts) != width for texts in trace.alternative_texts):
        return "a step without all of its alternatives"
    return ""


def _rows(trace: Trace) -> str:
    rows: Rows | None = trace.rows
    beside = [found for found in (trace.encoder_rows, trace.decoder_rows) if found is not None]
    if beside and not trace.reads_prompt_only:
        return "rows of an encoder from a model that has none"
    if any(not np.isfinite(found.sums).all() or (found.sums < 0).any() or (found.heads < 0).any() for found in beside):
        return "a row with an impossible sum"
    if rows is None:
        return ""
    if rows.kind != ("cross" if trace.reads_prompt_only else "self"):
        return "rows of another kind than its model's"
    if not np.isin(rows.layers, trace.model.attention_layers).all():
        return "rows of a layer that its model does not have"
    if (rows.heads < WRITTEN).any() or (rows.heads >= trace.model.heads).any():
        return "rows of a head that its model does not have"
    first = trace.prompt_length - 1
    if not np.array_equal(rows.queries, np.arange(first, first + trace.steps)):
        return "rows of other tokens than the ones that were written"
    if not np.isfinite(rows.sums).all() or (rows.sums < 0).any():
        return "a row with an impossible sum"
    if trace.reads_prompt_only and rows.packed[:, :, trace.prompt_length :].any():
        return "a row that reads output in the input"
    if rows.packed.size and np.triu(rows.packed.max(axis=0), trace.prompt_length).any():
        return "a row that reads what was not yet written"
    return ""
