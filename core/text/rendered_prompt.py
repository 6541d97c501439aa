"""The record of a rendered prompt: text and tokens as the model reads them.

Guarded by tests/core/test_text_render.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..records import Tokens


@dataclass(frozen=True, eq=False)
class RenderedPrompt:
    """The prompt as the model reads it: what ``core.text.render.render`` returns."""

    text: str
    """With markup and begin tokens."""
    tokens: Tokens
    """The P prompt tokens."""
    notes: tuple[str, ...] = ()
    """What a reader should know about the rendering, in sentences."""
    thinking_open: bool = False
    """The prompt ends inside a thinking block: the output begins with thinking."""
    chat: bool = False
    """Rendered with a chat template."""
