"""Chooses how finely a run's heatmap is drawn: coarser units where a browser could not draw all cells.

Guarded by tests/core/test_charts_drawable.py.
"""

from __future__ import annotations

from collections.abc import Callable

import altair as alt
import numpy as np

from ..importance.reading_summary import answer_rows, own_units
from ..records import Importance, Tokens, Trace, Units
from .crop import crop_importance
from .raster_heatmap import raster_heatmap_chart
from .token_heatmap import fits_as_cells, heatmap

COARSER = {"token": "word", "word": "sentence", "sentence": "paragraph"}
FEWEST_ROWS = 3
"""Below so many rows or columns a coarser heatmap no longer shows anything."""


def drawable_importance(
    trace: Trace, importance: Callable[[str, str], Importance], level: str, only_own: bool = True
) -> tuple[str, Importance]:
    """Returns (granularity, importance) of the heatmap: the finest from ``level`` on that can be drawn as cells.

    ``importance(columns, rows)`` computes the run's importance by two granularities. ``only_own`` keeps, of the input,
    what the user wrote (and earlier output where it is there). Where coarser units leave fewer than ``FEWEST_ROWS``
    rows or columns, the finer granularity stays, and ``any_size_heatmap`` draws it as a picture.
    """
    finer = None
    while True:
        rows = level if level in COARSER or level == "paragraph" else "word"
        shown = _only(importance(level, rows if trace.tokens.proven else "token"), trace, only_own)
        if finer is not None and min(shown.values.shape) < FEWEST_ROWS:
            return finer
        if fits_as_cells(shown) or level not in COARSER or not trace.tokens.proven:
            return level, shown
        finer = level, shown
        level = COARSER[level]


def any_size_heatmap(importance: Importance, prompt_length: int | None = None) -> alt.LayerChart:
    """Draws the heatmap as rectangles, or as one picture where there are too many."""
    draw = heatmap if fits_as_cells(importance) else raster_heatmap_chart
    return draw(importance, prompt_length=prompt_length)


def _only(found: Importance, trace: Trace, only_own: bool) -> Importance:
    """Returns the answer's rows, and of the input the user's own words (with earlier output where it is there)."""
    return crop_importance(found, answer_rows(found), own_or_earlier(trace, found.columns, only_own))


def answer_units(tokens: Tokens, rows: Units) -> np.ndarray:
    """Returns int [R]: the rows that make up the answer itself, as ``answer_rows`` of an Importance."""
    answer = np.array([part == "answer" for part in tokens.parts])
    return np.unique(rows.unit[answer[rows.token]])


def own_or_earlier(trace: Trace, columns: Units, only_own: bool = True) -> np.ndarray:
    """Returns int [C]: the columns of the user's own words and of earlier output; all where ``only_own`` is False.

    All too where the user wrote nothing, as in a prompt of token ids.
    """
    if not only_own or not trace.tokens.own.any():
        return np.arange(len(columns))
    first = np.full(len(columns), -1)
    np.maximum.at(first, columns.unit, columns.token)
    return np.union1d(own_units(trace.tokens, columns), np.flatnonzero(first >= trace.prompt_length)).astype(int)
