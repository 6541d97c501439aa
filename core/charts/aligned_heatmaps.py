"""Draws heatmaps of several runs in one figure, over the same aligned words: output words down, input words across.

One colour scale for all, so that equal colours are equal shares; one per column on request. A word that a run does not
have is left empty, a word that differs is marked and written as it stands in that run. Above MOST_CELLS the answer
becomes one row for each run, broken into lines of words like a text, and the figure says so. Guarded by
tests/core/test_charts_aligned_heatmaps.py.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import altair as alt
import numpy as np

from ..comparing.word_cells import run_cells
from ..records import Comparison, Importance, Trace
from .column_captions import (
    STATUS_MARKS,
    caption_lines,
    check_names,
    fitting_names,
    share_of_units,
    unit_label,
    unit_of,
    units_of,
    word_label,
    word_records,
)
from .matrix_layout import exact_number
from .panels import BELOW, Panel, PanelBoard, look_up_fields
from .raster_heatmap import FULL_FROM
from .text_labels import legend_title, visible_label
from .token_heatmap import MOST_CELLS

FEW_COLUMNS = 44
"""Columns of cells, all runs together, up to which the grids stand side by side."""
BENT_FROM = 300
"""Words beyond which most shares are small beside the largest: colours by square root, which end at a percentile."""
LINE = 46
"""Words in a line of a whole-answer row, and the most lines: beyond, lines get longer."""
LINES = 16
Arrange = Literal["auto", "side", "stacked"]


@dataclass(frozen=True, eq=False)
class AlignedRows:
    """One run's cells over the aligned units."""

    labels: tuple[str, ...]
    values: np.ndarray
    """float64 [row, unit]; NaN: no such word, or not readable at this step."""
    uniform: np.ndarray


def heatmaps(
    traces: Sequence[Trace],
    importances: Sequence[Importance],
    comparison: Comparison,
    *,
    names: Sequence[str],
    shared: bool = True,
    arrange: Arrange = "auto",
    width: int = 880,
    picked: Collection[int] = (),
    select: str | None = None,
    title: str = "What each column read",
) -> alt.LayerChart:
    """Draws one figure with a grid per run, output words by aligned input words.

    ``importances`` are those that the comparison was made of (one per run, rows by step). ``shared``: one colour scale
    for all columns (never for shares beside scores). ``picked`` are aligned units to frame in every grid, ``select``
    names a point selection over the field ``unit``. Raises ValueError where the numbers of runs differ.
    """
    labels = check_names(comparison, names)
    if not len(traces) == len(importances) == len(labels):
        raise ValueError(f"{len(traces)} traces and {len(importances)} importances do not fit {len(labels)} columns.")
    rows = [aligned_answer_rows(t, importances[r], comparison, r) for r, t in enumerate(traces)]
    lines = caption_lines(comparison, labels)
    labels = fitting_names(labels)
    many = sum(r.values.size for r in rows) > MOST_CELLS
    if many:
        board, cells, spans = _strips(comparison, labels, width)
        lines.append(f"more than {MOST_CELLS:,} cells: one row a column, the mean over its answer")
    else:
        board, cells = _grids(comparison, rows, labels, arrange, width)
        spans = []
    if np.isin(comparison.status, ("replaced", "inserted")).any():
        lines += STATUS_MARKS.split(" · ")
    layers, shared = _layers(board, cells, comparison, labels, shared, select)
    return _finished(board, [*layers, *board.frames(list(picked), spans)], comparison, labels, lines, shared, title)


def heatmap_by_run(
    comparison: Comparison, *, names: Sequence[str], width: int = 880, title: str = "What each run read"
) -> alt.LayerChart:
    """Draws one row per run, the mean over its answer, over the aligned words; needs no traces."""
    labels = check_names(comparison, names)
    short = fitting_names(labels)
    board, cells, _ = _strips(comparison, short, width)
    layers, shared = _layers(board, cells, comparison, short, True, None)
    return _finished(board, layers, comparison, short, caption_lines(comparison, labels), shared, title)


def _finished(
    board: PanelBoard,
    layers: list[alt.Chart],
    comparison: Comparison,
    labels: Sequence[str],
    lines: list[str],
    shared: bool,
    title: str,
) -> alt.LayerChart:
    if not shared:
        lines.append("each column has a colour scale of its own: shades do not compare between columns")
    what = legend_title(unit_of(comparison))
    said = f"{title}: {what} of {len(labels)} runs over {len(comparison.units)} words."
    return board.finish(layers, title, lines, said, own_scales=not shared)


def aligned_answer_rows(trace: Trace, importance: Importance, comparison: Comparison, run: int) -> AlignedRows:
    """Returns the words of this run's answer over the aligned units."""
    labels, values = run_cells(trace, importance, comparison, run)
    even = replace(importance, values=importance.uniform)
    uniform = run_cells(trace, even, comparison, run)[1]
    return AlignedRows(labels, np.where((values == 0) & (uniform == 0), np.nan, values), uniform)


