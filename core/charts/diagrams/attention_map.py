"""Draws one attention map, query x key: with a table lens on its highest cells, and frames round regions of it.

Guarded by tests/core/test_charts_diagrams_attention_map.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import altair as alt
import numpy as np

from ...maps.regions import Region, find_sink_keys, region_words
from ...records import AttentionMap, MapTokens
from ..text_labels import STRETCH, significant_digits, title_block, visible_label
from .figure_style import ONE_COLUMN, TWO_COLUMNS, as_map, map_caption, wrapped_caption
from .map_cells import LONGEST_LABEL, MapCells

Box = tuple[tuple[int, int], tuple[int, int]]
"""((top, left), (bottom, right)) of a frame, all inside it: query and key, counted from 0."""

SIDE_NAMES = {
    "self": ("query: the reading token", "key: the token that was read"),
    "encoder": ("query: the reading token", "key: the token that was read"),
    "cross": ("query: the output", "key: the input"),
}
BAR = 78
"""Pixels that a colour bar beside the map needs."""


def attention_map(
    one: AttentionMap | Any,
    *,
    lens: int = 0,
    grow: float = 3.0,
    skip: Sequence[int] | None = None,
    gamma: float = 1.0,
    boxes: Sequence[Box] = (),
    regions: Sequence[Region] = (),
    mark_special: bool = True,
    unit: str = "attention share",
    domain: tuple[float, float] | None = None,
    width: int = TWO_COLUMNS,
    caption: Sequence[str] = (),
    title: str = "Attention map",
    select: str | None = None,
) -> alt.LayerChart:
    """Draws what every query (row) read of every key (column); unreadable cells stay empty, unknown ones are grey.

    ``one``: a map, or an array [query, key], whose tokens are then numbered.
    ``lens``: the rows and columns of so many highest cells are drawn ``grow`` times as large, with their values where
    they cross (percent, for shares), all others smaller, so that the whole keeps its size. Keys in ``skip`` do not
    count for that; None: special tokens and sinks do not. ``gamma`` bends the colour scale alone: below 1 tells low
    values apart. ``boxes`` and ``regions`` (of ``find_regions``) are framed and numbered in this order; regions are
    told in words too. ``domain``: lowest and highest value of the colours, for figures to be compared. ``select``
    names a point selection over the fields ``query`` and ``key``. ``width``: of the whole figure, in pixels.
    Raises ValueError for settings and boxes that do not fit the map.
    """
    one = as_map(one)
    _check(lens, grow, gamma, one, boxes)
    grown, left_out = _lens(one, lens, skip)
    cells = MapCells(
        one.values,
        one.readable,
        one.queries,
        one.keys,
        room=_room(one, width),
        domain=domain or value_domain([one.values[one.readable]]),
        gamma=gamma,
        grown=grown,
        grow=grow,
        font=font_size(width),
        mark_special=mark_special,
        unit=unit,
        titles=SIDE_NAMES[one.kind],
        frames=[*map(_plain, boxes), *(r.corners for r in regions)],
        select=select,
    )
    told = _told(regions, one, cells.is_share, 1 + len(boxes))
    return _finished(cells, [*map_caption(one, _settings(cells, lens, left_out)), *told, *caption], title, width)


def _finished(cells: MapCells, lines: Sequence[str], title: str, width: int) -> alt.LayerChart:
    """Returns the map with its colour bar, title, caption and size."""
    beside = width > ONE_COLUMN
    labels = 2.2 * cells.font + labels_width(cells.queries, cells.font)
    across = max(0.6 * width, min(width, cells.size[0] + labels + (BAR if beside else 0)))
    sides = f"{len(cells.queries)} queries (rows) on {len(cells.keys)} keys (columns)"
    return cells.chart(colour_bar(cells.unit, cells.is_share, beside, cells.size)).properties(
        width=across,
        title=title_block(title, wrapped_caption(lines, across)),
        description=f"{title}: {cells.unit} of {sides}. {'. '.join(lines)}.",
        autosize=STRETCH,
    )


def _told(regions: Sequence[Region], one: AttentionMap, is_share: bool, first: int) -> list[str]:
    """Returns a caption line for each region: its number, its words, and how much it stands out."""
    means = [percent_of_two_digits(r.mean) if is_share else significant_digits(r.mean) for r in regions]
    return [
        f"{i}: {region_words(r, one)} ({mean} a cell, {_times(r.contrast)} × the rest of its rows)"
        for i, (r, mean) in enumerate(zip(regions, means, strict=True), first)
    ]


def value_domain(values: Sequence[np.ndarray]) -> tuple[float, float]:
    """Returns the lowest (0 unless there are negative ones) and the highest known value of all arrays."""
    known = np.concatenate([v[np.isfinite(v)].ravel() for v in values]) if values else np.zeros(0)
    low, high = min(0.0, known.min(initial=0.0)), known.max(initial=0.0)
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def colour_bar(unit: str, is_share: bool, beside: bool, size: tuple[float, float]) -> alt.Legend:
    """Returns the legend of the colours: beside the map, or below it where the figure is narrow."""
    place: dict[str, Any] = (
        {"orient": "right", "gradientLength": max(60, min(200, size[1] - 20))}
        if beside
        else {"orient": "bottom", "direction": "horizontal", "gradientLength": max(80, min(200, size[0] - 20))}
    )
    look: dict[str, Any] = {"titleFontWeight": "normal", "titleLimit": 200, "gradientThickness": 10, "labelFontSize": 9}
    look |= {"titleFontSize": 10, "tickCount": 4, "format": ".2~p" if is_share else ".3~r"}
    return alt.Legend(title=unit.split(" ") if beside else unit, **look, **place)


def percent_of_two_digits(share: float) -> str:
    """Formats a share as a percentage of two digits."""
    return f"{significant_digits(100 * float(share), 2)} %"


def _check(lens: int, grow: float, gamma: float, one: AttentionMap, boxes: Sequence[Box]) -> None:
    if not isinstance(lens, Integral) or lens < 0:
        raise ValueError(f"lens is {lens}, expected a number of cells, at least 0.")
    if not 1 <= grow < float("inf"):
        raise ValueError(f"grow is {grow}, expected at least 1.")
    if not 0 < gamma < float("inf"):
        raise ValueError(f"gamma is {gamma}, expected a number above 0.")
    for i, box in enumerate(boxes, 1):
        _check_box(box, f"Box {i}", one.values.shape)


def _check_box(box: Any, name: str, shape: tuple[int, ...]) -> None:
    """Raises ValueError, in one sentence, for a box that is no rectangle of cells of the map."""
    try:
        (top, left), (bottom, right) = box
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {box!r}, expected ((top, left), (bottom, right)).") from None
    for edge, value in {"top": top, "left": left, "bottom": bottom, "right": right}.items():
        if not isinstance(value, Integral) or isinstance(value, bool | np.bool_):
            raise ValueError(f"{name}: its {edge} is {value!r}, expected a whole number.")
    if top > bottom:
        raise ValueError(f"{name}: its top row {top} lies below its bottom row {bottom}.")
    if left > right:
        raise ValueError(f"{name}: its left column {left} lies to the right of its right column {right}.")
    for first, last, most, what in ((top, bottom, shape[0], "rows"), (left, right, shape[1], "columns")):
        if first < 0 or last >= most:
            raise ValueError(f"{name}: its {what} are {first} to {last}, but the map has {what} 0 to {most - 1}.")


def _plain(box: Box) -> Box:
    (top, left), (bottom, right) = box
    return (int(top), int(left)), (int(bottom), int(right))


def _lens(one: AttentionMap, lens: int, skip: Sequence[int] | None) -> tuple[tuple[list[int], list[int]], bool]:
    """Returns the rows and columns of the highest cells, and whether special tokens or sinks were left out."""
    if not lens:
        return ([], []), False
    left_out = np.zeros(len(one.keys), bool)
    if skip is None:
        left_out[:] = one.keys.special
        left_out[list(find_sink_keys(one))] = True
    elif wrong := [k for k in skip if not 0 <= k < len(one.keys)]:
        raise ValueError(f"There is no key {wrong[0]} to skip: the map has keys 0 to {len(one.keys) - 1}.")
    else:
        left_out[list(skip)] = True
    known = np.isfinite(one.values) & one.readable
    counted = known & ~left_out if (known & ~left_out).any() else known
    score = np.where(counted, one.values, -np.inf).ravel()
    best = np.argsort(-score, kind="stable")[: min(lens, int(counted.sum()))]
    rows, columns = np.unravel_index(best, one.values.shape)
    return (sorted({*rows.tolist()}), sorted({*columns.tolist()})), bool(left_out.any() and counted is not known)


def labels_width(tokens: MapTokens, font: float) -> float:
    """Returns about how many pixels the longest label of this size takes, with a little room beside it."""
    longest = max((len(visible_label(t)) for t in tokens.texts), default=0)
    return 8 + min(LONGEST_LABEL, 0.6 * font * longest)


def font_size(width: float) -> float:
    """Returns the size of labels in a figure of this width, in pixels."""
    return 10.0 if width > ONE_COLUMN else 8.5


def _room(one: AttentionMap, width: int) -> tuple[float, float]:
    font = font_size(width)
    across = max(60.0, width - 2.2 * font - labels_width(one.queries, font) - (BAR if width > ONE_COLUMN else 0))
    return across, 1.3 * across


def _settings(cells: MapCells, lens: int, left_out: bool) -> list[str]:
    lines = []
    if lens:
        where = " outside special tokens and sinks" if left_out else ""
        unit = ", numbers are percent" if cells.is_share else ""
        lines.append(f"lens on the {lens} highest cells{where}{unit}")
    if cells.gamma != 1:
        lines.append(f"colours bent by gamma {cells.gamma:g}")
    if (cells.readable & ~np.isfinite(cells.values)).any():
        lines.append("grey: not known")
    if not cells.readable.all():
        lines.append("white: could not be read")
    return lines


def _times(contrast: float) -> str:
    """Returns how many times, for display: beyond a thousand the rest is next to nothing, and digits say nothing."""
    return significant_digits(contrast, 2) if contrast < 1000 else "over 1,000"
