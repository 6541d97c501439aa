"""Aligns the columns that have a run into one comparison, cached between reruns by run ids and settings.

Guarded by tests/pages/test_compare.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import streamlit as st

from core.comparing import WordCells, common_granularity, side_by_side, word_cells_of
from core.errors import HeedError, MethodError
from core.importance import METHODS, keeps_heads
from core.records import Comparison, Importance, Trace
from pages.parts.compare.stored_runs import ColumnRun
from pages.parts.run_cache import importance, records_stamp

Name = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class DrawnColumn:
    """A column that has a run: its trace and the importances computed from it."""

    seen: ColumnRun
    trace: Trace
    reading: dict[str, Any]
    """Layers and heads, as ``importance`` takes them."""
    words: Importance
    """For the two texts: rows and columns in the page's granularity, sink left out, rest scaled to 1."""
    steps: Importance
    """For the comparison: one row for each generated token."""

    @property
    def name(self) -> Name:
        """Cache key of this column."""
        trace, method = self.trace, self.seen.column.method
        picked = (self.reading["layers"], self.reading["heads"])
        records = records_stamp(trace, method)
        granularity = self.steps.columns.granularity
        return (trace.id, trace.created, trace.request.segments, method, *picked, granularity, records)

    @property
    def share(self) -> bool:
        """True where its method gives shares of attention, False where it gives scores."""
        return METHODS[self.seen.column.method].gives == "share"


@dataclass(frozen=True, eq=False)
class MatchedColumns:
    """All columns that have a run, and their comparison."""

    drawn: tuple[DrawnColumn, ...]
    comparison: Comparison

    @property
    def names(self) -> list[str]:
        """Column names for figures: letter and model, with the method where columns differ in it."""
        differ = len({(d.seen.column.method, str(d.reading)) for d in self.drawn}) > 1
        return [f"{d.seen.name}{_way(d) if differ else ''}" for d in self.drawn]

    @property
    def letters(self) -> list[str]:
        """Letters (A, B, ...) of the columns."""
        return [d.seen.letter for d in self.drawn]

    @property
    def traces(self) -> list[Trace]:
        """The columns' traces."""
        return [d.trace for d in self.drawn]

    @property
    def steps(self) -> list[Importance]:
        """The columns' importances, one row for each generated token."""
        return [d.steps for d in self.drawn]

    @property
    def name(self) -> Name:
        """Cache key of this comparison."""
        return tuple(d.name for d in self.drawn)

    def agreed(self) -> Comparison:
        """The comparison with agreement measures, which only the view Agreement computes."""
        return _comparison(self.name, True, _drawn=self.drawn)

    def cells(self) -> WordCells | None:
        """Values of answer words by prompt words; None unless all columns have the same answer."""
        try:
            return _cells(self.name, _matched=self)
        except MethodError:
            return None


def _way(drawn: DrawnColumn) -> str:
    picked = drawn.reading["layers"]
    layers = f" {', '.join(map(str, picked))}" if picked else ""
    method = METHODS[drawn.seen.column.method].label.lower()
    return f" · {'layer' + layers if picked and not drawn.reading['heads'] else method + layers}"


def match_columns(seen: Sequence[ColumnRun], level: str) -> tuple[list[ColumnRun], MatchedColumns | None]:
    """Compares the columns that have a run which their method can read. ``level``: word, sentence or segment.

    Returns the columns, with the problem of those that cannot be read, and the comparison; None where none can.
    """
    traces = [s.trace for s in seen if s.trace is not None]
    level = common_granularity(traces, level)
    out, drawn = [], []
    for s in seen:
        try:
            drawn += [] if s.trace is None else [_read(s, s.trace, level)]
            out.append(s)
        except HeedError as error:
            out.append(replace(s, trace=None, problem=str(error)))
    if not drawn:
        return out, None
    return out, MatchedColumns(tuple(drawn), _comparison(tuple(d.name for d in drawn), False, _drawn=drawn))


def _read(seen: ColumnRun, trace: Trace, level: str) -> DrawnColumn:
    reading = seen.column.reading(trace.model.attention_layers, trace.model.heads if keeps_heads(trace) else 0)
    method = seen.column.method
    rows = level if level in ("word", "sentence") else "word" if trace.tokens.proven else "token"
    words = importance(trace, method, **reading, sink="drop", columns=level, rows=rows)
    steps = importance(trace, method, **reading, sink="drop", columns=level, rows="token")
    return DrawnColumn(seen, trace, reading, words, steps)


@st.cache_resource(max_entries=12, show_spinner=False)
def _comparison(name: Name, agreement: bool, _drawn: Sequence[DrawnColumn]) -> Comparison:
    return side_by_side([d.trace for d in _drawn], [d.steps for d in _drawn], agreement=agreement)


@st.cache_resource(max_entries=6, show_spinner=False)
def _cells(name: Name, _matched: MatchedColumns) -> WordCells:
    return word_cells_of(_matched.traces, _matched.steps, _matched.comparison)


def pick_pair(all_of: MatchedColumns) -> tuple[int, int] | None:
    """Indices of two columns, by a control where there are more; None with a message where there is only one."""
    pairs = list(combinations(range(len(all_of.drawn)), 2))
    if not pairs:
        st.info(
            "This view needs a second column with a run: copy the column to the right, change it and press Compare."
        )
        return None
    if len(pairs) == 1:
        return pairs[0]
    letters = all_of.letters
    names = {f"{letters[a]} and {letters[b]}": (a, b) for a, b in pairs}
    return names[_picked("Columns", list(names), "compare_pair")]


def pick_column(all_of: MatchedColumns, key: str) -> int:
    """Index of the column, by a control where there is more than one."""
    letters = all_of.letters
    return 0 if len(letters) == 1 else letters.index(_picked("Column", letters, key))


def _picked(label: str, options: list[str], key: str) -> str:
    if st.session_state.get(key) not in options:
        st.session_state[key] = options[0]
    return str(st.segmented_control(label, options, key=key, required=True))
