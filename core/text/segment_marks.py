"""Parses and writes segment marks: ``[[context: ...]]`` is stripped before the model reads it and kept as a span.

Only the four names of ``core.records.SEGMENTS`` make a mark; wiki links, bash tests and unfinished marks stay in the
text. A mark ends at its own ``]]``: inside it, ``[[...]]`` pairs (a wiki link, a bash test) are counted, so that a
quoted pair does not end it early; a mark inside a mark is stripped as well and both are kept. Guarded by
tests/core/test_text_segment_marks.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import regex

from ..records import SEGMENTS, Segment

_BRACKETS = regex.compile(
    rf"(?P<open>\[\[[ \t]*(?P<name>{'|'.join(SEGMENTS)})[ \t]*:[ ]?)|(?P<other>\[\[(?!\[))"
    r"|(?P<close>\]\](?!\](?!\])))",
    regex.I,
)


def parse_marks(text: str, message: int = 0) -> tuple[str, tuple[Segment, ...]]:
    """Returns ``text`` without its marks, and the marked parts as spans of what remains, in reading order.

    ``message`` is the index of the chat message (0 in raw text). A mark around nothing is stripped and makes no
    segment; a mark that is never closed stays in the text as it is.
    """
    pairs = _pairs(text)
    cuts = sorted(cut for opening, closing, _ in pairs for cut in (opening, closing))
    kept, at, moved = [], 0, []
    for start, end in cuts:
        kept.append(text[at:start])
        moved.append((end, end - start))
        at = end
    kept.append(text[at:])

    def place(index: int) -> int:
        return index - sum(length for end, length in moved if end <= index)

    found = [Segment(name, message, place(opening[1]), place(closing[0])) for opening, closing, name in pairs]
    found = sorted((s for s in found if s.start < s.end), key=lambda s: (s.start, -s.end))
    return "".join(kept), tuple(found)


def _pairs(text: str) -> list[tuple[tuple[int, int], tuple[int, int], str]]:
    """Returns ((opening span), (closing span), name) of every mark that is closed."""
    waiting: list[tuple[tuple[int, int], str]] = []
    pairs = []
    for m in _BRACKETS.finditer(text):
        if not m["close"]:
            waiting.append((m.span(), (m["name"] or "").lower()))
        elif waiting:
            opening, name = waiting.pop()
            if name:
                pairs.append((opening, m.span(), name))
    return pairs


def write_marks(text: str, segments: Iterable[Segment]) -> str:
    """Returns ``text`` with its segments written back as marks; ``parse_marks`` of the result gives both again.

    Parts of other names (a study's ``check 1``) are not written: nothing would strip them again.
    Only a lone ``[[`` or ``]]`` inside a segment cannot be told from the mark's own brackets.
    """
    notes = []
    for s in (s for s in segments if s.name in SEGMENTS):
        notes.append((s.start, 1, -s.end, f"[[{s.name}: "))
        notes.append((s.end, 0, -s.start, "]]"))
    out, at = [], 0
    for place, _, _, written in sorted(notes):
        out += [text[at:place], written]
        at = place
    return "".join(out) + text[at:]
