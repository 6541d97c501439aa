"""Proposes small edits of a prompt that keep its meaning: whitespace, a synonym, politeness, the order of sentences.

Stability tests whether a heatmap survives edits that nobody would call another prompt, so rules are strict; where none
applies there are fewer proposals (``missing_edits_sentence`` reports it) and never a made-up one. What stands in
quotes, code, numbers, addresses, ``[[marks]]`` and braces is left as it is. Words are edited only in English. A
sentence moves only if it is a question or an instruction, passes none of its own sort, and nothing nearby points back
("it", "then"). Why not a model that rewrites: it would be another source of change, and a slow one. To add a kind: a
function from ``_Text`` to texts and a line in ``_KINDS``. Guarded by tests/core/test_comparing_perturbations.py.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations, zip_longest
from random import Random

import regex

from ..errors import PromptError
from ..text.word_boundaries import sentence_spans
from .synonyms import SYNONYMS

_KEPT = regex.compile(
    r"""
    (?s:```.*?(?:```|\Z)) | `[^`\n]+`
    | "[^"]*" | “[^”]*” | «[^»]*» | „[^“”]*[“”] | ‘[^’]*’ | 「[^」]*」 | (?<![\p{L}\p{N}])'[^'\n]+'(?![\p{L}\p{N}])
    | (?<!\S)(?=\S*?(?:://|[@/\\_<>=|]))\S+
    | (?<![\p{L}\p{S}])[\p{L}\p{S}]*+\p{N}(?:[\p{L}\p{N}.,:%°$€£/\-–]|[ \u00a0](?=\p{N}))*
    """,
    regex.X,
)
_GAP = regex.compile(r"(?<=\S)(?: |\n|\n\n|(?<=[。！？])(?=[^\s\p{P}]))(?=\S)")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ENGLISH = _set(
    "the what which who how why where when is are of to and you your write answer give explain list do does not this "
    "that with for from please about one word tell name describe"
)
_SHARED = _set("a an in on was as no so am me")
"""English words that other languages have as well."""
_ORDERS = _set(
    "answer reply respond write explain give list use be keep describe name tell translate summarize summarise choose "
    "select pick return output include avoid complete continue classify compare discuss find identify suggest state "
    "provide rewrite think consider imagine"
)
_ASKS = _set(
    "what which who whom whose how why where when is are was were do does did can could would should will has have"
)
_POINTS_BACK = regex.compile(
    r"\b(?:it|its|he|she|him|her|his|they|them|their|this|that|these|those|then|next|also|however|therefore|so|but|"
    r"and then|first|second|third|finally|above|below|following|previous|former|latter|here|there|such|the one|"
    r"ones|both|instead|otherwise|after|before|again|same|other|another)\b",
    regex.I,
)
_ENDS = tuple(".!?。！？")
GAPS = 200
"""Most places at which whitespace is changed; in longer texts they are spread over it."""


@dataclass(frozen=True)
class Edit:
    """One proposed prompt."""

    kind: str
    """One of EDIT_KINDS: whitespace, synonym, politeness, order."""
    text: str


def propose_edits(text: str, n: int, seed: int = 0) -> tuple[Edit, ...]:
    """Returns at most ``n`` edits of ``text``, all different from it and from each other, kinds taken in turn.

    The same text, n and seed give the same edits; another seed picks others. Fewer are returned where no more can be
    made (see ``missing_edits_sentence``). Raises PromptError for an n below 0.
    """
    if n < 0:
        raise PromptError(f"The number of edits must be 0 or more, not {n}.")
    source, random = _Text(text), Random(f"{seed} {text}".encode("utf-8", "surrogatepass"))
    found: list[list[Edit]] = []
    for kind, make in _KINDS.items():
        few, more = [list(dict.fromkeys(texts)) for texts in make(source)]
        random.shuffle(few)
        random.shuffle(more)
        found.append([Edit(kind, t) for t in dict.fromkeys([*few, *more]) if t != text and t.strip()])
    seen: dict[str, Edit] = {}
    for edit in chain.from_iterable(zip_longest(*found)):
        if edit is not None:
            seen.setdefault(edit.text, edit)
    return tuple(seen.values())[:n]


def missing_edits_sentence(edits: tuple[Edit, ...], n: int) -> str:
    """Returns a sentence where fewer than ``n`` edits were found or a kind has none; else an empty string."""
    none = [kind for kind in _KINDS if not any(e.kind == kind for e in edits)]
    kinds = ", ".join(none[:-1]) + " or " + none[-1] if len(none) > 1 else "".join(none)
    if len(edits) < n:
        found = f"Only {len(edits)} of {n} edits were found" if edits else "No edit was found"
        return f"{found}: the rules keep a prompt's meaning, so write your own into the table."
    if none and n >= len(_KINDS):
        return f"Nothing of the kind {kinds} could be changed here with the meaning kept: add your own to the table."
    return ""


def describe_edit(old: str, new: str) -> str:
    """Returns what differs, for a table: ``color → colour``; whole words, spaces and breaks as visible glyphs."""
    if old == new:
        return "nothing"
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    while start and not old[start - 1].isspace():
        start -= 1
    while end and not old[-end].isspace():
        end -= 1
    before, after = (_seen(text[start : len(text) - end]) for text in (old, new))
    return f"{before or '∅'} → {after or '∅'}"


def _seen(text: str) -> str:
    """Returns ``text`` with line breaks, edge spaces and repeated spaces as glyphs, cut to about 60 characters."""
    text = text.replace("\n", "↵")
    text = regex.sub(r" {2,}|^ +| +$", lambda m: "␣" * len(m[0]), text)
    return text if len(text) <= 60 else text[:28] + " … " + text[-28:]


def protected_spans(text: str) -> list[tuple[int, int]]:
    """Returns the spans that no edit touches: quotes, code, numbers, addresses, ``[[marks]]``, text in braces."""
    spans = [m.span() for m in _KEPT.finditer(text)]
    for opening, closing in (("[[", "]]"), ("{", "}")):
        waiting: list[int] = []
        for m in regex.finditer(f"{regex.escape(opening)}|{regex.escape(closing)}", text):
            if m[0] == opening:
                waiting.append(m.start())
            elif waiting:
                spans.append((waiting.pop(), m.end()))
    return _merged(spans)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for a, b in sorted(spans):
        if out and a < out[-1][1]:
            out[-1] = (out[-1][0], max(b, out[-1][1]))
        else:
            out.append((a, b))
    return out


class _Text:
    """A prompt with the properties that the rules need."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.kept = protected_spans(text)

    def free(self, start: int, end: int) -> bool:
        """Returns whether start:end touches no protected span."""
        at = bisect_left(self.kept, (end, -1)) - 1
        return at < 0 or self.kept[at][1] <= start

    def without(self, start: int, end: int, new: str) -> str:
        return self.text[:start] + new + self.text[end:]

    @cached_property
    def english(self) -> bool:
        """Whether the text has a word that only English has, and a sixth of all its words is known as English."""
        words = regex.findall(r"\p{L}+", self.text.lower())
        own = sum(w in _ENGLISH for w in words)
        return own > 0 and 6 * (own + sum(w in _SHARED for w in words)) >= len(words)

    @cached_property
    def sentences(self) -> list[tuple[int, int]]:
        """Spans of the sentences, without surrounding whitespace."""
        spans = []
        for a, b in sentence_spans(self.text):
            body = self.text[a:b]
            if body.strip():
                spans.append((a + len(body) - len(body.lstrip()), a + len(body.rstrip())))
        return spans

    def sort(self, span: tuple[int, int]) -> str:
        """Returns question, instruction or statement."""
        body = self.text[slice(*span)]
        if body.endswith(("?", "？")):
            return "question"
        first = regex.match(r"(?:please\s+|do not\s+|don't\s+|never\s+|always\s+)?(\p{L}+)", body, regex.I)
        return "instruction" if first and first[1].lower() in _ORDERS else "statement"


Texts = tuple[Iterator[str], Iterator[str]]
"""New texts: those to take first, and those that combine two of them."""


def _whitespace(source: _Text) -> Texts:
    """Doubles a space, breaks a line after a sentence, opens or closes a paragraph; then changes two spaces at once."""
    gaps = [m.span() for m in _GAP.finditer(source.text) if source.free(*m.span())]
    spaces = [(a, b) for a, b in gaps if source.text[a:b] == " "]

    def one() -> Iterator[str]:
        for a, b in gaps[:: 1 + len(gaps) // GAPS]:
            gap = source.text[a:b]
            yield source.without(a, b, {" ": "  ", "\n": "\n\n", "\n\n": "\n", "": "\n"}[gap])
            if gap == " " and source.text[a - 1] in (*_ENDS, ":"):
                yield source.without(a, b, "\n")

    def two() -> Iterator[str]:
        for (a, _), (b, _) in combinations(spaces[:: 1 + len(spaces) // 20], 2):
            yield source.text[:a] + " " + source.text[a:b] + " " + source.text[b:]

    return one(), two()


_PHRASE = regex.compile(
    r"(?<![\p{L}\p{N}'’\-])(?:" + "|".join(sorted(SYNONYMS, key=len, reverse=True)) + r")(?![\p{L}\p{N}'’\-])", regex.I
)


def _synonym(source: _Text) -> Texts:
    """Replaces one word or phrase by a synonym, keeping case; names (a capital inside a sentence) stay."""

    def one() -> Iterator[str]:
        starts = {a for a, _ in source.sentences}
        for m in _PHRASE.finditer(source.text, overlapped=True) if source.english else ():
            old, new = m[0], SYNONYMS[m[0].lower()]
            opening = m.start() in starts or source.text[: m.start()].rstrip().endswith(":")
            if not source.free(*m.span()) or not (
                old.islower() or (old[0].isupper() and old[1:].islower() and opening)
            ):
                continue
            if _article_changes(source.text[: m.start()], old, new):
                continue
            yield source.without(m.start(), m.end(), new[0].upper() + new[1:] if old[0].isupper() else new)

    return one(), iter(())


def _article_changes(before: str, old: str, new: str) -> bool:
    """Returns whether "a" would have to become "an", or the reverse."""
    vowels = [word[0].lower() in "aeiou" for word in (old, new)]
    return bool(regex.search(r"\ban?\s+$", before, regex.I)) and vowels[0] != vowels[1]


def _politeness(source: _Text) -> Texts:
    """Adds a please, a greeting or a thank-you, or removes a please; only where the prompt is a request."""

    def one() -> Iterator[str]:
        text = source.text
        first = source.sentences[0] if source.sentences else (0, 0)
        word = regex.match(r"\p{L}+", text[slice(*first)])
        if not source.english or word is None or not source.free(first[0], first[0] + word.end()):
            return
        orders, asks = word[0].lower() in _ORDERS | {"please"}, word[0].lower() in _ASKS
        if orders or asks:
            head, rest = text[: first[0]], text[first[0] :]
            lowered = rest[0].lower() + rest[1:]
            for greeting in ("Hello. ", "Hello, ", "Hi! "):
                yield head + greeting + (lowered if greeting.endswith(", ") else rest)
            if word[0].lower() != "please":
                yield head + ("Please " + lowered if orders else "Please tell me: " + rest)
                yield head + ("Could you please help me with this? " + rest)
            if text.rstrip().endswith(_ENDS) and source.free(len(text.rstrip()) - 1, len(text.rstrip())):
                for thanks in ("Thank you.", "Thanks!", "Thank you in advance."):
                    yield text.rstrip() + " " + thanks + text[len(text.rstrip()) :]
        for m in regex.finditer(r"(?<=[^\s,] )please |(?<=^|[.!?:]\s)please (?=\p{L})", text, regex.I):
            if source.free(m.start(), m.end() + 1):
                after = text[m.end() :]
                yield text[: m.start()] + (after[0].upper() + after[1:] if m[0][0] == "P" else after)

    return one(), iter(())


def _order(source: _Text) -> Texts:
    """Moves one question or instruction before or behind sentences of another sort."""

    def one() -> Iterator[str]:
        spans = source.sentences
        bodies = [source.text[a:b] for a, b in spans]
        inside = any(a < cut < b for _, cut in spans[:-1] for a, b in source.kept)
        if len(spans) < 2 or inside or not source.english or "```" in source.text:
            return
        if not all(body.endswith(_ENDS) and not regex.match(r"\p{L}+:|[-*•#>\p{N}]", body) for body in bodies):
            return
        sorts = [source.sort(span) for span in spans]
        points_back = [_POINTS_BACK.search(body) is not None for body in bodies]
        for i, j in ((i, j) for i in range(len(spans)) for j in range(len(spans)) if i != j):
            passed = range(i + 1, j + 1) if i < j else range(j, i)
            if sorts[i] == "statement" or any(sorts[k] == sorts[i] for k in passed):
                continue  # first, as a long text has thousands of such pairs
            near = {i, *passed, min(max(i, j) + 1, len(spans) - 1)}
            if not any(points_back[k] for k in near):
                moved = [k for k in range(len(spans)) if k != i]
                moved.insert(j, i)
                yield _rearranged(source.text, spans, [bodies[k] for k in moved])

    return one(), iter(())


def _rearranged(text: str, spans: list[tuple[int, int]], bodies: list[str]) -> str:
    """Puts sentences into another order; what stands between them stays where it is."""
    out, at = [], 0
    for (a, b), body in zip(spans, bodies, strict=True):
        out += [text[at:a], body]
        at = b
    return "".join(out) + text[at:]


_KINDS: dict[str, Callable[[_Text], Texts]] = {
    "synonym": _synonym,
    "politeness": _politeness,
    "order": _order,
    "whitespace": _whitespace,
}
EDIT_KINDS = tuple(_KINDS)
