"""Places the rows or columns of a map along one side: all alike, or a few grown and the rest shrunk (a table lens).

A table lens (Rao and Card 1994) keeps a whole table in view and gives the room to the lines that matter. Guarded by
tests/core/test_charts_diagrams_lens_layout.py.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

GROWN_SHARE = 0.7
"""Grown lines take at most this share of a side, so that the rest stays visible."""


def line_edges(n: int, pixels: float, grown: Collection[int] = (), grow: float = 3.0, room: float = 0) -> np.ndarray:
    """Returns float [n + 1]: the edges of ``n`` rows or columns over ``pixels``.

    The ``grown`` ones are ``grow`` times as large as all would be if alike, at least ``room`` pixels, and together at
    most ``GROWN_SHARE`` of the side; the others share what remains.
    """
    if not n:
        return np.array([0.0])
    sizes = np.full(n, pixels / n)
    if 0 < len(grown) < n:
        size = min(max(grow * pixels / n, room), GROWN_SHARE * pixels / len(grown))
        size = max(size, pixels / n)
        sizes[:] = (pixels - len(grown) * size) / (n - len(grown))
        sizes[list(grown)] = size
    return np.concatenate([[0.0], np.cumsum(sizes)])


def shown_labels(edges: np.ndarray, need: float, first: Collection[int] = ()) -> list[int]:
    """Returns the lines whose labels are shown: those of ``first``, and as many others as have ``need`` pixels each.

    Where not all fit, the others come in even steps.
    """
    centres = (edges[1:] + edges[:-1]) / 2
    shown: list[int] = []
    for i in sorted(first):
        if all(abs(centres[i] - centres[j]) >= 0.9 * need for j in shown):
            shown.append(i)
    taken = sorted(centres[shown])
    others = [i for i in range(len(centres)) if i not in set(first)]
    rest = edges[-1] - sum(edges[i + 1] - edges[i] for i in first)
    step = max(1, int(np.ceil(need * len(others) / max(rest, 1.0) - 1e-9)))
    for i in others[::step]:
        at = int(np.searchsorted(taken, centres[i]))
        if all(abs(t - centres[i]) >= 0.9 * need for t in taken[max(0, at - 1) : at + 1]):
            taken.insert(at, centres[i])
            shown.append(i)
    return sorted(shown)
