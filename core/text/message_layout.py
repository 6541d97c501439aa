"""Finds where each message's text lies in the rendered prompt, and checks the result by rebuilding the prompt.

Searching for the text would find the wrong copy of a repeated sentence and would be misled by text that looks like
markup. Instead the messages are rendered a second time with placeholders from Unicode's private use planes in their
place: that gives the markup between them. The real rendering must then be exactly that markup with each message, or a
trimmed form of it, in its place; if it is not, None is returned. Guarded by tests/core/test_text_message_layout.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import regex

from ..records import Message
from .chat_template import Chat

_BASES = (0xF5000, 0x105000, 0xF9000, 0x109000)
_CLOSINGS = ("</think>",)
"""Marks up to which a template may cut an earlier assistant message."""
_TRIES = 20_000


@dataclass(frozen=True)
class PlacedPiece:
    """``length`` characters of source ``message`` from ``source`` on lie in the rendered text at ``place``."""

    message: int
    source: int
    place: int
    length: int


@dataclass(frozen=True)
class MessageLayout:
    """Markup around messages: ``literals[0] slot[0] literals[1] ... slot[n-1] literals[n]``."""

    literals: tuple[str, ...]
    slots: tuple[int, ...]
    """Index of the message in each slot."""


def find_markup(
    chat: Chat, messages: Sequence[Message], *, closed: bool = False, around: bool = False
) -> MessageLayout:
    """Returns the markup around ``messages``, from a rendering with placeholders. A blank message has no slot.

    ``around``: the placeholders stand around the text instead of in its place, for templates that look into it (a
    "/no_think" in a system message).
    """
    used = {c for m in messages for c in m.content}
    base = next((b for b in _BASES if not any(b <= ord(c) < b + 0x3000 for c in used)), _BASES[0])
    left, right = chr(base), chr(base + 1)
    shown = [
        replace(m, content=f"{left}{chr(base + 0x10 + i)}{m.content if around else ''}{right}")
        if m.content.strip()
        else m
        for i, m in enumerate(messages)
    ]
    rendered = chat.render(shown, closed=closed)
    parts = regex.split(f"{left}(.)[^{left}{right}]*{right}", rendered)
    return MessageLayout(tuple(parts[::2]), tuple(ord(p) - base - 0x10 for p in parts[1::2]))


def find_messages(
    chat: Chat, rendered: str, messages: Sequence[Message]
) -> tuple[MessageLayout, tuple[PlacedPiece, ...] | None]:
    """Returns the layout of ``messages`` and their places in ``rendered`` (None where these are not proven)."""
    plan = find_markup(chat, messages)
    pieces = place_messages(rendered, plan, messages)
    if pieces is not None:
        return plan, pieces
    other = find_markup(chat, messages, around=True)
    found = place_messages(rendered, other, messages)
    return (plan, None) if found is None else (other, found)


def place_messages(rendered: str, plan: MessageLayout, messages: Sequence[Message]) -> tuple[PlacedPiece, ...] | None:
    """Returns where the messages lie in ``rendered``, or None where it is not the plan filled with them."""
    if not rendered.startswith(plan.literals[0]):
        return None
    pieces: list[PlacedPiece] = []
    open_choices: list[Iterator[PlacedPiece]] = []
    at = len(plan.literals[0])
    for _ in range(_TRIES):
        k = len(pieces)
        if k == len(plan.slots) and at == len(rendered):
            return tuple(pieces)
        if len(open_choices) == k:
            open_choices.append(_choices(rendered, plan, messages, k, at) if k < len(plan.slots) else iter(()))
        choice = next(open_choices[-1], None)
        if choice is not None:
            pieces.append(choice)
        else:
            open_choices.pop()
            if not pieces:
                return None
            pieces.pop()
            open_choices = open_choices[: len(pieces) + 1]
        at = _after(plan, pieces)
    return None


def _after(plan: MessageLayout, pieces: Sequence[PlacedPiece]) -> int:
    if not pieces:
        return len(plan.literals[0])
    return pieces[-1].place + pieces[-1].length + len(plan.literals[len(pieces)])


def _choices(rendered: str, plan: MessageLayout, messages: Sequence[Message], k: int, at: int) -> Iterator[PlacedPiece]:
    """Yields forms of slot ``k``'s message that stand at ``at`` and are followed by the next markup."""
    message, following = plan.slots[k], plan.literals[k + 1]
    text = messages[message].content
    seen = set()
    for a, b in _forms(text):
        if (a, b) not in seen and rendered.startswith(text[a:b], at) and rendered.startswith(following, at + b - a):
            seen.add((a, b))
            yield PlacedPiece(message, a, at, b - a)
    end = rendered.find(following, at) if following else len(rendered)
    part = rendered[at:end]
    if part and text.count(part) == 1 and (text.index(part), text.index(part) + len(part)) not in seen:
        yield PlacedPiece(message, text.index(part), at, len(part))


def _forms(text: str) -> Iterator[tuple[int, int]]:
    """Yields (start, end) of the forms in which templates print a message: whole, trimmed, or after its thinking."""
    starts = [0] + [text.rfind(c) + len(c) for c in _CLOSINGS if c in text]
    for first in starts:
        rest = text[first:]
        for trimmed in (None, "\n"):
            left = first + len(rest) - len(rest.lstrip(trimmed))
            right = first + len(rest.rstrip(trimmed))
            for a, b in ((first, len(text)), (left, right), (left, len(text)), (first, right)):
                yield a, max(a, b)
