"""Renders a Request into the text and tokens that the model reads, with each token's place in the user's own text.

Chat messages go through the model's own template, are tokenised once (the same ids as ``apply_chat_template``) and
found again by ``core.text.message_layout``; tokens get their characters from ``core.text.encoding``. What cannot be
proven is reported in ``notes`` and shown by token only. ``core.text.output_tokens`` adds the generated tokens,
``core.text.given_answer`` tokenises a given answer. Guarded by tests/core/test_text_render.py.

``Tokens.sources`` are, in this order: the request's messages (one for raw text), the system message that the template
added, and after a run its thinking (where there is any) and its answer, last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import PromptError
from ..records import Message, Request, Source, Tokens
from .chat_template import Chat, template_text
from .detokenise import close_spans, spell_tokens, token_texts
from .encoding import encode_text
from .given_answer import tokenise_answer as tokenise_answer
from .message_layout import MessageLayout, PlacedPiece, find_messages
from .rendered_prompt import RenderedPrompt as RenderedPrompt
from .special_tokens import check_surrogates, check_token_ids, special_ids, strip_tokens
from .system_message import REMEDY, added_system, without_system
from .thinking_blocks import left_open
from .token_spans import place_tokens

RAW = "This model has no chat template: your message was read as raw text."
REMOVED = "The system message that the chat template adds by itself was removed."
ADDED = "The chat template added a system message of its own: keep it, remove it, or write your own."
THINKS = "This model's chat template always begins with thinking; the thinking is marked and is no part of the answer."
CONTINUED = "The answer goes on with the assistant message that ends the prompt."


def render(tokenizer: Any, request: Request, *, has_template: bool | None = None) -> RenderedPrompt:
    """Renders the prompt of ``request`` as the model reads it. Raises PromptError where that is impossible.

    ``has_template``: None looks at the tokenizer. A single user message without a template is read as raw text.
    """
    check_surrogates(*([request.text] if request.text else []), *(m.content for m in request.messages))
    if request.token_ids is not None:
        return _from_ids(tokenizer, request.token_ids)
    if request.text is not None:
        return _raw(tokenizer, request.text, ())
    if has_template is not False and template_text(tokenizer) is not None:
        return _chat(tokenizer, request)
    if len(request.messages) > 1 or request.messages[0].role != "user":
        roles = ", ".join(m.role for m in request.messages)
        raise PromptError(
            f"This model has no chat template, so it cannot read these chat messages ({roles}): "
            "write one raw text, or pick a model made for chat."
        )
    return _raw(tokenizer, request.messages[0].content, (RAW,))


def _from_ids(tokenizer: Any, ids: Sequence[int]) -> RenderedPrompt:
    """Makes a prompt of token ids as they are; their decoded text, without control tokens, counts as the user's."""
    check_token_ids(tokenizer, ids)
    text, spans = spell_tokens(tokenizer, ids)
    special = special_ids(tokenizer)
    marks = [int(i) in special for i in ids]
    own, moved = strip_tokens(text, spans, marks)
    at = [(-1, -1) if m else s for m, s in zip(marks, close_spans(moved, own), strict=True)]
    tokens = Tokens(
        ids=np.array(ids, np.int64),
        texts=token_texts(tokenizer, ids),
        message=np.array([-1 if m else 0 for m in marks], np.int32),
        start=np.array([a for a, _ in at], np.int32),
        end=np.array([b for _, b in at], np.int32),
        roles=tuple("template" if m else "user" for m in marks),
        parts=("prompt",) * len(ids),
        sources=(Source(own, "user", "user"),),
    )
    return RenderedPrompt(text, tokens)


def _raw(tokenizer: Any, text: str, notes: tuple[str, ...]) -> RenderedPrompt:
    """Makes a prompt of raw text, with the begin and end tokens that the tokenizer itself puts around it."""
    encoded = encode_text(tokenizer, text, special=True)
    if not encoded.ids:
        raise PromptError("The prompt makes no token for this model: write something else for the model to read.")
    pieces = (PlacedPiece(0, 0, 0, len(text)),)
    tokens, more = place_tokens(tokenizer, text, encoded, pieces, (Source(text, "user", "user"),))
    around = [t for t, a in zip(tokens.texts, encoded.added, strict=True) if a]
    read = "".join(around[: encoded.before]) + text + "".join(around[encoded.before :])
    return RenderedPrompt(read, tokens, notes + more)


def _chat(tokenizer: Any, request: Request) -> RenderedPrompt:
    """Makes a prompt of chat messages with the model's template."""
    chat, messages = Chat.of(tokenizer, request), request.messages
    rendered = chat.render(messages)
    plan, pieces = find_messages(chat, rendered, messages)
    sources = tuple(Source(m.content, _role(m), "user") for m in messages)
    rendered, pieces, sources, notes = _own_system(chat, request, plan, rendered, pieces, sources)
    tokens, more = place_tokens(tokenizer, rendered, encode_text(tokenizer, rendered, special=False), pieces, sources)
    if chat.continues:
        notes += (CONTINUED,)
    inside = _begins_thinking(chat, request, plan)
    if inside and not request.thinking and not chat.continues:
        notes += (THINKS,)
    notes += _switch_notes(chat, request, rendered)
    return RenderedPrompt(rendered, tokens, notes + more, inside, chat=True)


def _own_system(
    chat: Chat,
    request: Request,
    plan: MessageLayout,
    rendered: str,
    pieces: tuple[PlacedPiece, ...] | None,
    sources: tuple[Source, ...],
) -> tuple[str, tuple[PlacedPiece, ...] | None, tuple[Source, ...], tuple[str, ...]]:
    """Shows or removes the template's own system message; returns rendered text, pieces, sources and notes."""
    added = added_system(chat, request.messages, plan)
    if added is None:
        return rendered, pieces, sources, ()
    if request.system == "none":
        if not rendered.startswith(plan.literals[0]):
            raise PromptError(f"The system message of this model's template cannot be removed safely: {REMEDY}.")
        shorter = without_system(rendered, added)
        gone = len(rendered) - len(shorter)
        moved = pieces and tuple(replace(p, place=p.place - gone) for p in pieces)
        return shorter, moved, sources, (REMOVED,)
    text = rendered[added.start : added.end]
    if not rendered.startswith(plan.literals[0]) or not text.strip():
        return rendered, pieces, sources, ()
    own = PlacedPiece(len(sources), 0, added.start, len(text))
    return rendered, pieces and (own, *pieces), (*sources, Source(text, "system", "template")), (ADDED,)


def _begins_thinking(chat: Chat, request: Request, plan: MessageLayout) -> bool:
    """Returns whether the model continues inside a thinking block.

    A given answer that never closes the block counts as an answer.
    """
    inside = left_open(request.messages[-1].content if chat.continues else plan.literals[-1])
    return inside and not (request.answer is not None and left_open(request.answer, inside=True))


def _switch_notes(chat: Chat, request: Request, rendered: str) -> tuple[str, ...]:
    notes = []
    if request.thinking and not chat.known.switches:
        notes.append("This model's chat template has no switch for thinking; it was asked as always.")
    if not request.thinking and chat.variables.get("reasoning_effort") == "low":
        notes.append("This model's thinking cannot be switched off; it was asked for little of it.")
    if any(text and text in rendered for text in chat.dates):
        notes.append(f"The chat template prints a date: {request.date}.")
    return tuple(notes)


def _role(message: Message) -> str:
    """Returns the nearest of ROLES: developer messages count as system, tool results as user."""
    if message.role == "developer":
        return "system"
    return message.role if message.role in ("system", "user", "assistant") else "user"
