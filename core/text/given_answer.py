"""Tokenises a given answer into the token ids that the model would have had to generate.

The answer is tokenised behind the prompt, because tokenizers merge across the boundary; only where that would change
the prompt's own tokens is it tokenised by itself. The end-of-turn token is a step like any other and is added where the
template closes an assistant message with one. Guarded by tests/core/test_text_given_answer.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import PromptError
from ..records import Message, Request
from .chat_template import Chat
from .encoding import encode_text
from .message_layout import find_markup
from .rendered_prompt import RenderedPrompt
from .special_tokens import check_surrogates, check_token_ids, special_ids

NOTHING = "The given answer makes no token for this model: paste an answer with some text."
ALONE = "The given answer was tokenised by itself, since behind the prompt it would have changed the prompt's tokens."


@dataclass(frozen=True)
class GivenAnswer:
    """A given answer as tokens, with notes for the reader."""

    ids: tuple[int, ...]
    notes: tuple[str, ...] = ()


def answer_ids(tokenizer: Any, prompt: RenderedPrompt, request: Request) -> tuple[int, ...]:
    """Returns the token ids of the request's given answer, read behind the prompt. Raises PromptError without one."""
    return tokenise_answer(tokenizer, prompt, request).ids


def tokenise_answer(tokenizer: Any, prompt: RenderedPrompt, request: Request) -> GivenAnswer:
    """Returns the same ids as ``answer_ids``, with notes for the reader. Raises PromptError without a given answer."""
    if request.answer_ids is not None or request.answer is None:
        return _of_ids(tokenizer, request)
    check_surrogates(request.answer)
    ids = _behind(tokenizer, prompt, request)
    notes: tuple[str, ...] = ()
    if ids is None:
        ids, notes = _alone(tokenizer, request.answer), (ALONE,)
    if not ids:
        raise PromptError(NOTHING)
    end = end_of_turn(tokenizer, request) if prompt.chat else None
    return GivenAnswer(ids if end is None or ids[-1] == end else (*ids, end), notes)


def tokenise_target(tokenizer: Any, request: Request) -> GivenAnswer:
    """Returns a given answer as the decoder of an encoder-decoder writes it: by itself, with its tokenizer's end token.

    Raises PromptError without a given answer, and for one that makes no token.
    """
    if request.answer is None:
        return _of_ids(tokenizer, request)
    check_surrogates(request.answer)
    ids = tokenizer(text_target=request.answer, verbose=False)["input_ids"]
    if not set(ids) - special_ids(tokenizer):
        raise PromptError(NOTHING)
    return GivenAnswer(tuple(int(i) for i in ids))


def _of_ids(tokenizer: Any, request: Request) -> GivenAnswer:
    """Returns an answer that was given as token ids. Raises PromptError where there is none."""
    if request.answer_ids is None:
        raise PromptError("No answer was given to score: paste one, or let the model write.")
    check_token_ids(tokenizer, request.answer_ids)
    return GivenAnswer(tuple(int(i) for i in request.answer_ids))


def end_of_turn(tokenizer: Any, request: Request) -> int | None:
    """Returns the token with which the template closes an assistant message, or None where it has none."""
    chat = Chat.of(tokenizer, request)
    messages = list(request.messages)
    if not chat.continues:
        messages.append(Message("assistant", "a"))
    try:
        plan = find_markup(chat, messages, closed=True)
    except PromptError:
        return tokenizer.eos_token_id
    if not plan.slots or plan.slots[-1] != len(messages) - 1:
        return tokenizer.eos_token_id
    special = special_ids(tokenizer)
    for i in encode_text(tokenizer, plan.literals[-1], special=False).ids:
        if i in special:
            return int(i)
        if tokenizer.decode([i]).strip():
            return None
    return None


def _behind(tokenizer: Any, prompt: RenderedPrompt, request: Request) -> tuple[int, ...] | None:
    """Returns the answer's ids behind the prompt, or None where that would change the prompt's own ids."""
    if request.token_ids is not None or request.answer is None:
        return None
    before = prompt.text if prompt.chat else prompt.tokens.sources[0].text
    whole = encode_text(tokenizer, before + request.answer, special=not prompt.chat).own_ids
    own = tuple(prompt.tokens.ids.tolist())
    return whole[len(own) :] if whole[: len(own)] == own else None


def _alone(tokenizer: Any, answer: str) -> tuple[int, ...]:
    """Tokenises the answer behind a line break that is taken off again, so that no space is put in front."""
    ahead = encode_text(tokenizer, "\n", special=False).ids
    both = encode_text(tokenizer, "\n" + answer, special=False).ids
    if ahead and both[: len(ahead)] == ahead:
        return both[len(ahead) :]
    return encode_text(tokenizer, answer, special=False).ids
