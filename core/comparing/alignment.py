"""Aligns the words of several prompts: finds which word of one run corresponds to which in the others.

Texts are compared as sequences of units by a longest common subsequence (Hunt and McIlroy 1976; letters by NFC and
casefold, so that "Sky" pairs with "sky"). Two prompts are a plain diff. More are folded one after another into *slots*:
a slot is one place, with at most one unit of each run, so that a word which two runs both insert there is one unit.
Between two common words, what is left pairs one to one where both sides have equally many units.

Not difflib: it is neither optimal nor symmetric, and takes minutes on a text that repeats itself. Here one row of the
table of lengths is three numpy calls and one bit per cell is kept for backtracking: 4,000 x 4,000 words take some 0.1
s. Nothing depends on the order in which runs are given: they are sorted by their texts, and equal texts share one line.

A unit of nothing but spaces exists only where a tokenizer made a token of it. It belongs to the word that follows and
pairs with what stands before that word in another run, so that it can never pull words apart. Guarded by
tests/core/test_comparing_alignment.py (an oracle by brute force, permutations, repetitive texts).
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Sequence

import numpy as np

LARGEST = 1_000_000_000
"""Most cells of the table of lengths (one bit each is kept); beyond that difflib's faster approximation is used."""

Slot = dict[int, int]
"""{line: index of its word in this slot}"""


def align_texts(texts: Sequence[Sequence[str]], *, strip: bool = False) -> np.ndarray:
    """Returns int32 [run, slot]: the index of a run's text in each slot, -1 where it has none; every text has a slot.

    ``strip``: spaces at the edges of a text do not count (tokens). Slots are in reading order.
    """
    lines = sorted({tuple(t) for t in texts}, key=lambda line: (-len(line), [word_key(t, strip) for t in line], line))
    solid = [[i for i, t in enumerate(line) if not t or not t.isspace()] for line in lines]
    slots: list[Slot] = []
    names: list[set[str]] = []
    for number, line in enumerate(lines):
        _fold(slots, names, number, [word_key(line[i], strip) for i in solid[number]])
    places = _with_spaces(slots, solid, [len(line) for line in lines])
    table = np.full((len(lines), len(places)), -1, np.int32)
    for at, place in enumerate(places):
        for number, position in place.items():
            table[number, at] = position
    row = {line: number for number, line in enumerate(lines)}
    return table[[row[tuple(t)] for t in texts]]


def align_labels(labels: Sequence[Sequence[str]]) -> np.ndarray:
    """Returns int32 [run, slot] as ``align_texts``, pairing units by name wherever they stand (segments, roles)."""
    names = list(
        dict.fromkeys(label for line in sorted(map(tuple, labels), key=lambda s: (-len(s), s)) for label in line)
    )
    table = np.full((len(labels), len(names)), -1, np.int32)
    for run, line in enumerate(labels):
        for position, label in enumerate(line):
            table[run, names.index(label)] = position
    return table


def canonical_text(text: str) -> str:
    """Returns ``text`` in the form in which texts are compared for equality: NFC."""
    return unicodedata.normalize("NFC", text)


def word_key(text: str, strip: bool) -> str:
    """Returns the text by which words are the same: normalised, without case, with ``strip`` without outer spaces."""
    folded = canonical_text(canonical_text(text).casefold())
    return (folded.strip() or folded) if strip else folded


def _fold(slots: list[Slot], names: list[set[str]], number: int, keys: Sequence[str]) -> None:
    """Adds the words ``keys`` of line ``number`` to ``slots`` in place; ``names`` are the keys of each slot."""
    made: list[Slot] = []
    named: list[set[str]] = []
    item = slot = 0
    for i, j in [*common_subsequence(keys, names), (len(keys), len(slots))]:
        block = slots[slot:j]
        home = _partner(block, number, i - item)
        for k in range(item, i):
            if home:
                place = home[k - item]
                block[place][number] = k
                names[slot + place].add(keys[k])
        made += block
        named += names[slot:j]
        if not home:
            made += [{number: k} for k in range(item, i)]
            named += [{keys[k]} for k in range(item, i)]
        if i < len(keys):
            slots[j][number] = i
            made.append(slots[j])
            named.append(names[j])
        item, slot = i + 1, j + 1
    slots[:], names[:] = made, named


