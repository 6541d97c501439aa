"""Finds a part of a prompt again after the prompt was edited: by its segment's name, or by its words.

A steered part is kept as places in the text. When a person edits that text and runs it again, the same words stand
elsewhere; where they cannot be found without doubt, nothing is guessed. Guarded by tests/core/test_text_moved_part.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import PromptError
from ..records import MessageSpan, Segment, Steering, joined_spans
from .segment_marks import parse_marks


def moved_steering(steering: Sequence[Steering], before: Sequence[str], now: Sequence[str]) -> tuple[Steering, ...]:
    """Returns ``steering``, whose places are those of the messages ``before``, with the places in the messages ``now``.

    Both with the marks of their segments. A named segment is found by its name, other words where they stand exactly
    once. Raises PromptError where a part is not found, or its words stand twice.
    """
    if not before or list(before) == list(now):
        return tuple(steering)
    old, new = _parsed(before), _parsed(now)
    return tuple(replace(one, spans=_moved(one, old, new)) for one in steering)


def _parsed(texts: Sequence[str]) -> tuple[list[str], list[Segment]]:
    pairs = [parse_marks(text, i) for i, text in enumerate(texts)]
    return [text for text, _ in pairs], [segment for _, found in pairs for segment in found]


def _moved(
    one: Steering, old: tuple[list[str], list[Segment]], new: tuple[list[str], list[Segment]]
) -> tuple[MessageSpan, ...]:
    for name in dict.fromkeys(n for s in old[1] for n in (s.name, s.label) if n):
        if _places(old[1], name) == one.spans and (places := _places(new[1], name)):
            return places
    found = []
    for message, start, end in one.spans:
        words = old[0][message][start:end] if message < len(old[0]) else ""
        if message < len(new[0]) and new[0][message] == old[0][message]:
            found.append((message, start, end))
            continue
        hits = [(i, text.index(words)) for i, text in enumerate(new[0]) if words and words in text]
        if len(hits) != 1 or new[0][hits[0][0]].count(words) != 1:
            raise PromptError(
                f"The prompt was changed, and what is steered in it ({one.label}) does not stand there exactly once: "
                "clear the steering to run it plainly, or undo the change."
            )
        found.append((hits[0][0], hits[0][1], hits[0][1] + len(words)))
    return tuple(found)


def _places(segments: Sequence[Segment], name: str) -> tuple[MessageSpan, ...]:
    """Returns the joined spans of the segments of this name or label; () where there are none."""
    spans = [(s.message, s.start, s.end) for s in segments if name in (s.name, s.label)]
    return joined_spans(spans) if spans else ()
