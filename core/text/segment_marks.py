"""Parses and writes segment marks: ``[[context: ...]]`` is stripped before the model reads it and kept as a span.

Only the four names of ``core.records.SEGMENTS`` make a mark; wiki links, bash tests and unfinished marks stay in the
text. A mark may carry a label of its own, ``[[context "report.pdf": ...]]``, which tells it apart from others of its
name. A mark ends at its own ``]]``: inside it, ``[[...]]`` pairs (a wiki link, a bash test) are counted, so that a
quoted pair does not end it early; a mark inside a mark is stripped as well and both are kept.

A text that would be cut by that (a lone ``]]``, marks that it quotes) stands between signs that it does not hold,
``[[context#: ... #]]``, as many of them as are needed: nothing inside is parsed. Guarded by
tests/core/test_text_segment_marks.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import regex

from ..records import SEGMENTS, Segment

_BRACKETS = regex.compile(
    rf"(?P<open>\[\[[ \t]*(?P<name>{'|'.join(SEGMENTS)})[ \t]*"
    r"(?:[\"\u201c](?P<label>[^\"\u201c\u201d\n]*)[\"\u201d][ \t]*)?(?P<fence>#*)[ \t]*:[ ]?)"
    r"|(?P<other>\[\[(?!\[))"
    r"|(?P<close>\]\](?!\](?!\])))",
    regex.I,
)
_QUOTES = regex.compile('["\u201c\u201d\u201e]')
LONGEST_SEGMENT_LABEL = 60


def parse_marks(text: str, message: int = 0) -> tuple[str, tuple[Segment, ...]]:
    """Returns ``text`` without its marks, and the marked parts as spans of what remains, in reading order.

    ``message`` is the index of the chat message (0 in raw text). A mark around nothing is stripped and makes no
    segment; a mark that is never closed stays in the text as it is.
    """
    pairs, _ = _pairs(text)
    cuts = sorted(cut for opening, closing, *_ in pairs for cut in (opening, closing))
    kept, at, moved = [], 0, []
    for start, end in cuts:
        kept.append(text[at:start])
        moved.append((end, end - start))
        at = end
    kept.append(text[at:])

    def place(index: int) -> int:
        return index - sum(length for end, length in moved if end <= index)

    found = [Segment(name, message, place(a[1]), place(b[0]), label) for a, b, name, label in pairs]
    found = sorted((s for s in found if s.start < s.end), key=lambda s: (s.start, -s.end))
    return "".join(kept), tuple(found)


def unclosed_marks(text: str) -> tuple[str, ...]:
    """Returns the names of the marks that are opened and never closed: they stay in the text."""
    return _pairs(text)[1]


_Pair = tuple[tuple[int, int], tuple[int, int], str, str]


def _pairs(text: str) -> tuple[list[_Pair], tuple[str, ...]]:
    """Returns ((opening span), (closing span), name, label) of every mark that is closed, and the names of others."""
    waiting: list[tuple[tuple[int, int], str, str]] = []
    pairs, unfenced, at = list[_Pair](), list[str](), 0
    while m := _BRACKETS.search(text, at):
        at = m.end()
        if m["close"]:
            if waiting and (opened := waiting.pop())[1]:
                pairs.append((opened[0], m.span(), *opened[1:]))
            continue
        name = (m["name"] or "").lower()
        label = segment_label(m["label"]) if m["label"] else ""
        if not m["fence"]:
            waiting.append((m.span(), name, label))
        elif (end := text.find(m["fence"] + "]]", at)) >= 0:
            at = end + len(m["fence"]) + 2
            pairs.append((m.span(), (end, at), name, label))
        else:
            waiting.append((m.span(), "", ""))
            unfenced.append(name)
    return pairs, (*(name for _, name, _ in waiting if name), *unfenced)


def segment_label(text: str) -> str:
    """Returns ``text`` as a label that a mark can carry: one line without double quotes, at most 60 characters."""
    line = " ".join(_QUOTES.sub("'", text).split())
    return line if len(line) <= LONGEST_SEGMENT_LABEL else f"{line[: LONGEST_SEGMENT_LABEL - 1].rstrip()}…"


def write_marks(text: str, segments: Iterable[Segment]) -> str:
    """Returns ``text`` with its segments written back as marks; ``parse_marks`` of the result gives both again.

    Parts of other names (a study's ``check 1``) are not written: nothing would strip them again. Only in a segment
    that holds other segments can a lone ``[[`` or ``]]`` not be told from the mark's own brackets.
    """
    notes = []
    written = [s for s in segments if s.name in SEGMENTS]
    for s in written:
        alone = not any(o is not s and o.start < s.end and s.start < o.end for o in written)
        fence = _fence(text[s.start : s.end], text[s.end : s.end + 2]) if alone else ""
        label = f' "{segment_label(s.label)}"' if s.label else ""
        notes.append((s.start, 1, -s.end, f"[[{s.name}{label}{fence}: "))
        notes.append((s.end, 0, -s.start, f"{fence}]]"))
    out, at = [], 0
    for place, _, _, mark in sorted(notes):
        out += [text[at:place], mark]
        at = place
    return "".join(out) + text[at:]


def _fence(inside: str, after: str) -> str:
    """Returns the signs that keep a marked text whole: "" where its own brackets do no harm."""
    if "[[" not in inside and "]]" not in inside and not inside.endswith("]") and not after.startswith("]"):
        return ""
    _, found = parse_marks(f"[[{SEGMENTS[0]}: {inside}]]{after}")
    if found == (Segment(SEGMENTS[0], 0, 0, len(inside)),):
        return ""
    fence = "#"
    while f"{fence}]]" in inside:
        fence += "#"
    return fence
