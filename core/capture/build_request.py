"""Builds a Request from a prompt and settings; loads no model, no tokenizer and no torch.

A stored answer must be found before anything heavy is imported, so a Request holds texts, not token ids. Guarded by
tests/core/test_capture_run_model.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from ..checks import as_list, check_ids, short_repr
from ..errors import PromptError
from ..models.model_key import template_prints_date
from ..records import Message, ModelKey, Request, Segment
from ..settings import versions
from ..text import segment_marks
from .steering_words import as_steering

PromptInput = str | Sequence[Mapping[str, str] | Message] | Sequence[int]
REQUEST_SETTINGS = (
    "system",
    "thinking",
    "max_new_tokens",
    "temperature",
    "top_p",
    "seed",
    "stop",
    "author",
    "keep",
    "date",
    "steer",
)


def make_request(
    key: ModelKey,
    prompt: PromptInput,
    *,
    answer: str | Sequence[int] | None = None,
    raw: bool = False,
    **settings: Any,
) -> Request:
    """Returns the Request for a prompt and settings, with today's date where the model's chat template prints one."""
    unknown = set(settings) - set(REQUEST_SETTINGS)
    if unknown:
        raise PromptError(f"Unknown setting {sorted(unknown)[0]!r}: the settings are {', '.join(REQUEST_SETTINGS)}.")
    found: tuple[Segment, ...] = ()
    given: dict[str, Any] = {}
    if isinstance(prompt, str):
        text, found = segment_marks.parse_marks(prompt)
        given = {"text": text} if raw else {"messages": (Message("user", text),)}
    else:
        parts = _parts(prompt)
        if parts and not isinstance(parts[0], (Mapping, Message)):
            given = {"token_ids": check_ids("The prompt", parts)}
        else:
            messages, found = _messages(parts)
            given = {"messages": messages}
    if answer is not None:
        given |= {"answer": answer} if isinstance(answer, str) else {"answer_ids": check_ids("The answer", answer)}
    if given.get("messages") and not settings.get("date") and template_prints_date(key.name):
        settings["date"] = date.today().isoformat()
    texts = [m.content for m in given.get("messages", ())] or [given.get("text", "")]
    steering = as_steering(settings.pop("steer", ()), texts, found)
    return Request(model=key, steering=steering, segments=found, versions=versions(), **given, **settings)


def _parts(prompt: Any) -> list[Any]:
    """Returns the messages or token ids of a prompt that is not a string. Raises PromptError for anything else."""
    plain = as_list(prompt)
    if not isinstance(plain, Iterable) or isinstance(plain, (bytes, bytearray, Mapping)):
        raise PromptError(
            f"A prompt is a text, a list of messages such as {{'role': 'user', 'content': 'Hello'}}, "
            f"or a list of token ids, not {short_repr(prompt)}."
        )
    return list(plain)


def _messages(prompt: Sequence[Any]) -> tuple[tuple[Message, ...], tuple[Segment, ...]]:
    messages: list[Message] = []
    found: list[Segment] = []
    for i, m in enumerate(prompt):
        fields = m if isinstance(m, Mapping) else getattr(m, "__dict__", {})
        role, content = fields.get("role"), fields.get("content")
        if not isinstance(role, str) or not role or not isinstance(content, str):
            raise PromptError(f"Message {i + 1} needs a role and a content, both text.")
        text, marks = segment_marks.parse_marks(content, i)
        messages.append(Message(role, text))
        found += marks
    return tuple(messages), tuple(found)
