"""Reads what a person writes to steer a run, ``{"instruction": 4}``, as Steering of the parts of a prompt. No torch.

Guarded by tests/core/test_capture_steering.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..checks import short_repr
from ..errors import PromptError
from ..records import Request, Segment, Steering

STEER_EXAMPLE = 'steer={"instruction": 4}, {"a few words of the prompt": 0.5} or {"instruction": {"target": 0.3}}'


def as_steering(steer: Any, texts: Sequence[str], segments: Sequence[Segment]) -> tuple[Steering, ...]:
    """Returns the steering that a person wrote down; ``texts`` are the messages' (or the raw text).

    ``{part: factor}`` or ``{part: {"factor" or "target": ..., "bound", "layers", "heads", "readers": ...}}``; a part is
    the name of a segment, words of the prompt (wherever they stand), a span (message, start, end) or several spans. Or
    a Steering, or a list of them. Raises PromptError.
    """
    if not steer and not isinstance(steer, (int, float)):
        return ()
    if isinstance(steer, Steering):
        return (steer,)
    if not isinstance(steer, Mapping):
        several = list(steer) if isinstance(steer, Iterable) and not isinstance(steer, str) else [steer]
        if not all(isinstance(one, Steering) for one in several):
            raise PromptError(f"Steering is written as {STEER_EXAMPLE}, not {short_repr(steer)}.")
        return tuple(several)
    found = []
    for part, how in steer.items():
        fields = dict(how) if isinstance(how, Mapping) else {"factor": how}
        spans = part_spans(part, texts, segments)
        try:
            found.append(Steering(spans, **{"name": part_name(part, spans, texts)} | fields))
        except TypeError as error:
            raise PromptError(f"Steering is written as {STEER_EXAMPLE} ({error}).") from error
    return tuple(found)


def part_spans(part: Any, texts: Sequence[str], segments: Sequence[Segment]) -> tuple[tuple[int, int, int], ...]:
    """Returns the spans of a part: segments by name or label, words wherever they stand, spans. Raises PromptError."""
    if isinstance(part, str):
        named = tuple((s.message, s.start, s.end) for s in segments if part and part in (s.label, s.name))
        if named or not part:
            return named
        found = []
        for message, text in enumerate(texts):
            at = text.find(part)
            while at >= 0:
                found.append((message, at, at + len(part)))
                at = text.find(part, at + len(part))
        if not found:
            names = ", ".join(dict.fromkeys(n for s in segments for n in (s.name, s.label) if n)) or "none"
            raise PromptError(
                f"The prompt has no part {short_repr(part)}: give words that stand in it, or one of its named parts "
                f"({names}); [[instruction: ...]] names one."
            )
        return tuple(found)
    plain = tuple(part) if isinstance(part, Iterable) else (part,)
    spans = (plain,) if plain and not isinstance(plain[0], Iterable) else plain
    try:
        return tuple((int(m), int(a), int(b)) for m, a, b in spans)
    except (TypeError, ValueError) as error:
        raise PromptError(f"A part is a name, words, or (message, start, end), not {short_repr(part)}.") from error


def part_name(part: Any, spans: Sequence[tuple[int, int, int]], texts: Sequence[str]) -> str:
    """Returns what a part is called: its name, or the words of its first span."""
    if isinstance(part, str):
        return part
    message, start, end = spans[0] if spans else (0, 0, 0)
    return texts[message][start:end] if message < len(texts) else ""


def prompt_texts(request: Request) -> list[str]:
    """Returns the texts that spans of a request count in: of each message, or the raw one."""
    return [m.content for m in request.messages] or [request.text or ""]
