"""Shows what an answer loses when parts of the model are switched off: each head beside its attention, and by token.

Guarded by tests/core/test_charts_diagrams_switch_off_effects.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from ..matrix_layout import exact_number
from ..text_labels import significant_digits, visible_label
from .figure_style import TWO_COLUMNS
from .layer_grid import LEGEND_HEIGHT, GridSide, LayerGrid, bar_place
from .pixel_canvas import INK, PixelCanvas

LOST = ("#fdf6f0", "#fdbe85", "#e6690d", "#7f2704")
GAINED = ("#f1f6fb", "#9ecae1", "#3182bd", "#08306b")
READ = ("#f6f6f8", "#c6c6d6", "#8584ae", "#3f2a78")
"""Colours of what the answer loses and gains and of another number: lightness is the size. A minus says the sign."""
MINUS = "M-.5,0L.5,0"
MARKED_FROM = 0.04
"""Part of the largest effect from which on a gain is marked with its sign."""
DARK_FROM = 0.62
BESIDE_FROM = 480
"""Width in pixels from which on both pictures stand side by side."""
AIR = 26
"""Pixels between two pictures."""
STEP_NARROWEST = 5
MEANING = "Lost: the answer is less likely without it. Others may take over what a part does, so effects do not add up."


def switch_off_heads(
    effects: np.ndarray,
    attention: np.ndarray | None = None,
    layers: Sequence[int] | None = None,
    *,
    attention_name: str = "attention",
    width: int = TWO_COLUMNS,
    caption: Sequence[str] = (),
    title: str = "What the answer loses without each head",
    select: str | None = None,
) -> alt.LayerChart:
    """Draws ``effects`` [layer, head] beside ``attention`` [layer, head], each on its own scale; NaN stays empty.

    ``effects``: nats of the answer's log-probability that are lost when the head is switched off; below 0 the answer
    became more likely, which a minus in the cell says. ``attention``: any other number of the same heads, e.g. their
    share on some words. ``layers``: ``layer_idx`` of the rows. ``select``: name of a point selection over ``layer`` and
    ``head``. Raises ValueError where shapes differ.
    """
    found = _matrix(effects, "effects")
    other = None if attention is None else _matrix(attention, "attention")
    if other is not None and other.shape != found.shape:
        raise ValueError(f"attention has shape {other.shape}, but effects has {found.shape}.")
    numbers = list(range(len(found))) if layers is None else list(layers)
    if len(numbers) != len(found):
        raise ValueError(f"{len(numbers)} layers named, but effects has {len(found)} rows.")
    room = PixelCanvas(width, 0).inner
    beside = other is not None and width >= BESIDE_FROM
    each = (room - AIR) / 2 if beside else room
    sides = GridSide("layer", tuple(map(str, numbers))), GridSide("head", _numbers(found.shape[1]), level=True)
    height = float(np.clip(420 / len(found), 7, 15))
    shape: dict[str, Any] = {"room": each, "widest": 34, "cell_height": height}
    head = 18 if other is not None else 0
    first = LayerGrid(*sides, at=(0, head), **shape)
    second_at = (each + AIR, head) if beside else (0, first.bottom + LEGEND_HEIGHT + 34)
    second = LayerGrid(*sides, at=second_at, **shape) if other is not None else None
    canvas = PixelCanvas(width, round((second or first).bottom + LEGEND_HEIGHT + 8, 1))
    records = _head_records(found, other, numbers)
    tips = _head_tooltips(other is not None, attention_name)
    cells = _signed_cells(first, canvas, records, found, tips)
    if select:
        cells[0] = cells[0].add_params(alt.selection_point(name=select, fields=["layer", "head"], empty=False))
    layered = [first.ground(canvas), *cells, *first.labels(canvas)]
    if second is not None and other is not None:
        layered += [second.ground(canvas), _plain_cells(second, canvas, records, other, attention_name, tips)]
        layered += second.labels(canvas)
        names = ((first, "effect of switching off"), (second, attention_name))
        layered.append(
            canvas.texts([{"x": g.left, "y": g.at[1] - 9, "text": t} for g, t in names], 11, fontWeight="bold")
        )
    lines = [*caption, *filter(None, [_largest(found, numbers)]), _scale_line(found), MEANING]
    said = f"{title}: {found.shape[0]} layers by {found.shape[1]} heads."
    return first.named(canvas.finish(layered, title, lines, said, own_scales=True))


def switch_off_steps(
    effects: np.ndarray,
    parts: Sequence[str],
    tokens: Sequence[str],
    *,
    width: int = TWO_COLUMNS,
    caption: Sequence[str] = (),
    title: str = "What each token of the answer loses",
    select: str | None = None,
) -> alt.LayerChart:
    """Draws ``effects`` [part, step], parts down and tokens of the answer across; NaN stays empty.

    ``effects``: nats of each token's log-probability that are lost without the part; below 0 it became more
    likely, which a minus in the cell says. Columns narrower than 5 pixels are left out at the end, and the caption says
    so. ``select``: name of a point selection over ``r`` (part) and ``c`` (step). Raises ValueError where shapes
    differ.
    """
    found = _matrix(effects, "effects")
    if found.shape != (len(parts), len(tokens)):
        named = f"{len(parts)} parts and {len(tokens)} tokens"
        raise ValueError(f"effects has shape {found.shape}, but {named} are named.")
    room = PixelCanvas(width, 0).inner
    kept = min(found.shape[1], int((0.7 * room - 20) // STEP_NARROWEST))
    rows = GridSide("without", tuple(visible_label(name, 32) for name in parts))
    columns = GridSide("token of the answer", tuple(visible_label(t) for t in tokens[:kept]))
    height = float(np.clip(420 / len(found), 9, 16))
    grid = LayerGrid(rows, columns, room=room, widest=34, cell_height=height, longest=0.3 * room)
    canvas = PixelCanvas(width, round(grid.bottom + LEGEND_HEIGHT + 8, 1))
    shown = found[:, :kept]
    records = [
        {"r": r, "c": c, "v": exact_number(float(shown[r, c]))} for r, c in np.argwhere(np.isfinite(shown)).tolist()
    ]
    tips = [
        *grid.tooltips(),
        alt.Tooltip("c:Q", title="step, from 0"),
        alt.Tooltip("v:Q", title="nats lost", format=".3~f"),
    ]
    cells = _signed_cells(grid, canvas, records, found, tips)
    if select:
        cells[0] = cells[0].add_params(alt.selection_point(name=select, fields=["r", "c"], empty=False))
    lines = list(caption)
    if kept < found.shape[1]:
        lines.append(f"tokens 1 to {kept} of {found.shape[1]}: more do not fit this width")
    said = f"{title}: {len(found)} parts by {kept} tokens."
    layered = [grid.ground(canvas), *cells, *grid.labels(canvas)]
    lines += [_scale_line(found), MEANING]
    return grid.named(canvas.finish(layered, title, lines, said, own_scales=True))


def _matrix(values: np.ndarray, name: str) -> np.ndarray:
    found = np.asarray(values, float)
    if found.ndim != 2 or not found.size:
        raise ValueError(f"{name} has shape {found.shape}, expected two dimensions with at least one row and column.")
    return found


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def _head_records(found: np.ndarray, other: np.ndarray | None, layers: list[int]) -> list[dict[str, Any]]:
    """Returns one record a head: its place, the effect ``v`` and the other number ``w``, None where not known."""
    return [
        {"r": r, "c": c, "layer": layers[r], "head": c, "v": exact_number(float(found[r, c]))}
        | ({} if other is None else {"w": exact_number(float(other[r, c]))})
        for r in range(found.shape[0])
        for c in range(found.shape[1])
    ]


def _head_tooltips(both: bool, unit: str) -> list[alt.Tooltip]:
    tips = [alt.Tooltip("layer:Q"), alt.Tooltip("head:Q"), alt.Tooltip("v:Q", title="nats lost", format=".3~g")]
    return tips + ([alt.Tooltip("w:Q", title=unit, format=".3~g")] if both else [])


def _signed_cells(
    grid: LayerGrid, canvas: PixelCanvas, records: list[dict[str, Any]], found: np.ndarray, tips: list[alt.Tooltip]
) -> list[alt.Chart]:
    """Draws cells whose lightness is the size of ``v``; what is below 0 is of another hue and has a minus."""
    most = float(np.nanmax(np.abs(found), initial=0)) or 1.0
    base = grid.base(records).transform_filter("isValid(datum.v)").transform_calculate(size="abs(datum.v)")
    layered = []
    for at, (colours, test) in enumerate(((LOST, "datum.v >= 0"), (GAINED, "datum.v < 0"))):
        title = "nats lost" if at == 0 else "gained (minus)"
        legend = alt.Legend(title=title, format=".2~g", **_short_bar(grid.left + at * 104, grid.bottom + 12))
        if at == 1 and not (found < 0).any():
            continue
        fill = alt.Fill("size:Q", scale=_shades(colours, 0, most), legend=legend)
        part = base.transform_filter(test)
        layered.append(grid.cells(part, canvas).encode(fill=fill, tooltip=tips))
    size = float(np.clip(0.6 * min(grid.cell), 4, 8)) ** 2
    marked = base.transform_filter(f"datum.v < 0 && datum.size >= {MARKED_FROM * most:.6g}")
    signs = marked.transform_calculate(ink=f"datum.size > {DARK_FROM * most:.6g} ? '#ffffff' : '{INK}'")
    signs = signs.mark_point(shape=MINUS, size=size, strokeWidth=1.4, opacity=1, tooltip=None)
    return [*layered, signs.encode(x=canvas.x(), y=canvas.y(), stroke=alt.Stroke("ink:N", scale=None))]


def _shades(colours: tuple[str, ...], low: float, high: float) -> alt.Scale:
    """Returns the scale of these colours from ``low`` to ``high``, evenly spaced."""
    ends = [exact_number(float(v)) for v in np.linspace(low, high, len(colours))]
    return alt.Scale(domain=ends, range=list(colours), clamp=True)


def _plain_cells(
    grid: LayerGrid,
    canvas: PixelCanvas,
    records: list[dict[str, Any]],
    other: np.ndarray,
    unit: str,
    tips: list[alt.Tooltip],
) -> alt.Chart:
    """Draws cells in the colour of ``w``."""
    low, high = min(0.0, float(np.nanmin(other, initial=0))), float(np.nanmax(other, initial=0)) or 1.0
    legend = alt.Legend(title=unit, format=".2~g", **_short_bar(grid.left, grid.bottom + 12))
    base = grid.base(records).transform_filter("isValid(datum.w)")
    return grid.cells(base, canvas).encode(
        fill=alt.Fill("w:Q", scale=_shades(READ, low, high), legend=legend), tooltip=tips
    )


def _short_bar(x: float, y: float) -> dict[str, Any]:
    return bar_place(x, y) | {"gradientLength": 84, "tickCount": 2, "titleLimit": 140}


def _largest(found: np.ndarray, layers: list[int]) -> str:
    """Returns in words which head matters most."""
    if not np.isfinite(found).any():
        return ""
    layer, head = np.unravel_index(np.nanargmax(np.abs(found)), found.shape)
    value = float(found[layer, head])
    change = "loses" if value >= 0 else "gains"
    return f"most: layer {layers[layer]}, head {head} ({change} {significant_digits(abs(value), 2)} nats)"


def _scale_line(found: np.ndarray) -> str:
    below = " · a minus: more likely without it" if (found < 0).any() else ""
    return f"nats of log-probability, lighter is smaller{below}"
