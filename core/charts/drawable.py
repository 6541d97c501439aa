"""Chooses how finely a run's heatmap is drawn: coarser units where a browser could not draw all cells.

Guarded by tests/core/test_charts_drawable.py.
"""

from __future__ import annotations

from collections.abc import Callable

import altair as alt
import numpy as np

from ..importance.reading_summary import answer_rows, own_columns
from ..records import Importance, Trace
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
    what the user wrote (and earlier output where it is there). Where coarser units leave fewer than ``FEWEST_ROWS`` rows or
    columns, the finer granularity stays, and ``any_size_heatmap`` draws it as a picture.
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
    rows = answer_rows(found)
    if not only_own or not trace.tokens.own.any():
        return crop_importance(found, rows, np.arange(len(found.columns)))
    first = np.full(len(found.columns), -1)
    np.maximum.at(first, found.columns.unit, found.columns.token)
    keep = np.union1d(own_columns(found), np.flatnonzero(first >= trace.prompt_length))
    return crop_importance(found, rows, keep.astype(int))
