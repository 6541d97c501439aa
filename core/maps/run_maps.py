"""Takes the attention maps out of a stored run: output tokens x all tokens that they could read.

An encoder-decoder's run holds three kinds: its rows are ``cross``, the encoder over the input (``encoder``) and the
decoder over its own output (``self``) lie beside. Guarded by tests/core/test_maps_run_maps.py.
"""

from __future__ import annotations

import numpy as np

from ..errors import MethodError
from ..records import START_TOKEN, AttentionMaps, MapKind, MapTokens, Rows, Trace


def kinds_of_run(trace: Trace) -> tuple[MapKind, ...]:
    """Returns the kinds of attention of which a run keeps every head; the one that its rows are comes first."""
    found: dict[MapKind, Rows | None] = {"self": trace.rows}
    if trace.reads_prompt_only:
        found = {"cross": trace.rows, "encoder": trace.encoder_rows, "self": trace.decoder_rows}
    return tuple(kind for kind, rows in found.items() if rows is not None and (rows.heads >= 0).all())


def maps_of_run(trace: Trace, kind: MapKind | None = None) -> AttentionMaps:
    """Returns the attention of a run's steps: queries are the T output tokens, keys the P + T - 1 readable tokens.

    Row t is the query row of the token before output token t, which predicted it. ``kind`` None: that of the run's
    rows. Of an encoder-decoder ``cross`` is output x the P input tokens; ``encoder`` input x input; ``self`` the start
    token and the output before the last token, both as queries and as keys. Raises MethodError where the run does not
    keep every head, and for a kind that its model does not have.
    """
    cross = trace.reads_prompt_only
    known: tuple[MapKind, ...] = ("cross", "encoder", "self") if cross else ("self",)
    kind = known[0] if kind is None else kind
    if kind not in known:
        raise MethodError(f"{trace.model.label} has no {kind} attention: choose {' or '.join(known)}.")
    p, side = trace.prompt_length, _side(trace)
    if kind == "encoder":
        return _beside(trace, trace.encoder_rows, kind, _span(side, slice(p)))
    if cross and kind == "self":
        output = _span(side, slice(p, len(side) - 1))
        special = np.r_[True, output.special]
        behind = MapTokens((START_TOKEN, *output.texts), special, ("", *output.parts))
        return _beside(trace, trace.decoder_rows, kind, behind)
    there = list(trace.model.attention_layers)
    keys = p if cross else len(side) - 1
    return AttentionMaps(
        trace.attention[there][..., :keys],
        _span(side, slice(p, None)),
        _span(side, slice(keys)),
        layers=tuple(there),
        kind=kind,
        causal=not cross,
        offset=0 if cross else p - 1,
        source=trace.model.caption,
        notes=trace.notes,
    )


def _side(trace: Trace) -> MapTokens:
    """Returns all tokens of a run as one side of a map."""
    tokens = trace.tokens
    special = np.array([r == "template" or p == "end" for r, p in zip(tokens.roles, tokens.parts, strict=True)])
    return MapTokens(tokens.texts, special, key_parts(trace))


def _span(side: MapTokens, where: slice) -> MapTokens:
    return MapTokens(side.texts[where], side.special[where], side.parts[where])


def _beside(trace: Trace, rows: Rows | None, kind: MapKind, side: MapTokens) -> AttentionMaps:
    """Returns the square maps that an encoder-decoder's run keeps beside its rows."""
    if rows is None:
        raise MethodError(f"This run keeps no {kind} attention: run it again with keep='all' to read every head.")
    layers = np.unique(rows.layers)
    values = np.full((len(layers), int(rows.heads.max()) + 1, len(side), len(side)), np.nan, np.float32)
    values[np.searchsorted(layers, rows.layers), rows.heads] = rows.weights()
    return AttentionMaps(
        values,
        side,
        side,
        layers=tuple(layers.tolist()),
        kind=kind,
        causal=kind == "self",
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
