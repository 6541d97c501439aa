"""Tokens -> what a reader sees: words, sentences, named segments, roles, or the tokens themselves.

Attention belongs to tokens; people read words. A token over two words is split between them by its characters that
are not spaces, so that going up only sums and nothing is lost: the weights of a token always add to one. Markup
between texts is one unit; a token of nothing but spaces is one of its own and says so with visible glyphs. Words are
never made across messages. Where spans are not proven, only tokens and roles are offered. To add a granularity: one
function that makes ``Part``s for a token and one line in ``_PARTS``. Guarded by tests/core/test_text_units.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.errors import MethodError
from core.records import ROLES, Segment, Tokens, Units
from core.text.glyphs import visible
from core.text.words import sentences, words

Span = tuple[int, int]


@dataclass(frozen=True)
class Part:
    """One unit in the making; equal parts are one unit."""

    label: str
    role: str
    message: int = -1
    start: int = -1
    end: int = -1
    nth: int = -1
    """Tells apart units without a span (each run of markup)."""


@dataclass
class _Making:
    tokens: Tokens
    positions: range
    segments: tuple[Segment, ...]
    cuts: dict[int, tuple[list[Span], list[int]]] = field(default_factory=dict)
    """Per source: spans that a granularity cuts it into, and their starts."""


def units(tokens: Tokens, granularity: str, positions: range, segments: tuple[Segment, ...] = ()) -> Units:
    """Units over the tokens at ``positions``, in reading order; ``token`` holds those positions.

    ``granularity``: token, word, sentence, role or segment. Raises MethodError for another one, or where spans are
    not proven and only token and role can be told.
    """
    if granularity not in GRANULARITIES:
        raise MethodError(f"Granularity must be one of {', '.join(GRANULARITIES)}, not {granularity!r}.")
    if not tokens.proven and granularity not in ("token", "role"):
        raise MethodError(
            f"{granularity.capitalize()}s cannot be shown for this run, since where its tokens stand in the text is "
            "not proven: choose token or role."
        )
    making = _Making(tokens, positions, tuple(segments))
    return _collect(granularity, _PARTS[granularity](making))


Shares = list[tuple[int, Part, float]]
"""(position, unit, weight) of every token."""


def _collect(granularity: str, shares: Shares) -> Units:
    order = {part: at for at, part in enumerate(_in_order(granularity, shares))}
    parts = list(order)
    return Units(
        granularity=granularity,
        labels=tuple(p.label for p in parts),
        message=np.array([p.message for p in parts], np.int32),
        start=np.array([p.start for p in parts], np.int32),
        end=np.array([p.end for p in parts], np.int32),
        roles=tuple(p.role for p in parts),
        token=np.array([t for t, _, _ in shares], np.int32),
        unit=np.array([order[p] for _, p, _ in shares], np.int32),
        weight=np.array([w for _, _, w in shares], np.float32),
    )


def _in_order(granularity: str, shares: Shares) -> list[Part]:
    """Units as they are first met; roles always in the order of ROLES."""
    met = list(dict.fromkeys(part for _, part, _ in shares))
    return sorted(met, key=lambda p: ROLES.index(p.role)) if granularity == "role" else met


def _by_token(m: _Making) -> Shares:
    t = m.tokens
    return [
        (i, Part(visible(t.texts[i]), t.roles[i], int(t.message[i]), int(t.start[i]), int(t.end[i]), i), 1.0)
        for i in m.positions
    ]


def _by_role(m: _Making) -> Shares:
    return [(i, Part(m.tokens.roles[i], m.tokens.roles[i]), 1.0) for i in m.positions]


def _by_word(m: _Making) -> Shares:
    return _by_text(m, words)


def _by_sentence(m: _Making) -> Shares:
    return _by_text(m, sentences)


def _by_text(m: _Making, cut: Callable[[str], list[Span]]) -> Shares:
    """Shares of tokens in the spans that ``cut`` makes of each source; markup and lone spaces make their own units."""
    t, out = m.tokens, []
    loose = _loose(m, cut is words)
    for i in m.positions:
        if i in loose:
            out.append((i, loose[i], 1.0))
            continue
        message, start, end = int(t.message[i]), int(t.start[i]), int(t.end[i])
        text = t.sources[message].text
        if message not in m.cuts:
            spans = cut(text)
            m.cuts[message] = spans, [a for a, _ in spans]
        for (a, b), weight in _split(text, start, end, *m.cuts[message]):
            a, b = _trimmed(text, a, b)
            out.append((i, Part(visible(text[a:b]), t.roles[i], message, a, b), weight))
    return out


def _split(text: str, start: int, end: int, spans: Sequence[Span], starts: Sequence[int]) -> list[tuple[Span, float]]:
    """The spans that characters start:end lie in, each with its share of the characters that are not spaces."""
    first = max(0, bisect_right(starts, start) - 1)
    found: list[tuple[Span, int]] = []
    for a, b in spans[first:]:
        if a >= end:
            break
        part = text[max(a, start) : min(b, end)]
        found.append(((a, b), sum(not c.isspace() for c in part)))
    total = sum(count for _, count in found)
    if total == 0:
        return [(next(s for s, _ in found if s[1] > start), 1.0)]
    return [(span, count / total) for span, count in found if count]


def _trimmed(text: str, a: int, b: int) -> Span:
    part = text[a:b]
    if part.isspace():
        return a, b
    return a + len(part) - len(part.lstrip()), b - len(part) + len(part.rstrip())


def _loose(m: _Making, spaces: bool) -> dict[int, Part]:
    """Tokens that stand in no word: runs of markup, runs of spaces (``spaces``), and tokens without characters."""
    t = m.tokens
    out: dict[int, Part] = {}
    run: list[int] = []

    def kind(i: int) -> tuple[str, int, str] | None:
        message, start, end = int(t.message[i]), int(t.start[i]), int(t.end[i])
        if message < 0:
            return "markup", -1, t.roles[i]
        if end <= start:
            return "empty", i, t.roles[i]
        if spaces and t.sources[message].text[start:end].isspace():
            return "space", message, t.roles[i]
        return None

    def settle() -> None:
        if run:
            what, message, role = kind(run[0]) or ("", -1, "")
            part = _run(t, run, what, message, role)
            out.update(dict.fromkeys(run, part))
            run.clear()

    for i in m.positions:
        if run and (kind(i) != kind(run[0]) or i != run[-1] + 1 or not _touching(t, run[-1], i)):
            settle()
        if kind(i) is not None:
            run.append(i)
    settle()
    return out


def _touching(t: Tokens, before: int, after: int) -> bool:
    return t.message[before] < 0 or t.start[after] <= t.end[before]


def _run(t: Tokens, run: Sequence[int], what: str, message: int, role: str) -> Part:
    if what == "space":
        start, end = int(t.start[run[0]]), int(max(t.end[i] for i in run))
        return Part(visible(t.sources[message].text[start:end]), role, message, start, end)
    label = visible("".join(t.texts[i] for i in run))
    return Part(label, role, int(t.message[run[0]]), -1, -1, run[0])


def _by_segment(m: _Making) -> Shares:
    """Named segments, and what remains of each role. The innermost segment counts where they are nested."""
    t, out = m.tokens, []
    labels = _segment_labels(m.segments)
    for i in m.positions:
        message, start, end = int(t.message[i]), int(t.start[i]), int(t.end[i])
        rest = Part(f"other · {t.roles[i]}", t.roles[i])
        mine = [s for s in m.segments if s.message == message and s.start < end and start < s.end]
        if not mine or end <= start or t.sources[message].origin != "user":
            out.append((i, rest, 1.0))
            continue
        text = t.sources[message].text
        places = [k for k in range(start, end) if not text[k].isspace()] or list(range(start, end))
        counts: dict[Part, int] = {}
        for k in places:
            inner = min((s for s in mine if s.start <= k < s.end), key=lambda s: s.end - s.start, default=None)
            part = rest if inner is None else Part(labels[inner], t.roles[i], message, inner.start, inner.end)
            counts[part] = counts.get(part, 0) + 1
        out += [(i, part, count / len(places)) for part, count in counts.items()]
    return out


def _segment_labels(segments: Sequence[Segment]) -> dict[Segment, str]:
    """"context", or "context 1", "context 2" where a name is used more than once."""
    names = [s.name for s in segments]
    count: dict[str, int] = {}
    out = {}
    for s in segments:
        count[s.name] = count.get(s.name, 0) + 1
        out[s] = s.name if names.count(s.name) == 1 else f"{s.name} {count[s.name]}"
    return out


_PARTS: dict[str, Callable[[_Making], Shares]] = {
    "token": _by_token,
    "word": _by_word,
    "sentence": _by_sentence,
    "segment": _by_segment,
    "role": _by_role,
}
GRANULARITIES = tuple(_PARTS)
