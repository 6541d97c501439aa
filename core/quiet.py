"""What work is told to where nobody listens and nobody cancels: the defaults of everything that takes long."""

from __future__ import annotations


def silent(fraction: float | None, text: str, stream: str | None = None) -> None:
    """Nobody listens."""


def never() -> bool:
    """Nobody cancels."""
    return False
