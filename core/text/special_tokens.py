"""Finds special tokens, strips them from a text, and rejects ids and characters that a tokenizer cannot read.

Guarded by tests/core/test_text_output_tokens.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import PromptError
from ..records import Span


def special_ids(tokenizer: Any) -> frozenset[int]:
    """Returns the ids of control tokens: those that ``decode(skip_special_tokens=True)`` leaves out."""
    flagged = {i for i, token in tokenizer.added_tokens_decoder.items() if getattr(token, "special", False)}
    return frozenset({int(i) for i in tokenizer.all_special_ids} | flagged)


def strip_tokens(text: str, spans: Sequence[Span], hidden: Sequence[bool]) -> tuple[str, list[Span]]:
    """Returns ``text`` without the characters of the hidden tokens, and the tokens' spans in what remains."""
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


def check_token_ids(tokenizer: Any, ids: Sequence[int]) -> None:
    """Raises PromptError for an id that is no token of this tokenizer."""
    wrong = next((i for i in ids if not 0 <= i < len(tokenizer)), None)
    if wrong is not None:
        raise PromptError(f"Token id {wrong} is not one of this model's {len(tokenizer)} tokens: check the ids.")


def check_surrogates(*texts: str) -> None:
    """Raises PromptError for half a character (a lone surrogate), which no tokenizer takes."""
    for text in texts:
        half = next((c for c in text if 0xD800 <= ord(c) < 0xE000), None)
        if half is not None:
            raise PromptError(f"The text holds half a character (U+{ord(half):04X}): remove it or type it again.")
