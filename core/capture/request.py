"""From what a person writes to a Request: no model, no tokenizer, no torch.

A cached answer must be found before anything heavy is imported, so a Request holds texts, not token ids.
Guarded by tests/core/test_capture_request.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from core.errors import PromptError
from core.records import Message, ModelKey, Request, Segment
from core.settings import versions
from core.text import segments

Prompt = str | Sequence[Mapping[str, str] | Message] | Sequence[int]
SETTINGS = ("system", "thinking", "max_new_tokens", "temperature", "top_p", "seed", "stop", "author", "keep", "date")


def make_request(
    key: ModelKey,
    prompt: Prompt,
    *,
    answer: str | Sequence[int] | None = None,
    raw: bool = False,
    dated: bool = False,
    **settings: Any,
) -> Request:
    """A Request from what a person writes; ``key`` is a ModelKey. ``dated``: the template prints today's date."""
    unknown = set(settings) - set(SETTINGS)
    if unknown:
        raise PromptError(f"Unknown setting {sorted(unknown)[0]!r}: the settings are {', '.join(SETTINGS)}.")
    found: tuple[Segment, ...] = ()
    given: dict[str, Any] = {}
    if isinstance(prompt, str):
        text, found = segments.parse(prompt)
        given = {"text": text} if raw else {"messages": (Message("user", text),)}
    elif prompt and all(isinstance(p, int) for p in prompt):
        given = {"token_ids": tuple(prompt)}
    else:
        messages, found = _messages(prompt)
        given = {"messages": messages}
    if answer is not None:
        given |= {"answer": answer} if isinstance(answer, str) else {"answer_ids": tuple(int(i) for i in answer)}
    if dated and given.get("messages") and not settings.get("date"):
        settings["date"] = date.today().isoformat()
    stop = settings.pop("stop", ())
    stop = (stop,) if isinstance(stop, str) else tuple(stop)
    return Request(model=key, segments=found, versions=versions(), stop=stop, **given, **settings)


def _messages(prompt: Any) -> tuple[tuple[Message, ...], tuple[Segment, ...]]:
    messages: list[Message] = []
    found: list[Segment] = []
    for i, m in enumerate(prompt):
        role, content = (m.role, m.content) if isinstance(m, Message) else (m.get("role"), m.get("content"))
        if not isinstance(role, str) or not isinstance(content, str):
            raise PromptError(f"Message {i + 1} needs a role and a content, both text.")
        text, marks = segments.parse(content, i)
        messages.append(Message(role, text))
        found += marks
    return tuple(messages), tuple(found)
