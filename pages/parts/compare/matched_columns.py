"""The drawn columns as one comparison, kept in memory between clicks by ids and names.

Guarded by tests/pages/test_compare.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.comparing import WordCells, common_granularity, side_by_side, word_cells_of
from core.errors import MethodError
from core.importance import METHODS
from core.records import Comparison, Importance, Trace
from pages.parts.compare.column_runs import ColumnRun
from pages.parts.run_cache import importance

Name = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class DrawnColumn:
    """A column that can be drawn: its run and how it is read."""

    seen: ColumnRun
    trace: Trace
    reading: dict[str, Any]
    """Layers and heads, as ``importance`` takes them."""
    words: Importance
    """For the two texts: rows and columns by the unit of the page, sink apart."""
    steps: Importance
    """For the comparison: a row a step."""

    @property
    def name(self) -> Name:
        """What makes it this column and no other."""
        trace, method = self.trace, self.seen.column.method
        picked = (self.reading["layers"], self.reading["heads"])
        return (trace.id, trace.created, trace.request.segments, method, *picked, self.steps.columns.granularity)

    @property
    def share(self) -> bool:
        """Its numbers are shares, not scores."""
        return METHODS[self.seen.column.method].gives == "share"


@dataclass(frozen=True, eq=False)
class MatchedColumns:
    """All drawn columns side by side."""

    drawn: tuple[DrawnColumn, ...]
    comparison: Comparison

    @property
    def names(self) -> list[str]:
        """Of the columns, for figures: letter and model, and the method where the columns differ in it."""
        differ = len({(d.seen.column.method, str(d.reading)) for d in self.drawn}) > 1
        return [f"{d.seen.name}{_way(d) if differ else ''}" for d in self.drawn]

    @property
    def letters(self) -> list[str]:
        """A, B, ... of the columns that are drawn."""
        return [d.seen.letter for d in self.drawn]

    @property
    def traces(self) -> list[Trace]:
        """The runs."""
        return [d.trace for d in self.drawn]

    @property
    def steps(self) -> list[Importance]:
        """Their importances, a row a step."""
        return [d.steps for d in self.drawn]

    @property
    def name(self) -> Name:
        """What makes it this comparison and no other."""
        return tuple(d.name for d in self.drawn)

    def agreed(self) -> Comparison:
        """The same comparison with its agreement, which only the view that draws it waits for."""
        return _comparison(self.name, True, _drawn=self.drawn)

    def cells(self) -> WordCells | None:
        """Answer words by prompt words, where all columns have the same answer."""
        try:
            return _cells(self.name, _matched=self)
        except MethodError:
            return None


def _way(drawn: DrawnColumn) -> str:
    picked = drawn.reading["layers"]
    layers = f" {', '.join(map(str, picked))}" if picked else ""
    method = METHODS[drawn.seen.column.method].label.lower()
    return f" · {'layer' + layers if picked and not drawn.reading['heads'] else method + layers}"


def match_columns(seen: Sequence[ColumnRun], level: str) -> MatchedColumns | None:
    """The columns that have a run, side by side; None where there is none. ``level``: word, sentence or segment."""
    there = [(s, s.trace) for s in seen if s.trace is not None]
    if not there:
        return None
    level = common_granularity([t for _, t in there], level)
    drawn = tuple(_read(s, t, level) for s, t in there)
    return MatchedColumns(drawn, _comparison(tuple(d.name for d in drawn), False, _drawn=drawn))


def _read(seen: ColumnRun, trace: Trace, level: str) -> DrawnColumn:
    reading = seen.column.reading(trace.model.attention_layers, trace.model.heads)
    method = seen.column.method
    rows = level if level in ("word", "sentence") else "word" if trace.tokens.proven else "token"
    words = importance(trace, method, **reading, sink="separate", columns=level, rows=rows)
    steps = importance(trace, method, **reading, sink="separate", columns=level, rows="token")
    return DrawnColumn(seen, trace, reading, words, steps)


@st.cache_resource(max_entries=12, show_spinner=False)
def _comparison(name: Name, agreement: bool, _drawn: Sequence[DrawnColumn]) -> Comparison:
    return side_by_side([d.trace for d in _drawn], [d.steps for d in _drawn], agreement=agreement)


@st.cache_resource(max_entries=6, show_spinner=False)
def _cells(name: Name, _matched: MatchedColumns) -> WordCells:
    return word_cells_of(_matched.traces, _matched.steps, _matched.comparison)
