"""Attention of answer words (rows) on aligned input words (columns), for several runs.

Cells of two runs can only be subtracted where both wrote (or were given) the same answer: ``word_cells_of`` requires
that. ``run_cells`` is one run by the same columns with rows of its own. A cell is the mean over the steps of its output
word. Guarded by tests/core/test_comparing_word_cells.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import MethodError
from ..importance import group_rows
from ..records import Comparison, Importance, Trace, Units
from ..text.units import units

DIFFERENT = (
    "Cells can be compared only where every run has the same answer: score one run's answer in the others, or "
    "compare the whole answers, one row each."
)

Place = tuple[int, int, str]
"""Key of a row in the answer: start and end without leading spaces, or its number where spans are unknown."""


@dataclass(frozen=True, eq=False)
class WordCells:
    """The cells of several runs over one answer."""

    rows: tuple[str, ...]
    """[row] words of the answer."""
    values: np.ndarray
    """float64 [run, row, unit]: mean over the steps of that word; NaN where a run or its partner has none."""


def word_cells_of(traces: Sequence[Trace], importances: Sequence[Importance], comparison: Comparison) -> WordCells:
    """Returns the cells of runs with the same answer text. Raises MethodError where answers differ.

    Rows are the answer's words; a row of nothing but spaces is shown where every run has it.
    """
    if len({t.answer.strip() for t in traces}) > 1 or not traces[0].answer.strip():
        raise MethodError(DIFFERENT)
    proven = all(t.tokens.proven for t in traces)
    sides = [_rows(t, proven) for t in traces]
    places = sorted(set().union(*(side for _, side in sides)))
    if not proven and any(len(side) != len(places) for _, side in sides):
        raise MethodError(DIFFERENT)
    places = [p for p in places if p[2].strip() or all(p in side for _, side in sides)]
    values = np.full((len(traces), len(places), len(comparison.units)), np.nan)
    for run, (rows, side) in enumerate(sides):
        table = _columns(importances[run], rows, comparison.units.column[run])
        table[:, np.isnan(comparison.values[run])] = np.nan
        for at, place in enumerate(places):
            if place in side:
                values[run, at] = table[side[place]]
    labels = {place: rows.labels[at] for rows, side in reversed(sides) for place, at in side.items()}
    return WordCells(tuple(labels[p] for p in places), values)


def run_cells(
    trace: Trace, importance: Importance, comparison: Comparison, run: int
) -> tuple[tuple[str, ...], np.ndarray]:
    """Returns (labels of the answer's words, float64 [row, unit]) of run ``run``; NaN where it has no such unit."""
    rows, _ = _rows(trace, trace.tokens.proven)
    return rows.labels, _columns(importance, rows, comparison.units.column[run])


def _columns(importance: Importance, rows: Units, column: np.ndarray) -> np.ndarray:
    """Returns float64 [row, unit]: importance by these rows and aligned columns."""
    table = group_rows(importance, rows).values.astype(np.float64)
    if not table.shape[1]:
        return np.full((len(rows), len(column)), np.nan)
    return np.where(column >= 0, table[:, column], np.nan)


def _rows(trace: Trace, proven: bool) -> tuple[Units, dict[Place, int]]:
    """Returns the answer's words (tokens where spans are not proven), and {key in the answer: index of the row}.

    A control token amid an answer has a row of its own and no key.
    """
    positions = trace.answer_steps + trace.prompt_length
    here = range(int(positions[0]), int(positions[-1]) + 1) if len(positions) else range(0)
    rows = units(trace.tokens, "word" if proven else "token", here)
    if not proven:
        return rows, {(at, at, label): at for at, label in enumerate(rows.labels)}
    text, answer = trace.answer, len(trace.tokens.sources) - 1
    skipped = len(text) - len(text.lstrip())
    spans = enumerate(zip(rows.message.tolist(), rows.start.tolist(), rows.end.tolist(), strict=True))
    return rows, {(a - skipped, b - skipped, text[a:b]): at for at, (m, a, b) in spans if m == answer and a >= 0}
