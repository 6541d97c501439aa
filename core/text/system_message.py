"""Finds the system message that a chat template adds by itself, and removes it where that is proven safe.

A block counts as one when it has the header that the template gives to a user's message, with the word "system" in
place of "user", and is closed as the template closes other messages. Both are read from renderings of placeholder
messages, so that no model family has to be known. For templates without such headers (one long line of text) the added
text is found by comparing the rendering with and without a system message, but what belongs to it cannot be proven, so
it cannot be removed. Guarded by tests/core/test_text_system_message.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import regex

from ..errors import PromptError
from ..records import Message
from .chat_template import Chat
from .message_layout import MessageLayout, find_markup

REMEDY = "keep it, or write a system message of your own, which replaces it"


@dataclass(frozen=True)
class AddedSystem:
    """Span of the first markup (``MessageLayout.literals[0]``) that the template added as a system message."""

    start: int
    end: int
    block: tuple[int, int] | None
    """From header to closing mark; None where that is not proven."""


def added_system(chat: Chat, messages: Sequence[Message], plan: MessageLayout) -> AddedSystem | None:
    """Returns what the template puts before ``messages`` as a system message; None where it adds none."""
    if not messages or messages[0].role == "system":
        return None
    if not messages[0].content.strip():  # a blank message has no slot: look at the same place with a word in it
        head = plan.literals[0]
        messages = [Message(messages[0].role, "a"), *messages[1:]]
        plan = find_markup(chat, messages)
        if not head.startswith(plan.literals[0]):
            return None
    if not plan.slots or plan.slots[0] != 0:
        return None
    found = _by_header(chat, messages[0], plan.literals[0]) if messages[0].role == "user" else None
    return found or _by_comparing(chat, messages, plan)


def without_system(rendered: str, added: AddedSystem) -> str:
    """Returns ``rendered`` without the added block. Raises PromptError where the block is not proven."""
    if added.block is None:
        raise PromptError(f"The system message of this model's template cannot be removed safely: {REMEDY}.")
    start, end = added.block
    return rendered[:start] + rendered[end:]


def atoms(tokenizer: Any, text: str) -> list[str]:
    """Splits ``text`` into characters, keeping the tokenizer's added tokens (``<|im_start|>``) whole."""
    names = sorted((n for n in tokenizer.get_added_vocab() if n.strip()), key=len, reverse=True)
    return regex.findall("|".join([*map(regex.escape, names), "."]), text, regex.S)


def _by_header(chat: Chat, first: Message, head: str) -> AddedSystem | None:
    turns = _turns(chat)
    if turns is None:
        return None
    between, after = turns  # "<end><start>" before the role's name, "\n" after it
    opening = regex.search(rf"system{regex.escape(after)}", head)
    if opening is None or not after:
        return None
    before = atoms(chat.tokenizer, head[: opening.start()])
    ahead = atoms(chat.tokenizer, between)
    same = 0
    while same < min(len(before), len(ahead)) and before[-1 - same] == ahead[-1 - same]:
        same += 1
    start_mark, closing = "".join(ahead[len(ahead) - same :]), "".join(ahead[: len(ahead) - same])
    if not start_mark or not closing:
        return None
    outside, following = before[: len(before) - same], start_mark + "user" + after
    begin, end = opening.end(), len(head) - len(closing + following)
    if _only_special(chat.tokenizer, outside) and head.endswith(closing + following) and begin <= end:
        return AddedSystem(begin, end, (len("".join(outside)), len(head) - len(following)))
    shut = head.find(closing, begin)
    return AddedSystem(begin, shut, None) if shut >= 0 else None


def _turns(chat: Chat) -> tuple[str, str] | None:
    """Returns (markup before a role's name, markup after it) between two messages, or None if roles are not named."""
    said = [Message("user", "a"), Message("assistant", "b"), Message("user", "c")]
    try:
        plan = find_markup(chat, said, closed=True)
    except PromptError:
        return None
    if plan.slots != (0, 1, 2):
        return None
    one, two = plan.literals[1], plan.literals[2]
    name = two.rfind("user")
    if name < 0 or one[:name] != two[:name]:
        return None
    return two[:name], two[name + len("user") :]


def _only_special(tokenizer: Any, pieces: Sequence[str]) -> bool:
    special = set(tokenizer.all_special_tokens)
    return all(p in special for p in pieces)


def _by_comparing(chat: Chat, messages: Sequence[Message], plan: MessageLayout) -> AddedSystem | None:
    own = [Message("system", "s"), *messages]
    try:
        other = find_markup(chat, own)
    except PromptError:
        return None
    if other.slots[:2] != (0, 1) or other.slots.count(0) != 1:
        return None
    before, after = other.literals[0], other.literals[1]
    head = plan.literals[0]
    if not head.startswith(before) or not head.endswith(after) or len(head) < len(before) + len(after):
        return None
    start, end = len(before), len(head) - len(after)
    return AddedSystem(start, end, None) if head[start:end].strip() else None
