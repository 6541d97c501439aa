"""The prompt as the model reads it."""

from __future__ import annotations

from dataclasses import dataclass

from ..records import Tokens


@dataclass(frozen=True, eq=False)
class RenderedPrompt:
    """What ``core.text.render.render`` returns."""

    text: str
    """Markup and begin tokens included."""
    tokens: Tokens
    """The P prompt tokens."""
    notes: tuple[str, ...] = ()
    """What a reader should know, in sentences."""
    thinking_open: bool = False
    """The prompt ends inside a thinking block: what comes first is thinking."""
    chat: bool = False
    """Rendered with a chat template."""
