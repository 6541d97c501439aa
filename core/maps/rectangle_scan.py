"""Finds the rectangles of an array that stand out most, in time that grows nearly with the number of cells.

What is looked for is the rectangle with the largest sum / √cells: where every cell is noise of equal spread plus, in
one rectangle, a constant, that is the most likely place of the rectangle (a scan statistic, Kulldorff 1997). Windows
of all sizes in steps of about a third are laid over the array, each size moved by about a third of itself, and summed
from one table of running sums (an integral image). The best windows are then refined exactly: with two edges held, the
two others are moved to their best place together, in turns, until nothing gets better.

Guarded by tests/core/test_maps_rectangle_scan.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

STEP = 1.35
"""Ratio of one window size to the next."""
STARTS = 6
"""Windows that are refined for each rectangle."""
REACH = 128
"""Cells on each side of an edge that it may be moved over in one turn, at most."""
TURNS = 12
"""Turns of refinement, at most; two to four are usual."""
TAKEN = -1e6
"""Sum of a cell that belongs to a rectangle already: no other one can want it."""


class Rectangle(NamedTuple):
    """A rectangle of cells, every edge inside it, and how much it stands out: sum / √cells."""

    top: int
    left: int
    bottom: int
    right: int
    score: float


class _Search:
    """The running sums of an array, and the scores of windows of all sizes over it."""

    def __init__(self, excess: np.ndarray, weight: np.ndarray, least: tuple[int, int], most: tuple[int, int]) -> None:
        self.excess, self.weight = excess, weight
        self.least, self.most = least, most
        self.sums, self.counts = _running(excess), _running(weight)
        self.windows = [
            (h, w, max(1, h // 3), max(1, w // 3)) for h in _sizes(least[0], most[0]) for w in _sizes(least[1], most[1])
        ]
        both = np.stack([self.sums, self.counts])
        self.scores = [score for h in _sizes(least[0], most[0]) for score in self._scans(both, h)]

    def _scans(self, both: np.ndarray, h: int) -> Iterator[np.ndarray]:
        """Yields float32 [position, position] for each window of ``h`` rows: its score everywhere."""
        down = max(1, h // 3)
        rows = both[:, h::down] - both[:, :-h:down]
        for w in _sizes(self.least[1], self.most[1]):
            across = max(1, w // 3)
            yield _score(*(rows[..., w::across] - rows[..., :-w:across])).astype(np.float32)

    def best(self) -> Rectangle | None:
        """Returns the rectangle that stands out most, or None where none is above what is usual."""
        tops = [(float(s.max()), i) for i, s in enumerate(self.scores) if s.size]
        found = [self._refined(*self._window(i)) for score, i in sorted(tops, reverse=True)[:STARTS] if score > 0]
        return max(found, key=lambda r: r.score, default=None)

    def _window(self, i: int) -> tuple[int, int, int, int]:
        h, w, down, across = self.windows[i]
        row, column = np.unravel_index(int(self.scores[i].argmax()), self.scores[i].shape)
        return int(row) * down, int(column) * across, int(row) * down + h, int(column) * across + w

    def _refined(self, top: int, left: int, end: int, stop: int) -> Rectangle:
        """Moves the edges of the window (``end`` and ``stop`` behind it) until none can be moved to a better place."""
        score = -np.inf
        for _ in range(TURNS):
            before = score
            sums, counts = self.sums[:, stop] - self.sums[:, left], self.counts[:, stop] - self.counts[:, left]
            top, end, _ = _best_interval(sums, counts, top, end, self.least[0], self.most[0])
            sums, counts = self.sums[end] - self.sums[top], self.counts[end] - self.counts[top]
            left, stop, score = _best_interval(sums, counts, left, stop, self.least[1], self.most[1])
            if score <= before + 1e-9:
                break
        return Rectangle(top, left, end - 1, stop - 1, score)

    def take(self, one: Rectangle) -> None:
        """Keeps the cells of ``one`` out of all further rectangles."""
        self.excess[one.top : one.bottom + 1, one.left : one.right + 1] = TAKEN
        self.sums = _running(self.excess)
        for scores, (h, w, down, across) in zip(self.scores, self.windows, strict=True):
            rows = slice(max(0, -(-(one.top - h + 1) // down)), one.bottom // down + 1)
            columns = slice(max(0, -(-(one.left - w + 1) // across)), one.right // across + 1)
            scores[rows, columns] = -np.inf


def best_rectangles(
    excess: np.ndarray,
    weight: np.ndarray,
    n: int,
    min_size: tuple[int, int] = (1, 1),
    max_size: tuple[int, int] | None = None,
) -> list[Rectangle]:
    """Returns at most ``n`` rectangles of positive sum that do not overlap, best first.

    ``excess`` float [R, C]: how far each cell is above what is usual, 0 where nothing is known; ``weight`` float
    [R, C]: how much of a cell it counts as, 1 for a usual one. Sizes are (rows, columns).
    """
    most = tuple(min(a, b) for a, b in zip(max_size or excess.shape, excess.shape, strict=True))
    if not excess.size or min_size[0] > most[0] or min_size[1] > most[1]:
        return []
    search = _Search(np.array(excess, float), np.asarray(weight, float), min_size, (most[0], most[1]))
    found: list[Rectangle] = []
    while len(found) < n and (one := search.best()) is not None and one.score > 0:
        found.append(one)
        if len(found) < n:
            search.take(one)
    return sorted(found, key=lambda r: -r.score)


def _running(a: np.ndarray) -> np.ndarray:
    out = np.zeros((a.shape[0] + 1, a.shape[1] + 1))
    np.cumsum(a, axis=0, out=out[1:, 1:])
    np.cumsum(out[1:, 1:], axis=1, out=out[1:, 1:])
    return out


def _sizes(least: int, most: int) -> list[int]:
    """Returns window sizes from ``least`` to ``most``, each about a third larger than the one before."""
    sizes = [least]
    while sizes[-1] < most:
        sizes.append(min(most, max(sizes[-1] + 1, round(sizes[-1] * STEP))))
    return sizes


def _score(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return total / np.sqrt(np.maximum(count, 1e-3))


def _best_interval(
    sums: np.ndarray, counts: np.ndarray, first: int, end: int, least: int, most: int
) -> tuple[int, int, float]:
    """Returns the interval with the largest score near [``first``, ``end``), and its score.

    ``sums``, ``counts`` [N + 1]: running sums. Of equal ones the shortest is taken.
    """
    reach = min(REACH, max(8, 2 * (end - first)))
    starts = np.arange(max(0, first - reach), min(end, first + reach))
    ends = np.arange(max(first + 1, end - reach), min(len(sums) - 1, end + reach) + 1)
    size = ends[None] - starts[:, None]
    allowed = (size >= least) & (size <= most)
    score = np.where(
        allowed, _score(sums[ends][None] - sums[starts][:, None], counts[ends][None] - counts[starts][:, None]), -np.inf
    )
    best = score.max()
    near = np.argwhere(score >= best - 1e-9 * abs(best))
    row, column = near[size[near[:, 0], near[:, 1]].argmin()]
    return int(starts[row]), int(ends[column]), float(best)
