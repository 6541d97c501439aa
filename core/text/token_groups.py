"""Assigns each token to groups (sink, template, roles, segments): the last axis of a Trace's ``mass``.

Groups are known before the model runs, since a step can attend only to the prompt or its own earlier output, so shares
can be summed while rows are made. numpy only. Guarded by tests/core/test_capture_token_scores.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..records import MessageSpan, Segment, Tokens

GROUPS = ("sink", "template", "system", "user", "assistant", "output", "query")
"""The first six are disjoint and cover every key; ``query`` is the query token itself, wherever it stands."""
DISJOINT = 6
HALF = 0.5 - 1e-6
"""A token that lies in several parts belongs to one of which it is at least half a part."""


def group_names(segments: Sequence[Segment]) -> tuple[str, ...]:
    """Returns the groups of a trace: GROUPS, then one ``segment:NAME`` for each name that the prompt uses."""
    return GROUPS + tuple(dict.fromkeys(f"segment:{s.name}" for s in segments))


def begins_with_markup(tokens: Tokens) -> bool:
    """Returns whether the first token is markup. In cross-attention only such a one is a sink: a word is read there."""
    return tokens.roles[0] == "template"


def group_membership(
    tokens: Tokens, length: int, segments: Sequence[Segment], keys: int, sink: bool = True
) -> np.ndarray:
    """Returns float32 [keys, G]: how much of each key belongs to each group (``query`` left at 0: it moves).

    ``length`` is P, the number of prompt tokens: what comes after is output. ``sink``: whether the first token is one.
    """
    names = group_names(segments)
    out = np.zeros((keys, len(names)), np.float32)
    if sink:
        out[0, 0] = 1  # the first token of the prompt
    for i in range(int(sink), min(length, keys)):
        out[i, names.index(tokens.roles[i])] = 1
    out[length:, names.index("output")] = 1
    for s in segments:
        share = segment_share(tokens, s)[: min(length, keys)]
        out[: len(share), names.index(f"segment:{s.name}")] += share
    return out


def segment_share(tokens: Tokens, segment: Segment) -> np.ndarray:
    """Returns float32 [N]: the share of each token's characters that lies inside a segment."""
    same = (tokens.message == segment.message) & (tokens.start >= 0)
    length = np.maximum(tokens.end - tokens.start, 1)
    inside = np.minimum(tokens.end, segment.end) - np.maximum(tokens.start, segment.start)
    return np.where(same, np.clip(inside, 0, None) / length, 0).astype(np.float32)


def tokens_in_spans(tokens: Tokens, spans: Sequence[MessageSpan]) -> np.ndarray:
    """Returns bool [N]: whether at least half of the token's characters lie in the spans."""
    share = np.zeros(len(tokens), np.float32)
    for message, start, end in spans:
        share += segment_share(tokens, Segment("part", message, start, end))
    return share >= HALF
