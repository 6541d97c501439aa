"""Validates the settings that people pass and returns them as plain Python values, or raises PromptError.

Notebooks pass numpy integers, tensors, None and misspelt names; a Request must hold plain values only, since its id is
made of their JSON. Each function takes first the setting's name as people know it, for the message. No numpy and no
torch needed: arrays are recognised by their ``tolist``. Guarded by tests/core/test_checks.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

from .errors import PromptError

LARGEST_SEED, SMALLEST_SEED = 2**64 - 1, -(2**63)
"""Range of seeds that torch accepts."""


def check_whole(what: str, value: Any, low: int, high: int, limits: str = "") -> int:
    """Returns ``value`` as an int from ``low`` to ``high`` (``limits``: the two in words). Raises PromptError."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= high:
        limits = limits or f"from {low:,} to {high:,}"
        raise PromptError(f"{what} must be a whole number {limits}, not {short_repr(value)}.")
    return int(value)


def check_number(what: str, value: Any, remedy: str) -> float:
    """Returns ``value`` as a float. Raises PromptError, with ``remedy`` as what it should be."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise PromptError(f"{what} must {remedy}, not {short_repr(value)}.")
    return float(value)


def check_switch(what: str, value: Any) -> bool:
    """Returns ``value`` as a bool: anything that equals True or False is accepted. Raises PromptError."""
    plain = value.item() if hasattr(value, "item") else value
    if plain not in (True, False):
        raise PromptError(f"{what} must be True or False, not {short_repr(value)}.")
    return bool(plain)


def check_text(what: str, value: Any) -> str:
    """Returns ``value`` as a str, None as the empty one. Raises PromptError."""
    if value is not None and not isinstance(value, str):
        raise PromptError(f"{what} must be text, not {short_repr(value)}.")
    return str(value or "")


def check_texts(what: str, value: Any) -> tuple[str, ...]:
    """Returns one text or several as a tuple without empty ones (a set: sorted). Raises PromptError."""
    if value is None or isinstance(value, str):
        value = [value] if value else []
    several = isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray))
    found: list[Any] = list(value) if several else [None]
    if not all(isinstance(v, str) for v in found):
        raise PromptError(f"{what} must be one text or a list of texts, not {short_repr(value)}.")
    return tuple(v for v in (sorted(found) if isinstance(value, (set, frozenset)) else found) if v)


def check_choice(what: str, value: Any, known: Sequence[str], remedy: str = "") -> str:
    """Returns ``value`` if it is one of ``known``. Raises PromptError."""
    if not isinstance(value, str) or value not in known:
        raise PromptError(f"{what} must be one of {', '.join(known)}, not {short_repr(value)}{remedy}.")
    return str(value)


def check_ids(what: str, value: Any) -> tuple[int, ...]:
    """Returns token ids from a list, an array or a tensor, also from a batch of one. Raises PromptError."""
    plain = as_list(value)
    if isinstance(plain, (list, tuple)) and len(plain) == 1 and isinstance(plain[0], (list, tuple)):
        plain = plain[0]
    if not isinstance(plain, (list, tuple, range)) or any(
        isinstance(i, bool) or not isinstance(i, Integral) for i in plain
    ):
        raise PromptError(f"{what} must be text or a list of token ids, not {short_repr(value)}.")
    return tuple(int(i) for i in plain)


def as_list(value: Any) -> Any:
    """Returns an array or a tensor as a list; anything else unchanged."""
    return value.tolist() if hasattr(value, "tolist") else value


def short_repr(value: Any) -> str:
    """Returns ``repr(value)`` for use in a sentence: on one line and at most 60 characters."""
    written = " ".join(repr(value).split())
    return written if len(written) <= 60 else f"{written[:57]}..."
