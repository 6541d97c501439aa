"""Deletes spans of the user's text from a prompt: for ablation, and for the answer that is written without them.

What is left must read as if it had been written so: of the spaces on both sides of a gap one side stays (the one with
more line breaks, else the longer), and none at the beginning or end of a message. A message of which nothing is left
stays as an empty one, since dropping it would change who speaks, and a template would add a system message of its own.
Segments move with their text. No tokenizer is needed. Guarded by tests/core/test_text_deletion.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..errors import PromptError
from ..records import Message, MessageSpan, Request, Segment, Tokens, Units

NOTHING_LEFT = "Nothing of the prompt would remain: leave at least one word in it."
IDS = "This prompt was given as token ids, so no text can be taken out of it: write it as text, or hide the words."


def delete_spans(request: Request, spans: Iterable[MessageSpan]) -> Request:
    """Returns ``request`` without these spans of the user's messages; everything else stays as it is.

    Spans may overlap; without any, the request is returned unchanged. Raises PromptError where nothing would remain, or
    where the prompt was given as token ids; ValueError for a span outside its message.
    """
    gaps = sorted(set(spans))
    if not gaps:
        return request
    if request.token_ids is not None:
        raise PromptError(IDS)
    texts = [m.content for m in request.messages] if request.messages else [request.text or ""]
    for message, start, end in gaps:
        if not 0 <= message < len(texts) or not 0 <= start <= end <= len(texts[message]):
            raise ValueError(f"The span {(message, start, end)} lies outside the prompt's messages.")
    kept = [_kept(text, [(a, b) for m, a, b in gaps if m == i]) for i, text in enumerate(texts)]
    left = ["".join(c for c, keep in zip(text, k, strict=True) if keep) for text, k in zip(texts, kept, strict=True)]
    if not any(text.strip() for text in left):
        raise PromptError(NOTHING_LEFT)
    segments = tuple(s for s in (_moved(s, kept[s.message]) for s in request.segments) if s.start < s.end)
    if request.text is not None:
        return replace(request, text=left[0], segments=segments)
    messages = tuple(Message(m.role, text) for m, text in zip(request.messages, left, strict=True))
    return replace(request, messages=messages, segments=segments)


def _kept(text: str, gaps: Sequence[tuple[int, int]]) -> list[bool]:
    """Returns per character whether it stays; of the runs of spaces in and around each gap at most one stays."""
    keep = [True] * len(text)
    for start, end in gaps:
        keep[start:end] = [False] * (end - start)
    for start, end in _joined(text, keep):
        first = start - (len(text[:start]) - len(text[:start].rstrip()))
        last = end + len(text[end:]) - len(text[end:].lstrip())
        before, after = (first, start), (end, last)
        if first == 0:
            stays = before
        elif last == len(text):
            stays = after
        elif first == start or last == end:
            stays = before if last == end else after
        else:
            runs = [before, *_spaces(keep, start, end), after]
            stays = max(runs, key=lambda run: (text[slice(*run)].count("\n"), run[1] - run[0]))
        keep[first:last] = [stays[0] <= i < stays[1] for i in range(first, last)]
    return keep


def _joined(text: str, keep: Sequence[bool]) -> list[tuple[int, int]]:
    """Returns the runs of deleted characters, merging those with only spaces between them."""
    out: list[tuple[int, int]] = []
    for i, stays in enumerate(keep):
        if stays:
            continue
        if out and not text[out[-1][1] : i].strip():
            out[-1] = (out[-1][0], i + 1)
        else:
            out.append((i, i + 1))
    return out


def _spaces(keep: Sequence[bool], start: int, end: int) -> list[tuple[int, int]]:
    """Returns the runs of characters inside start:end that were not deleted: spaces, see ``_joined``."""
    edges = [i for i in range(start + 1, end) if keep[i] != keep[i - 1]]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _moved(segment: Segment, keep: Sequence[bool]) -> Segment:
    return replace(segment, start=sum(keep[: segment.start]), end=sum(keep[: segment.end]))


def removable_spans(
    tokens: Tokens, units: Units, segments: Sequence[Segment] = ()
) -> tuple[tuple[MessageSpan, ...], ...]:
    """Returns per unit of the prompt the spans of the user's text that it covers; empty where it has none (markup).

    ``segments`` are the request's: a role's unit named "other" is that role's text outside them.
    """
    own = [i for i, source in enumerate(tokens.sources) if source.origin == "user"]
    found: list[tuple[MessageSpan, ...]] = []
    for u in range(len(units)):
        message, start, end = int(units.message[u]), int(units.start[u]), int(units.end[u])
        if not tokens.proven:
            found.append(())
        elif message in own and 0 <= start < end:
            found.append(((message, start, end),))
        elif message < 0 and units.granularity in ("role", "segment"):
            mine = [m for m in own if tokens.sources[m].role == units.roles[u]]
            named = segments if units.granularity == "segment" else ()
            found.append(tuple(span for m in mine for span in _outside(len(tokens.sources[m].text), m, named)))
        else:
            found.append(())
    return tuple(found)


def _outside(length: int, message: int, segments: Sequence[Segment]) -> list[MessageSpan]:
    """Returns the spans of a message that lie in none of the segments."""
    spans, at = [], 0
    for s in sorted((s for s in segments if s.message == message), key=lambda s: s.start):
        if at < s.start:
            spans.append((message, at, s.start))
        at = max(at, s.end)
    return [*spans, (message, at, length)] if at < length else spans
