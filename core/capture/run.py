"""Request -> Trace: renders the prompt, runs the model once, and puts everything it saw into one record.

``run`` is the face for notebooks (a string or messages, settings by keyword); ``capture`` is what pages, jobs
and workers call with a ready Request. Guarded by tests/core/test_capture_run.py.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from core.capture.decode import Cancel, Progress, Written, check_length, end_ids, generate, read
from core.capture.rows import Gather
from core.errors import PromptError
from core.records import Message, Request, Segment, Trace
from core.settings import versions
from core.text import render, segments
from core.text.glyphs import decode_stream

Prompt = str | Sequence[Mapping[str, str] | Message] | Sequence[int]
SETTINGS = ("system", "thinking", "max_new_tokens", "temperature", "top_p", "seed", "stop", "author", "keep", "date")


def run(model: Any, prompt: Prompt, *, answer: str | Sequence[int] | None = None, raw: bool = False, **settings: Any) -> Trace:
    """Runs ``model`` over ``prompt`` and returns the Trace.

    ``prompt``: a string (one user message where the model has a chat template, else raw text; ``raw=True`` forces
    raw), chat messages ``[{"role": ..., "content": ...}]``, or token ids. ``[[instruction: ...]]`` (context,
    example, question) names a segment and is stripped. ``answer``: text or ids to score instead of generating.
    ``settings``: max_new_tokens (64), temperature (0 = greedy), top_p, seed, stop, system ("keep" or "none"),
    thinking (False), author (who wrote a given answer), keep ("all", "reduced", "none").
    Raises PromptError, CaptureError.
    """
    chat = not raw and model.ref.has_template
    request = make_request(model.key, prompt, answer=answer, raw=not chat, dated=prints_date(model.tokenizer), **settings)
    return capture(model, request)


def make_request(
    key: Any,
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


def prints_date(tokenizer: Any) -> bool:
    """True when the chat template prints the current date."""
    template = getattr(tokenizer, "chat_template", None)
    return "strftime_now" in str(template) or "date_string" in str(template)


def _silent(fraction: float | None, text: str, stream: str | None = None) -> None: ...


def _never() -> bool:
    return False


def capture(model: Any, request: Request, progress: Progress = _silent, cancelled: Cancel = _never) -> Trace:
    """Runs ``request`` on a loaded ``model`` (its key must be the request's). Holds the model's lock."""
    if request.model != model.key:
        raise PromptError(f"The request asks for {request.model.name}, but the model given is {model.key.name}.")
    began = time.monotonic()
    prompt = render.render(model.tokenizer, request, has_template=model.ref.has_template)
    ids = prompt.tokens.ids.tolist()
    answer = render.answer_ids(model.tokenizer, prompt, request) if request.scored else ()
    check_length(model, len(ids), len(answer) or request.max_new_tokens)
    steps = len(answer) or request.max_new_tokens
    gather = Gather(prompt.tokens, request.segments, steps, request.keep, model.hf.device)
    with model.lock:
        if request.scored:
            written = read(model, ids, answer, gather, progress, cancelled)
        else:
            decode = lambda some: decode_stream(model.tokenizer, some)  # noqa: E731
            written = generate(model, request, ids, gather, decode, progress, cancelled)
    progress(1.0, "Sorting what was read", None)
    return _trace(model, request, prompt, written, gather, time.monotonic() - began)


def _trace(model: Any, request: Request, prompt: Any, written: Written, gather: Gather, seconds: float) -> Trace:
    steps = len(written.ids)
    tokens = render.with_output(
        model.tokenizer, prompt, written.ids, end_ids=end_ids(model.hf), stop=request.stop if written.finish == "stop" else ()
    )
    pieces = [tuple(model.tokenizer.decode([int(i)]) for i in row) for row in written.scores.ids]
    return Trace(
        request=request,
        model=model.ref,
        tokens=tokens,
        prompt_length=len(prompt.tokens),
        logprobs=written.scores.logprobs,
        entropy=written.scores.entropy,
        alternative_ids=written.scores.ids,
        alternative_logprobs=written.scores.top,
        alternative_texts=tuple(pieces),
        groups=gather.groups,
        mass=gather.mass(model.ref.attention_layers, steps),
        finish=written.finish,
        rows=gather.rows(steps),
        rendered=prompt.text,
        notes=tuple(prompt.notes) + model.ref.notes,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
    )