def _partner(block: Sequence[Slot], number: int, count: int) -> list[int]:
    """Returns the slots of the first line that has exactly ``count`` words in this block; empty where none has."""
    for line in range(number):
        places = [at for at, slot in enumerate(block) if line in slot]
        if len(places) == count:
            return places
    return []


def common_subsequence(items: Sequence[str], slots: Sequence[set[str]]) -> list[tuple[int, int]]:
    """Returns (item, slot) of a longest common subsequence, increasing in both; an item fits a slot with its key."""
    n, m = len(items), len(slots)
    first = last = 0
    while first < min(n, m) and items[first] in slots[first]:
        first += 1
    while last < min(n, m) - first and items[n - 1 - last] in slots[m - 1 - last]:
        last += 1
    middle = _longest(items[first : n - last], slots[first : m - last])
    inner = [(i + first, j + first) for i, j in middle]
    return [(i, i) for i in range(first)] + inner + [(n - k, m - k) for k in range(last, 0, -1)]


def _longest(items: Sequence[str], slots: Sequence[set[str]]) -> list[tuple[int, int]]:
    if not items or not slots:
        return []
    if len(items) * len(slots) > LARGEST:
        return _guess(items, slots)
    at: dict[str, list[int]] = {}
    for j, keys in enumerate(slots):
        for key in keys:
            at.setdefault(key, []).append(j)
    where = {key: np.array(places) for key, places in at.items()}
    length = np.zeros(len(slots) + 1, np.int32)
    grown = np.zeros((len(items), (len(slots) + 7) // 8), np.uint8)
    for i, key in enumerate(items):
        if key in where:
            longer = length.copy()
            longer[where[key] + 1] = length[where[key]] + 1
            np.maximum.accumulate(longer, out=longer)
            grown[i] = np.packbits(longer[1:] > length[1:])
            length = longer
    return _way_back(items, slots, grown)


def _way_back(items: Sequence[str], slots: Sequence[set[str]], grown: np.ndarray) -> list[tuple[int, int]]:
    """Backtracks from the end: a match is always taken; else up where this item made nothing longer, else left."""
    out = []
    i, j = len(items) - 1, len(slots) - 1
    while i >= 0 and j >= 0:
        if items[i] in slots[j]:
            out.append((i, j))
            i, j = i - 1, j - 1
        elif grown[i, j // 8] >> (7 - j % 8) & 1:
            j -= 1
        else:
            i -= 1
    return out[::-1]


def _guess(items: Sequence[str], slots: Sequence[set[str]]) -> list[tuple[int, int]]:
    """Approximates the subsequence by common blocks, for texts of tens of thousands of words that share little."""
    names = [min(keys) for keys in slots]
    blocks = difflib.SequenceMatcher(None, items, names).get_matching_blocks()
    return [(b.a + k, b.b + k) for b in blocks for k in range(b.size)]


def _with_spaces(slots: Sequence[Slot], solid: Sequence[Sequence[int]], lengths: Sequence[int]) -> list[Slot]:
    """Returns slots by position in each full line, with units of only spaces put before the word that follows."""
    out: list[Slot] = []
    seen = [0] * len(lengths)
    ends: Slot = dict(enumerate(lengths))
    for slot in [*({line: solid[line][k] for line, k in slot.items()} for slot in slots), ends]:
        gaps = [range(seen[line], position) for line, position in slot.items()]
        for k in range(max(map(len, gaps), default=0)):
            out.append({line: gap[k] for line, gap in zip(slot, gaps, strict=True) if k < len(gap)})
        if slot is not ends:
            out.append(slot)
        for line, position in slot.items():
            seen[line] = position + 1
    return out
