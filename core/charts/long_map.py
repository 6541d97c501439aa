"""Takes parts out of a run's map that is too large to be drawn as cells, each as finely as it fits.

A part is a rectangle of tokens, answer by input, so that it means the same by words and by paragraphs. What a brush, a
search or a click asks for becomes a part; a part that holds too many cells is shown by sentences or paragraphs, the
finer axis first. Numbers are those of ``explain`` at that granularity, never those of the picture. Guarded by
tests/core/test_charts_long_map.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import regex

from ..importance.reading_summary import answer_mean
from ..records import Importance, Trace
from ..text.units import units
from .crop import crop_importance
from .drawable import COARSER, FEWEST_ROWS, answer_units, own_or_earlier
from .matrix_layout import MatrixLayout
from .raster_heatmap import PicturePart
from .text_labels import token_range
from .token_heatmap import MOST_CELLS

Axis = Literal["rows", "columns"]
LEVELS = ("token", *COARSER.values())
"""Granularities from fine to coarse through which one drills down."""
ROOM = {"columns": 60, "rows": 24}
"""Units of a passage that is shown when nobody chose a part."""
MOST_FOUND = 2000
"""Places of a word that are looked for; a letter has more."""


@dataclass(frozen=True)
class MapPart:
    """A rectangle of a run's map, in positions of tokens; the last one is excluded."""

    rows: tuple[int, int]
    columns: tuple[int, int]


@dataclass(frozen=True)
class DrawnPart:
    """A part as it is drawn: its numbers, and how many of the first rows and columns are pinned."""

    importance: Importance
    pinned: tuple[int, int] = (0, 0)

    def tokens(self, axis: Axis, at: int) -> tuple[int, int]:
        """Returns the positions of the tokens of a row or column, the last excluded."""
        found = getattr(self.importance, axis).tokens_of(at)
        return int(found.min()), int(found.max()) + 1


