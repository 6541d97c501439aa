"""Assigns each token of a rendered prompt its message, role and span of the user's text.

A token that is partly markup and partly text counts as text, with the part that it covers; one over two messages goes
to the one it covers more of. Spans are widened to grapheme clusters of the user's text, so that the tokens of one emoji
all cover all of it. Guarded by tests/core/test_text_render.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..records import Source, Span, Tokens
from .detokenise import close_span, token_texts
from .display_text import graphemes
from .encoding import Encoded
from .message_layout import PlacedPiece
from .special_tokens import special_ids

UNPROVEN = "Where tokens stand in your text could not be proven here: only single tokens and roles are shown."
UNPLACED = "The chat template changes your text, so it was not found in what the model read: only tokens are shown."


def place_tokens(
    tokenizer: Any, rendered: str, encoded: Encoded, pieces: Sequence[PlacedPiece] | None, sources: tuple[Source, ...]
) -> tuple[Tokens, tuple[str, ...]]:
    """Returns the prompt's Tokens and notes for the reader. ``pieces`` None: the text was not found in ``rendered``."""
    special = special_ids(tokenizer)
    texts = token_texts(tokenizer, encoded.ids)
    marks = [i in special for i in encoded.ids]
    if pieces is None:
        homes: list[tuple[int, Span]] = [(-1, (-1, -1))] * len(texts)
        roles = ["template" if m else "user" for m in marks]
    else:
        homes = _homes(rendered, encoded, pieces, sources, marks)
        roles = [sources[m].role if m >= 0 else "template" for m, _ in homes]
    proven = encoded.proven and pieces is not None
    spans = [span if proven else (-1, -1) for _, span in homes]
    tokens = Tokens(
        ids=np.array(encoded.ids, np.int64),
        texts=texts,
        message=np.array([m for m, _ in homes], np.int32),
        start=np.array([a for a, _ in spans], np.int32),
        end=np.array([b for _, b in spans], np.int32),
        roles=tuple(roles),
        parts=("prompt",) * len(texts),
        sources=sources,
        proven=proven,
    )
    typed = [m and i != getattr(tokenizer, "unk_token_id", None) for m, i in zip(marks, encoded.ids, strict=True)]
    return tokens, _notes(tokens, typed, encoded.proven, pieces is not None)


def _homes(
    rendered: str, encoded: Encoded, pieces: Sequence[PlacedPiece], sources: tuple[Source, ...], marks: Sequence[bool]
) -> list[tuple[int, Span]]:
    """Returns (message, widened span in it) of every token; (-1, (-1, -1)) for markup."""
    clusters = {p.message: graphemes(sources[p.message].text) for p in pieces}
    starts = {m: [a for a, _ in c] for m, c in clusters.items()}
    out: list[tuple[int, Span]] = []
    first = 0
    for (a, b), added, mark in zip(encoded.spans, encoded.added, marks, strict=True):
        while first < len(pieces) and pieces[first].place + pieces[first].length <= a:
            first += 1
        home = None if added else _home(a, b, pieces[first : first + 3])
        if home is None or (mark and _only_space_of(rendered, a, b, home)):
            out.append((-1, (-1, -1)))
            continue
        piece, low, high = home
        span = (low - piece.place + piece.source, high - piece.place + piece.source)
        out.append((piece.message, close_span(span, clusters[piece.message], starts[piece.message])))
    return out


def _home(a: int, b: int, pieces: Sequence[PlacedPiece]) -> tuple[PlacedPiece, int, int] | None:
    """Returns (piece, start, end) of the largest overlap of rendered characters a:b with a piece."""
    best = None
    for piece in pieces:
        low, high = max(a, piece.place), min(b, piece.place + piece.length)
        if high > low and (best is None or high - low >= best[2] - best[1]):
            best = (piece, low, high)
    return best


def _only_space_of(rendered: str, a: int, b: int, home: tuple[PlacedPiece, int, int]) -> bool:
    """Returns whether a control token covers only a space of the user's text: it is markup all the same."""
    _, low, high = home
    return (low, high) != (a, b) and rendered[low:high].isspace()


def _notes(tokens: Tokens, marks: Sequence[bool], proven: bool, placed: bool) -> tuple[str, ...]:
    notes = []
    if not placed:
        notes.append(UNPLACED)
    elif not proven:
        notes.append(UNPROVEN)
    own = tokens.own
    typed = sorted({tokens.texts[i] for i in range(len(tokens)) if marks[i] and own[i]})
    if typed:
        notes.append(f"Your text contains {', '.join(typed)}, which the model reads as a control token, not as text.")
    return tuple(notes)
