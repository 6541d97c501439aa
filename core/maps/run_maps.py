"""Takes the attention maps out of a stored run: output tokens x all tokens that they could read.

Guarded by tests/core/test_maps_run_maps.py.
"""

from __future__ import annotations

import numpy as np

from ..records import AttentionMaps, MapTokens, Trace


def maps_of_run(trace: Trace) -> AttentionMaps:
    """Returns the attention of a run's steps: queries are the T output tokens, keys the P + T - 1 readable tokens.

    Row t is the query row of the token before output token t, which predicted it. Raises MethodError where the run
    does not keep every head.
    """
    attention = trace.attention
    there = list(trace.model.attention_layers)
    special = np.array([role == "template" for role in trace.tokens.roles])
    texts, steps, keys = trace.tokens.texts, trace.steps, attention.shape[-1]
    parts = key_parts(trace)
    p = trace.prompt_length
    return AttentionMaps(
        attention[there],
        MapTokens(texts[p:], special[p:], ("answer",) * steps),
        MapTokens(texts[:keys], special[:keys], parts[:keys]),
        layers=tuple(there),
        causal=True,
        offset=p - 1,
        source=trace.model.caption,
        notes=trace.notes,
    )


def key_parts(trace: Trace) -> tuple[str, ...]:
    """Returns the part of each of a run's tokens: its segment's name, else ``answer`` for output, else its role."""
    tokens = trace.tokens
    names = ["answer" if part != "prompt" else role for part, role in zip(tokens.parts, tokens.roles, strict=True)]
    for segment in trace.request.segments:
        inside = (tokens.message == segment.message) & (tokens.start < segment.end) & (tokens.end > segment.start)
        for at in np.flatnonzero(inside[: trace.prompt_length]):
            names[at] = segment.name
    return tuple(names)