class LongMap:
    """A run's importance by any granularity of answer and input, of which parts are asked for.

    ``importance(columns, rows)`` computes it by two granularities and is asked once for each pair. ``columns`` and
    ``rows`` are the finest that are shown. ``only_own`` keeps the user's words of the input, ``earlier`` says that
    earlier output is there.
    """

    def __init__(
        self,
        trace: Trace,
        importance: Callable[[str, str], Importance],
        columns: str = "word",
        rows: str = "word",
        only_own: bool = True,
        earlier: bool = False,
    ) -> None:
        self.trace, self.only_own, self.earlier = trace, only_own, earlier
        self._compute = importance
        self._made: dict[tuple[str, str], Importance] = {}
        self._axes: dict[tuple[Axis, str], tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self.finest = {"columns": columns, "rows": rows}
        self.base = self.by(columns, rows)
        self.layout = MatrixLayout(self.base, 880, earlier, trace.prompt_length, height=1)
        self.whole = MapPart(*(self._extent(axis) for axis in ("rows", "columns")))

    def by(self, columns: str, rows: str) -> Importance:
        """Returns the whole map by these granularities: the answer's rows, and the input that is shown."""
        key = columns, rows
        if key not in self._made:
            found = self._compute(columns, rows)
            self._made[key] = crop_importance(found, self._axis("rows", rows)[0], self._axis("columns", columns)[0])
        return self._made[key]

    def levels(self, axis: Axis) -> tuple[str, ...]:
        """Returns the granularities of this axis from fine to coarse."""
        finest = self.finest[axis]
        if not self.trace.tokens.proven or finest not in LEVELS:
            return (finest,)
        return LEVELS[LEVELS.index(finest) :]

    def finer(self, axis: Axis, level: str) -> str:
        """Returns the next finer granularity of this axis; the same where there is none."""
        levels = self.levels(axis)
        return levels[max(levels.index(level) - 1, 0)]

    def fitting_levels(
        self, part: MapPart, columns: str = "", rows: str = "", cells: int = MOST_CELLS
    ) -> tuple[str, str]:
        """Returns the finest granularities (columns, rows), from these on, by which ``part`` has at most ``cells``.

        The axis with more units is made coarser first, and none below ``FEWEST_ROWS`` units: where that is not enough,
        the part stays larger than that.
        """
        now: dict[Axis, str] = {"columns": columns or self.finest["columns"], "rows": rows or self.finest["rows"]}
        while True:
            counts = {axis: len(self.units_in(axis, level, part)) for axis, level in now.items()}
            if counts["columns"] * counts["rows"] <= cells:
                break
            able = [axis for axis in now if self._coarser(axis, now[axis], part) is not None]
            if not able:
                break
            widest = max(able, key=counts.__getitem__)
            now[widest] = self._coarser(widest, now[widest], part) or now[widest]
        return now["columns"], now["rows"]

    def _coarser(self, axis: Axis, level: str, part: MapPart) -> str | None:
        """Returns the next coarser granularity by which the part still has units enough."""
        levels = self.levels(axis)
        for coarser in levels[levels.index(level) + 1 :]:
            if len(self.units_in(axis, coarser, part)) >= FEWEST_ROWS:
                return coarser
        return None

    def draw(
        self,
        part: MapPart,
        columns: str,
        rows: str,
        pinned_columns: Sequence[int] = (),
        pinned_rows: Sequence[int] = (),
        best: int = 0,
    ) -> DrawnPart:
        """Returns the part's numbers by these granularities.

        ``pinned_columns`` and ``pinned_rows`` are positions of tokens whose units stand first, wherever they are.
        ``best``: of the columns only so many, those with the largest mean over the part's rows.
        """
        found = self.by(columns, rows)
        row, column = self.units_in("rows", rows, part), self.units_in("columns", columns, part)
        if best and len(column) > best:
            mean = answer_mean(found, row)[0][column]
            column = np.sort(column[np.argsort(-mean, kind="stable")[:best]])
        pins = (self._holding("rows", rows, pinned_rows), self._holding("columns", columns, pinned_columns))
        order = [np.concatenate([p, np.setdiff1d(u, p)]).astype(int) for p, u in zip(pins, (row, column), strict=True)]
        return DrawnPart(crop_importance(found, *order), (len(pins[0]), len(pins[1])))

    def units_in(self, axis: Axis, level: str, part: MapPart) -> np.ndarray:
        """Returns int [U]: rows or columns of ``by`` at this granularity that have a token in the part."""
        _, first, last = self._axis(axis, level)
        a, b = getattr(part, axis)
        return np.flatnonzero((last >= a) & (first < b))

    def most_read(self, within: MapPart | None = None) -> MapPart:
        """Returns the passage that was read most: the run of input units, then the rows that read it most.

        ``within``: only rows that read most of what lies in these columns are looked for.
        """
        found, part = self.base, within or self.whole
        columns = self.units_in("columns", self.finest["columns"], part)
        if within is None:
            every = np.arange(len(found.rows))
            columns = columns[_strongest(answer_mean(found, every)[0][columns], ROOM["columns"])]
        rows = _strongest(found.values[:, columns].sum(1), ROOM["rows"])
        return MapPart(self._span("rows", rows), self._span("columns", columns))

    def around(self, columns: tuple[int, int]) -> MapPart:
        """Returns a passage with these input tokens in its middle, and the rows that read them most."""
        own = self.units_in("columns", self.finest["columns"], replace(self.whole, columns=columns))
        count, room = len(self.base.columns), ROOM["columns"]
        first = min(max(int(own.mean() if len(own) else 0) - room // 2, 0), max(count - room, 0))
        window = self._span("columns", np.arange(first, min(first + room, count)))
        rows = self.most_read(replace(self.whole, columns=columns)).rows
        return MapPart(rows, window)

    def brushed(self, x: Sequence[float], y: Sequence[float]) -> MapPart | None:
        """Returns the part under a brush in drawn columns ``x`` and rows ``y``; None where it covers no unit."""
        layout, (x0, x1), (y0, y1) = self.layout, sorted(x), sorted(y)
        columns = np.flatnonzero((layout.place >= 0) & (layout.place + 1 > x0) & (layout.place < x1))
        rows = np.flatnonzero((layout.row_place + 1 > y0) & (layout.row_place < y1))
        if not len(columns) or not len(rows):
            return None
        return MapPart(self._span("rows", rows), self._span("columns", columns))

    def picture_part(self, part: MapPart, found: Sequence[tuple[int, int]] = ()) -> PicturePart:
        """Returns where the part, and the columns of these token spans, lie in the picture of the whole map."""
        columns = self.layout.place[self.units_in("columns", self.finest["columns"], part)]
        rows = self.layout.row_place[self.units_in("rows", self.finest["rows"], part)]
        x = (int(columns.min()), int(columns.max()) + 1) if len(columns) else (0, 0)
        y = (int(rows.min()), int(rows.max()) + 1) if len(rows) else (0, 0)
        hits = self.columns_of(found, self.finest["columns"])
        return PicturePart(x, y, tuple(int(c) for c in self.layout.place[hits]))

    def columns_of(self, spans: Sequence[tuple[int, int]], level: str) -> np.ndarray:
        """Returns int [C]: the columns of ``by`` at this granularity that have a token in any of the spans."""
        return self._holding("columns", level, [t for a, b in spans for t in range(a, b)])

    def find(self, words: str) -> list[tuple[int, int]]:
        """Returns the token spans of every place of ``words`` in the input that is shown, whatever their case."""
        tokens, words = self.trace.tokens, words.strip()
        if not words or not tokens.proven:
            return []
        shown = np.zeros(len(tokens), bool)
        shown[: self.trace.prompt_length] = tokens.own[: self.trace.prompt_length] | (not self.only_own)
        pattern = regex.compile(r"\s+".join(regex.escape(w) for w in words.split()), regex.IGNORECASE)
        spans = []
        for message, source in enumerate(tokens.sources):
            mine = np.flatnonzero(shown & (tokens.message == message))
            start, end = tokens.start[mine], tokens.end[mine]
            for match in pattern.finditer(source.text) if len(mine) else ():
                hit = mine[(start < match.end()) & (end > match.start())]
                if len(hit):
                    spans.append((int(hit[0]), int(hit[-1]) + 1))
        return sorted(set(spans))[:MOST_FOUND]

    def _axis(self, axis: Axis, level: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns (units that are shown, first token [U], last token [U]) of an axis at this granularity."""
        key = axis, level
        if key not in self._axes:
            tokens, p = self.trace.tokens, self.trace.prompt_length
            if axis == "rows":
                cut = units(tokens, level, range(p, len(tokens)))
                kept = answer_units(tokens, cut)
            else:
                cut = units(tokens, level, range(len(tokens) - 1 if self.earlier else p), self.trace.request.segments)
                kept = own_or_earlier(self.trace, cut, self.only_own)
            first, last = token_range(cut)
            self._axes[key] = kept, first[kept], last[kept]
        return self._axes[key]

    def _holding(self, axis: Axis, level: str, tokens: Sequence[int]) -> np.ndarray:
        """Returns the units that hold any of these tokens."""
        _, first, last = self._axis(axis, level)
        at = np.asarray(sorted(tokens), int)
        return np.flatnonzero(np.searchsorted(at, last, "right") > np.searchsorted(at, first, "left"))

    def _span(self, axis: Axis, picked: np.ndarray) -> tuple[int, int]:
        """Returns the tokens from the first to the last of these units of the finest granularity."""
        _, first, last = self._axis(axis, self.finest[axis])
        return (int(first[picked].min()), int(last[picked].max()) + 1) if len(picked) else (0, 0)

    def _extent(self, axis: Axis) -> tuple[int, int]:
        return self._span(axis, np.arange(len(self._axis(axis, self.finest[axis])[0])))


def _strongest(values: np.ndarray, room: int) -> np.ndarray:
    """Returns the ``room`` neighbours whose values have the largest sum."""
    if len(values) <= room:
        return np.arange(len(values))
    total = np.concatenate([[0], np.cumsum(values, dtype=np.float64)])
    first = int(np.argmax(total[room:] - total[:-room]))
    return np.arange(first, first + room)
