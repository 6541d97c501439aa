"""Groups tokens into the units that a reader sees: words, sentences, paragraphs, segments, roles, or tokens.

Attention belongs to tokens; people read words. A token over two words is split between them by its characters that are
not spaces, so that aggregation only sums and nothing is lost: the weights of a token always add to one. Markup between
texts is one unit; a token of nothing but spaces is a unit of its own, labelled with visible glyphs. Words never extend
across messages. Where spans are not proven, only tokens and roles are offered. To add a granularity: one function that
makes a ``UnitPart`` for each token and one line in ``_PARTS``. Guarded by tests/core/test_text_units.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import MethodError
from ..records import ROLES, Segment, Span, Tokens, Units
from .display_text import visible_text
from .word_boundaries import paragraph_spans, sentence_spans, word_spans

EMPTY_LABEL = "∅"
"""Label of a token that stands for no text at all."""


@dataclass(frozen=True)
class UnitPart:
    """Key of a unit while units are collected; equal parts are one unit."""

    role: str
    message: int = -1
    start: int = -1
    end: int = -1
    nth: int = -1
    """Distinguishes units without a span (each run of markup)."""
    label: str = ""
    """Empty: the text of the span."""


class _Making:
    """The tokens at hand as plain lists, which a loop reads many times faster than arrays."""

    def __init__(self, tokens: Tokens, positions: range, segments: tuple[Segment, ...]) -> None:
        self.tokens, self.positions, self.segments = tokens, positions, segments
        self.texts = [s.text for s in tokens.sources]
        self.message, self.start, self.end = tokens.message.tolist(), tokens.start.tolist(), tokens.end.tolist()


class _Cut:
    """A source text divided into spans, with counts for sharing a token between them."""

    def __init__(self, text: str, spans: list[Span]) -> None:
        self.spans, self.starts = spans, [a for a, _ in spans]
        self.trimmed = [_trimmed(text, a, b) for a, b in spans]
        solid = np.array([not c.isspace() for c in text], np.int64)
        self.solid = [0, *np.cumsum(solid).tolist()]
        """``solid[b] - solid[a]``: characters of text[a:b] that are not spaces."""


def units(tokens: Tokens, granularity: str, positions: range, segments: tuple[Segment, ...] = ()) -> Units:
    """Returns the units over the tokens at ``positions``, in reading order; ``token`` holds those positions.

    ``granularity``: token, word, sentence, paragraph, segment, role or turn (a message). Raises MethodError for another
    one, or for one other than token and role where spans are not proven.
    """
    if granularity not in GRANULARITIES:
        raise MethodError(f"Granularity must be one of {', '.join(GRANULARITIES)}, not {granularity!r}.")
    if not tokens.proven and granularity not in ("token", "role"):
        raise MethodError(
            f"{granularity.capitalize()}s cannot be shown for this run, since where its tokens stand in the text is "
            "not proven: choose token or role."
        )
    return _units(tokens, granularity, positions, tuple(segments))


@lru_cache(maxsize=32)
def _units(tokens: Tokens, granularity: str, positions: range, segments: tuple[Segment, ...]) -> Units:
    """Kept by the identity of ``tokens``: every view of a run asks for the same few units."""
    making = _Making(tokens, positions, segments)
    return _collect(granularity, making, _PARTS[granularity](making))


Shares = list[tuple[int, UnitPart, float]]
"""(position, unit, weight) of every token."""


def _collect(granularity: str, m: _Making, shares: Shares) -> Units:
    order = {part: at for at, part in enumerate(_in_order(granularity, shares))}
    parts = list(order)
    return Units(
        granularity=granularity,
        labels=tuple(p.label or visible_text(m.texts[p.message][p.start : p.end]) for p in parts),
        message=np.array([p.message for p in parts], np.int32),
        start=np.array([p.start for p in parts], np.int32),
        end=np.array([p.end for p in parts], np.int32),
        roles=tuple(p.role for p in parts),
        token=np.array([t for t, _, _ in shares], np.int32),
        unit=np.array([order[p] for _, p, _ in shares], np.int32),
        weight=np.array([w for _, _, w in shares], np.float32),
    )


def _in_order(granularity: str, shares: Shares) -> list[UnitPart]:
    """Returns units in order of first occurrence; roles always in the order of ROLES."""
    met = list(dict.fromkeys(part for _, part, _ in shares))
    return sorted(met, key=lambda p: ROLES.index(p.role)) if granularity == "role" else met


def _by_token(m: _Making) -> Shares:
    t = m.tokens
    labels = {text: visible_text(text) for text in set(t.texts)}
    return [
        (i, UnitPart(t.roles[i], m.message[i], m.start[i], m.end[i], i, labels[t.texts[i]] or EMPTY_LABEL), 1.0)
        for i in m.positions
    ]


def _by_role(m: _Making) -> Shares:
    parts = {role: UnitPart(role, label=role) for role in ROLES}
    return [(i, parts[m.tokens.roles[i]], 1.0) for i in m.positions]


def _by_word(m: _Making) -> Shares:
    return _by_text(m, word_spans)


def _by_sentence(m: _Making) -> Shares:
    return _by_text(m, sentence_spans)


def _by_paragraph(m: _Making) -> Shares:
    return _by_text(m, paragraph_spans)


def _by_text(m: _Making, cut: Callable[[str], list[Span]]) -> Shares:
    """Shares tokens between the spans that ``cut`` makes of each source; markup and lone spaces are units too."""
    out: Shares = []
    cuts: dict[int, _Cut] = {}
    parts: dict[tuple[int, int], UnitPart] = {}
    loose = _loose(m, cut is word_spans)
    for i in m.positions:
        if i in loose:
            out.append((i, loose[i], 1.0))
            continue
        message = m.message[i]
        if message not in cuts:
            cuts[message] = _Cut(m.texts[message], cut(m.texts[message]))
        for k, weight in _split(cuts[message], m.start[i], m.end[i]):
            part = parts.get((message, k))
            if part is None:
                part = parts[message, k] = UnitPart(m.tokens.roles[i], message, *cuts[message].trimmed[k])
            out.append((i, part, weight))
    return out


def _split(cut: _Cut, start: int, end: int) -> list[tuple[int, float]]:
    """Returns the spans that characters start:end lie in, each with its share of the characters that are not spaces."""
    solid = cut.solid
    k = max(0, bisect_right(cut.starts, start) - 1)
    first = k if cut.spans[k][1] > start or k + 1 == len(cut.spans) else k + 1
    total = solid[end] - solid[start]
    if total == 0:
        return [(first, 1.0)]
    out = []
    while k < len(cut.spans) and cut.spans[k][0] < end:
        a, b = cut.spans[k]
        count = solid[min(b, end)] - solid[max(a, start)] if b > start else 0
        if count:
            out.append((k, count / total))
        k += 1
    return out


def _trimmed(text: str, a: int, b: int) -> Span:
    part = text[a:b]
    if part.isspace():
        return a, b
    return a + len(part) - len(part.lstrip()), b - len(part) + len(part.rstrip())


def _loose(m: _Making, spaces: bool) -> dict[int, UnitPart]:
    """Returns the units of tokens outside words: runs of markup, of spaces (``spaces``), tokens without characters."""
    out: dict[int, UnitPart] = {}
    run: list[int] = []
    kind = None
    for i in [*m.positions, None]:
        now = None if i is None else _kind(m, i, spaces)
        goes_on = run and now == kind and i == run[-1] + 1 and (now != "space" or _touching(m, run[-1], i))
        if run and not goes_on:
            out.update(dict.fromkeys(run, _run(m, run, kind)))
            run = []
        if i is not None and now is not None:
            run.append(i)
            kind = now
    return out


def _kind(m: _Making, i: int, spaces: bool) -> str | None:
    """Returns the kind of a token outside words, or None where it lies in a text."""
    if m.message[i] < 0:
        return f"markup {m.tokens.roles[i]}"
    if m.end[i] <= m.start[i]:
        return f"empty {i}"
    return "space" if spaces and m.texts[m.message[i]][m.start[i] : m.end[i]].isspace() else None


def _touching(m: _Making, before: int, after: int) -> bool:
    return m.message[before] == m.message[after] and m.start[after] <= m.end[before]


def _run(m: _Making, run: Sequence[int], kind: str | None) -> UnitPart:
    first, t = run[0], m.tokens
    if kind == "space":
        return UnitPart(t.roles[first], m.message[first], m.start[first], max(m.end[i] for i in run))
    label = visible_text("".join(t.texts[i] for i in run)) or EMPTY_LABEL
    return UnitPart(t.roles[first], m.message[first], -1, -1, first, label)


def _by_segment(m: _Making) -> Shares:
    """Shares tokens between named segments and the rest of each role; of nested segments the innermost counts."""
    out: Shares = []
    rest = {role: UnitPart(role, label=f"other · {role}") for role in ROLES}
    parts = _segment_parts(m)
    for i in m.positions:
        mine = [s for s in parts if s.message == m.message[i] and s.start < m.end[i] and m.start[i] < s.end]
        text = range(m.start[i], m.end[i]) if mine else range(0)
        places = [k for k in text if not m.texts[m.message[i]][k].isspace()] or text
        counts: dict[UnitPart, int] = {}
        for k in places:
            inner = min((s for s in mine if s.start <= k < s.end), key=lambda s: s.end - s.start, default=None)
            part = rest[m.tokens.roles[i]] if inner is None else parts[inner]
            counts[part] = counts.get(part, 0) + 1
        out += [(i, part, count / len(places)) for part, count in counts.items()]
        if not counts:
            out.append((i, rest[m.tokens.roles[i]], 1.0))
    return out


def _segment_parts(m: _Making) -> dict[Segment, UnitPart]:
    labels = _segment_labels(m.segments)
    users = [k for k, source in enumerate(m.tokens.sources) if source.origin == "user"]
    return {
        s: UnitPart(m.tokens.sources[s.message].role, s.message, s.start, s.end, label=labels[s])
        for s in m.segments
        if s.message in users
    }


def _segment_labels(segments: Sequence[Segment]) -> dict[Segment, str]:
    """Labels segments "context", or "context 1", "context 2" where two would read the same; their own label first."""
    shown = [s.label or s.name for s in segments]
    count: dict[str, int] = {}
    out = {}
    for s, text in zip(segments, shown, strict=True):
        count[text] = count.get(text, 0) + 1
        out[s] = text if shown.count(text) == 1 else f"{text} {count[text]}"
    return out


def _by_turn(m: _Making) -> Shares:
    """One unit a message of the conversation, named by its role ("user 2"); all markup is one unit."""
    sources = m.tokens.sources
    names = ["answer" if s.origin == "model" else s.role for s in sources]
    labels = [f"{n} {names[: k + 1].count(n)}" if names.count(n) > 1 else n for k, n in enumerate(names)]
    spans = [(0, len(s.text)) if s.text else (-1, -1) for s in sources]
    turns = [UnitPart(s.role, k, *spans[k], label=labels[k]) for k, s in enumerate(sources)]
    markup = {role: UnitPart(role, label="markup") for role in ROLES}
    return [(i, markup[m.tokens.roles[i]] if m.message[i] < 0 else turns[m.message[i]], 1.0) for i in m.positions]


_PARTS: dict[str, Callable[[_Making], Shares]] = {
    "token": _by_token,
    "word": _by_word,
    "sentence": _by_sentence,
    "paragraph": _by_paragraph,
    "segment": _by_segment,
    "role": _by_role,
    "turn": _by_turn,
}
GRANULARITIES = tuple(_PARTS)
