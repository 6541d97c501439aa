"""Special tokens: which they are, and a text without them. Guarded by tests/core/test_text_output.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Span = tuple[int, int]


def special_ids(tokenizer: Any) -> frozenset[int]:
    """Ids of control tokens: what ``decode(skip_special_tokens=True)`` leaves out."""
    flagged = {i for i, token in tokenizer.added_tokens_decoder.items() if getattr(token, "special", False)}
    return frozenset({int(i) for i in tokenizer.all_special_ids} | flagged)


def hide(text: str, spans: Sequence[Span], hidden: Sequence[bool]) -> tuple[str, list[Span]]:
    """``text`` without the characters of the hidden tokens, and the other tokens' spans in what remains."""
    gone = [False] * len(text)
    for (a, b), away in zip(spans, hidden, strict=True):
        if away:
            gone[a:b] = [True] * (b - a)
    place, moved = 0, []
    for away in gone:
        moved.append(place)
        place += not away
    moved.append(place)
    kept = "".join(c for c, away in zip(text, gone, strict=True) if not away)
    return kept, [(moved[a], moved[b]) for a, b in spans]