def _grids(
    comparison: Comparison, rows: Sequence[AlignedRows], names: Sequence[str], arrange: Arrange, width: int
) -> tuple[PanelBoard, list[list[dict[str, Any]]]]:
    """Returns (board, cells of each run) with one grid per run."""
    side = arrange == "side" or (arrange == "auto" and len(comparison.units) * len(rows) <= FEW_COLUMNS)
    texts = [tuple(word_label(comparison, r, u) for u in range(len(comparison.units))) for r in range(len(rows))]
    panels = [
        Panel(texts[r], tuple(rows[r].labels) or ("(no answer)",), names[r], side or r == 0 or texts[r] != texts[r - 1])
        for r in range(len(rows))
    ]
    board = PanelBoard(panels, "side" if side else "stacked", width)
    cells = []
    for run, part in enumerate(rows):
        read = np.argwhere(~np.isnan(part.values))
        cells.append([_cell(part, int(r), int(u), run) | board.place(run, int(r), int(u)) for r, u in read])
    return board, cells


def _cell(part: AlignedRows, row: int, unit: int, run: int) -> dict[str, Any]:
    value, even = part.values[row, unit], part.uniform[row, unit]
    return {
        "run": run,
        "row": row,
        "unit": unit,
        "output": visible_label(part.labels[row]),
        "value": exact_number(float(value)),
        "times": exact_number(float(value / even)) if even > 0 else None,
    }


def _strips(
    comparison: Comparison, names: Sequence[str], width: int
) -> tuple[PanelBoard, list[list[dict[str, Any]]], list[tuple[int, int]]]:
    """Returns (board, cells of each run, units of each line): a row per run for the whole answer, in lines of words."""
    board, spans = strips(comparison, names, width)
    values, cells = share_of_units(comparison), [[] for _ in names]  # type: ignore[var-annotated]
    for panel, (start, end) in enumerate(spans):
        for run in range(len(names)):
            for unit in range(start, end):
                value, even = values[run, unit], comparison.uniform[run, unit]
                if np.isfinite(value):
                    cells[run].append(
                        {
                            "run": run,
                            "row": 0,
                            "unit": unit,
                            "output": "the whole answer",
                            "value": exact_number(value),
                            "times": exact_number(value / even) if even > 0 else None,
                        }
                        | board.place(panel, run, unit - start)
                    )
    return board, cells, spans


def strips(comparison: Comparison, rows: Sequence[str], width: int) -> tuple[PanelBoard, list[tuple[int, int]]]:
    """Returns a board whose panels are lines of the text, each with these rows; and the units of each line."""
    n = len(comparison.units)
    length = max(LINE, math.ceil(n / LINES))
    length = math.ceil(n / max(1, math.ceil(n / length))) or 1
    spans = [(a, min(a + length, n)) for a in range(0, n, length)] or [(0, 0)]
    panels = [Panel(tuple(unit_label(comparison, u) for u in range(a, b)), tuple(rows)) for a, b in spans]
    return PanelBoard(panels, "stacked", width), spans


def _layers(
    board: PanelBoard,
    cells: list[list[dict[str, Any]]],
    comparison: Comparison,
    names: Sequence[str],
    shared: bool,
    select: str | None,
) -> tuple[list[alt.Chart], bool]:
    """Returns (the rectangles, whether they share a scale): one layer for all, or one per run with its own colours."""
    units = units_of(comparison)
    shared = shared and len(set(units)) == 1
    groups = [list(itertools.chain(*cells))] if shared else cells
    words, fields = word_records(comparison), ["word", *(f"c{r}" for r in range(len(names)))]
    layers = []
    for i, group in enumerate(groups):
        high = max((c["value"] for c in group), default=0) or 1
        low = min(0, min((c["value"] for c in group), default=0))
        name = "" if shared else f" · {names[i]}"
        bent = low >= 0 and len(comparison.units) > BENT_FROM
        if bent and group and (full := float(np.percentile([c["value"] for c in group], FULL_FROM))) > 0:
            high = full
        name += f" (square root, full from the {FULL_FROM:g}th percentile)" if bent else ""
        fill = alt.Fill("value:Q", scale=_viridis(low, high, bent), legend=_legend(units[i], name))
        rects = look_up_fields(board.rects(group), words, fields)
        rects = rects.encode(fill=fill, tooltip=_tooltip(units[i], names))
        if select and i == 0:
            rects = rects.add_params(alt.selection_point(name=select, fields=["unit"], empty=False))
        layers.append(rects)
    return layers, shared


def _viridis(low: float, high: float, bent: bool) -> alt.Scale:
    return alt.Scale(type="sqrt" if bent else "linear", scheme="viridis", domain=[low, high], clamp=True)


def _legend(unit: str, name: str = "") -> alt.Legend:
    number = ".2~p" if unit == "share" else ".3~r"
    return alt.Legend(
        title=legend_title(unit) + name, format=number, gradientLength=200, tickCount=4, titleLimit=480, **BELOW
    )


def _tooltip(unit: str, names: Sequence[str]) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("word:N", title="input"),
        alt.Tooltip("output:N", title="output"),
        alt.Tooltip("value:Q", title=f"{legend_title(unit)}, this cell", format=".3~p" if unit == "share" else ".4~r"),
        alt.Tooltip("times:Q", title="times uniform reading", format=".3~r"),
        *(alt.Tooltip(f"c{run}:N", title=name) for run, name in enumerate(names)),
    ]
