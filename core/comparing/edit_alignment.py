"""Aligns the words of a prompt with an edited copy of it, also where whole sentences changed places.

A diff alone (core.comparing.alignment) keeps the order, so of two sentences that changed places it finds one. What it
leaves over is matched again: words in a row of two or more, or a word that both prompts have only once, are the same
words elsewhere. Only then is a word that stands in another's place (a synonym) taken for it. Why not for Compare: there
a column is any prompt, and moved words are reported as taken out and put in. Guarded by
tests/core/test_comparing_run_stability.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from .alignment import align_texts, word_key

ROUNDS = 8
"""Most sentences that are followed through a shuffled text: each round finds at least one."""


def align_edit(first: Sequence[str], other: Sequence[str], *, strip: bool = False) -> np.ndarray:
    """Returns int64 [len(first)]: the index in ``other`` of each text of ``first``, or -1; no index twice."""
    a, b = ([word_key(t, strip) for t in texts] for texts in (first, other))
    place = np.full(len(a), -1, np.int64)
    standing = _pairs(first, other, range(len(a)), range(len(b)), strip)
    for i, j in standing:
        if a[i] == b[j]:
            place[i] = j
    once = {t for t, n in Counter(a).items() if n == 1} & {t for t, n in Counter(b).items() if n == 1}
    for _ in range(ROUNDS):
        left = [i for i in range(len(a)) if place[i] < 0]
        free = sorted(set(range(len(b))) - set(place.tolist()))
        if not left or not free:
            break
        moved = [(i, j) for i, j in _pairs(first, other, left, free, strip) if a[i] == b[j]]
        sure = _in_a_row(moved) | {(i, j) for i, j in moved if a[i] in once}
        if not sure:
            break
        for i, j in sure:
            place[i] = j
        _keep_together(place, a, b)
    taken = set(place.tolist())
    for i, j in standing:
        if place[i] < 0 and j not in taken:
            place[i] = j
    return place


def _pairs(
    first: Sequence[str], other: Sequence[str], left: Sequence[int], free: Sequence[int], strip: bool
) -> list[tuple[int, int]]:
    """Returns (index in first, index in other) of texts that align when only these indices are considered."""
    if not len(left) or not len(free):
        return []
    table = align_texts([[first[i] for i in left], [other[j] for j in free]], strip=strip)
    both = table[:, (table >= 0).all(0)]
    return [(left[int(i)], free[int(j)]) for i, j in both.T]


def _keep_together(place: np.ndarray, a: Sequence[str], b: Sequence[str]) -> None:
    """Moves a word with its predecessor where its text stands there: the full stop of a sentence, say."""
    for _ in range(2):
        taken = set(place.tolist())
        for i in range(1, len(a)):
            j = int(place[i - 1]) + 1
            if 0 < j < len(b) and j not in taken and a[i] == b[j]:
                taken.discard(int(place[i]))
                taken.add(j)
                place[i] = j


def _in_a_row(pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Returns the pairs whose neighbour on either side is a pair as well."""
    known = set(pairs)
    return {(i, j) for i, j in known if (i - 1, j - 1) in known or (i + 1, j + 1) in known}
