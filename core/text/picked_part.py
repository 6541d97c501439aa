"""Turns picked units of a prompt into a part that can be steered: its spans, and what it is called.

Words that only white space parts become one span, and what makes up a named segment is that segment, however it was
picked: so the same part is found again. Guarded by tests/core/test_text_picked_part.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..records import MessageSpan, Request, Tokens, Units, joined_spans
from .deletion import removable_spans

LONGEST_NAME = 40


@dataclass(frozen=True)
class PickedPart:
    """A part of what a person wrote."""

    spans: tuple[MessageSpan, ...]
    name: str
    """The segment's name or label, or the words."""
    segment: bool = False
    """It is a named segment."""

    @property
    def phrase(self) -> str:
        """What it is called inside a sentence: ``the instruction``, ``“sky is”``."""
        return f"the {self.name}" if self.segment else f"“{self.name}”"


def picked_part(request: Request, tokens: Tokens, units: Units, columns: Iterable[int]) -> PickedPart | None:
    """Returns the part that ``columns`` of ``units`` make up; None where nothing of it is text that a person wrote."""
    texts = [m.content for m in request.messages] or [request.text or ""]
    every = removable_spans(tokens, units, request.segments)
    spans = [span for column in columns for span in every[column]]
    if not spans:
        return None
    joined = _bridged(joined_spans(spans), texts)
    for name in dict.fromkeys(s.name for s in request.segments):
        own = joined_spans([(s.message, s.start, s.end) for s in request.segments if s.name == name])
        if _trimmed(own, texts) == _trimmed(joined, texts):
            return PickedPart(own, name, True)
    for segment in request.segments:
        own = ((segment.message, segment.start, segment.end),)
        if segment.label and _trimmed(own, texts) == _trimmed(joined, texts):
            return PickedPart(own, segment.label)
    words = " … ".join(" ".join(texts[m][a:b].split()) for m, a, b in joined)
    return PickedPart(joined, words if len(words) <= LONGEST_NAME else f"{words[: LONGEST_NAME - 1]}…")


def _bridged(spans: Sequence[MessageSpan], texts: Sequence[str]) -> tuple[MessageSpan, ...]:
    out: list[MessageSpan] = []
    for message, start, end in spans:
        if out and out[-1][0] == message and not texts[message][out[-1][2] : start].strip():
            start = out.pop()[1]
        out.append((message, start, end))
    return tuple(out)


def _trimmed(spans: Sequence[MessageSpan], texts: Sequence[str]) -> tuple[MessageSpan, ...]:
    out = []
    for message, start, end in spans:
        text = texts[message][start:end]
        left = len(text) - len(text.lstrip())
        if text.strip():
            out.append((message, start + left, start + left + len(text.strip())))
    return tuple(out)
