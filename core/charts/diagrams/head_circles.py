"""One grid of circles for all heads of a model: the colour and a letter say what kind of head, the size how important.

Guarded by tests/core/test_charts_diagrams_head_circles.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import numpy as np

from ...maps.head_traits import TRAITS, HeadTraits
from ..matrix_layout import exact_number
from ..panels import inline_data
from ..text_labels import significant_digits
from ..text_widths import text_width
from .figure_style import NOT_SAID, TWO_COLUMNS
from .layer_grid import GridSide, LayerGrid
from .pixel_canvas import FAINT, INK, PixelCanvas

TRAIT_LOOKS: dict[str, tuple[str, str]] = {
    "previous": ("P", "#0072B2"),
    "next": ("N", "#56B4E9"),
    "self": ("S", "#F0E442"),
    "first": ("F", "#CDBFEA"),
    "special": ("#", "#D9B48F"),
    "same": ("=", "#E69F00"),
    "induction": ("I", "#D55E00"),
    "local": ("L", "#009E73"),
    "broad": ("B", "#CC79A7"),
    "": ("", "#C3CAD2"),
}
"""{trait: (letter, colour)}; Okabe and Ito's colours, the letter for who sees no colours."""
LIGHT = {"next", "self", "first", "special", "same", ""}
"""Traits whose colour is light enough for a dark letter."""
LARGEST_CELL, TALLEST = 24, 580
"""Pixels of a cell, and of all rows together where there are many."""
SMALLEST_LETTER = 6.0
FULL, LEAST = 0.47, 0.2
"""Radius of the most important head and of one without any importance, in cells."""
ROW = 15
"""Pixels of a line of the legend."""


def head_circles(
    traits: HeadTraits,
    importance: np.ndarray | None = None,
    *,
    unit: str = "importance",
    layers: Literal["down", "across", "fitting"] = "fitting",
    width: int = TWO_COLUMNS,
    caption: Sequence[str] = (),
    title: str = "What kind of head each head is",
    select: str | None = None,
) -> alt.LayerChart:
    """Draws a circle for each head: colour and letter are the trait it is named after, the size its importance.

    ``importance``: float [layer, head] with its ``unit``, e.g. nats that the answer loses without the head (switched
    off), or learned weights; all circles are equal where not given. Negative ones are hollow; NaN is not drawn.
    ``layers``: down the side or across the top; ``fitting``: whichever gives larger circles. ``select``: name of a
    point selection over ``layer`` and ``head``. Raises ValueError where shapes differ.
    """
    names = traits.names
    size = np.where(np.isfinite(traits.scores["broad"]), _checked(importance, names.shape), np.nan)
    across = _across(names.shape, width) if layers == "fitting" else layers == "across"
    numbers = tuple(map(str, traits.layers)), tuple(map(str, range(names.shape[1])))
    down, along = (GridSide("layer", numbers[0]), GridSide("head", numbers[1], level=True))
    if across:
        down, along = GridSide("head", numbers[1]), GridSide("layer", numbers[0], level=True)
    room = PixelCanvas(width, 0).inner
    cell = _cell((len(down.texts), len(along.texts)), room)
    grid = LayerGrid(down, along, room=room, widest=cell, cell_height=cell)
    drawn = _records(traits, names, size, across, cell)
    legend, end = _trait_legend(names, room, grid.bottom + 16)
    canvas = PixelCanvas(width, round(end + (34 if importance is not None else 4), 1))
    base = grid.base(drawn)
    hover = base.mark_rect(opacity=0).encode(
        x=canvas.x("x0"),
        x2=alt.X2("x1:Q"),
        y=canvas.y("y0"),
        y2=alt.Y2("y1:Q"),
        tooltip=_tooltips(importance is not None, unit),
    )
    if select:
        hover = hover.add_params(alt.selection_point(name=select, fields=["layer", "head"], empty=False))
    layered = [*_circles(base, canvas, cell), hover, *grid.labels(canvas)]
    layered += _legend_marks(legend, canvas)
    if importance is not None:
        layered += _size_legend(size, unit, cell, end + 14, canvas)
    lines = [traits.source, _counted(names), _size_line(size, unit, importance is not None), NOT_SAID, *caption]
    said = f"{title}: {names.shape[0]} layers by {names.shape[1]} heads."
    return grid.named(canvas.finish(layered, title, [line for line in lines if line], said))


def _checked(importance: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """Returns float [layer, head]; 1 everywhere where none is given."""
    if importance is None:
        return np.ones(shape)
    found = np.asarray(importance, float)
    if found.shape != shape:
        raise ValueError(f"importance has shape {found.shape}, expected {shape}: one number for each layer and head.")
    return found


def _across(shape: tuple[int, ...], width: int) -> bool:
    """Returns whether circles with layers across are as large as with layers down, and the figure less tall."""
    room = PixelCanvas(width, 0).inner
    return shape[0] > shape[1] and _cell((shape[1], shape[0]), room) >= min(16, _cell((shape[0], shape[1]), room))


def _cell(shape: tuple[int, int], room: float) -> float:
    return float(min(LARGEST_CELL, max(14, TALLEST / max(shape[0], 1)), (room - 40) / max(shape[1], 1)))


def _records(
    traits: HeadTraits, names: np.ndarray, size: np.ndarray, across: bool, cell: float
) -> list[dict[str, Any]]:
    """Returns one record for each head that is there: its place, circle, letter and scores."""
    most = float(np.nanmax(np.abs(size), initial=0)) or 1.0
    out = []
    for a, b in np.argwhere(np.isfinite(size)).tolist():
        name, value = str(names[a, b]), float(size[a, b])
        letter, colour = TRAIT_LOOKS[name]
        radius = cell * np.sqrt(LEAST**2 + (FULL**2 - LEAST**2) * min(abs(value) / most, 1))
        font = float(np.clip(1.1 * radius, SMALLEST_LETTER, 11))
        bold = value >= 0 and name not in LIGHT and radius > 0.5 * font
        one: dict[str, Any] = {"r": b, "c": a} if across else {"r": a, "c": b}
        one |= {"layer": traits.layers[a], "head": b, "trait": TRAITS.get(name, "none of these"), "value": _n(value)}
        one |= {"s": _n(4 * radius**2), "fill": colour if value >= 0 else "#ffffff", "stroke": _stroke(name, colour)}
        one |= {"letter": letter, "ink": "#ffffff" if bold else INK, "font": _n(font)}
        out.append(one | {t: _n(float(traits.scores[t][a, b])) for t in TRAITS})
    return out


def _n(value: float) -> float | None:
    return exact_number(float(f"{value:.4g}"))


def _stroke(name: str, colour: str) -> str:
    return "#5f6b78" if name in LIGHT else colour


def _circles(base: alt.Chart, canvas: PixelCanvas, cell: float) -> list[alt.Chart]:
    place: dict[str, Any] = {"x": canvas.x(), "y": canvas.y()}
    circles = base.mark_point(shape="circle", filled=True, strokeWidth=1.0 if cell > 12 else 0.6, opacity=1)
    look: dict[str, Any] = {
        "size": alt.Size("s:Q", scale=None),
        "fill": alt.Fill("fill:N", scale=None),
        "stroke": alt.Stroke("stroke:N", scale=None),
    }
    letters = base.mark_text(baseline="middle", fontWeight="bold", tooltip=None)
    return [
        circles.encode(**place, **look),
        letters.encode(
            **place,
            text=alt.Text("letter:N"),
            size=alt.Size("font:Q", scale=None),
            color=alt.Color("ink:N", scale=None),
        ),
    ]


def _tooltips(sized: bool, unit: str) -> list[alt.Tooltip]:
    tips = [alt.Tooltip("layer:Q"), alt.Tooltip("head:Q"), alt.Tooltip("trait:N", title="looks mostly at")]
    tips += [alt.Tooltip("value:Q", title=unit, format=".4~g")] if sized else []
    return tips + [alt.Tooltip(f"{trait}:Q", title=said, format=".2f") for trait, said in TRAITS.items()]


def _trait_legend(names: np.ndarray, room: float, top: float) -> tuple[list[dict[str, Any]], float]:
    """Returns one entry for each trait that a head has, flowing in lines, and where the lines end."""
    found = [trait for trait in TRAIT_LOOKS if trait and (names == trait).any()]
    out: list[dict[str, Any]] = []
    x, y = 8.0, top + 6
    for trait in found:
        said = f"{trait}: {TRAITS[trait]}"
        wide = text_width(said, 10) * 1.06 + 30
        if x > 8 and x + wide > room:
            x, y = 8.0, y + ROW
        letter, colour = TRAIT_LOOKS[trait]
        ink = INK if trait in LIGHT else "#ffffff"
        out.append({"x": x, "y": y, "letter": letter, "fill": colour, "stroke": _stroke(trait, colour), "ink": ink})
        out[-1] |= {"text": said, "at": x + 10}
        x += wide
    return out, y + ROW / 2 if out else top


def _legend_marks(entries: list[dict[str, Any]], canvas: PixelCanvas) -> list[alt.Chart]:
    """Draws the legend of traits."""
    base = alt.Chart(inline_data(entries))
    place: dict[str, Any] = {"x": canvas.x(), "y": canvas.y()}
    dot = base.mark_point(shape="circle", filled=True, size=150, strokeWidth=1, opacity=1, tooltip=None)
    letter = base.mark_text(fontSize=8, fontWeight="bold", baseline="middle", tooltip=None)
    texts = [{"x": one["at"], "y": one["y"], "text": one["text"]} for one in entries]
    return [
        dot.encode(**place, fill=alt.Fill("fill:N", scale=None), stroke=alt.Stroke("stroke:N", scale=None)),
        letter.encode(**place, text=alt.Text("letter:N"), color=alt.Color("ink:N", scale=None)),
        canvas.texts(texts, 10),
    ]


def _size_legend(size: np.ndarray, unit: str, cell: float, y: float, canvas: PixelCanvas) -> list[alt.Chart]:
    """Draws three circles with what they stand for, and a hollow one where there are negative numbers."""
    most = float(np.nanmax(np.abs(size), initial=0)) or 1.0
    shown = [most * part for part in (0.1, 0.5, 1)] + ([-most / 2] if np.nanmin(size, initial=0) < 0 else [])
    marks, texts = [], []
    x = 8.0 + cell * FULL
    for value in shown:
        radius = cell * np.sqrt(LEAST**2 + (FULL**2 - LEAST**2) * abs(value) / most)
        marks.append({"x": x, "y": y, "s": _n(4 * radius**2), "fill": "#9aa5b1" if value > 0 else "#ffffff"})
        texts.append({"x": x + cell * FULL + 3, "y": y, "text": significant_digits(value, 2), "colour": INK})
        x += 2 * cell * FULL + text_width(significant_digits(value, 2), 10) + 14
    texts.append({"x": x - cell * FULL, "y": y, "text": unit, "colour": FAINT})
    dots = alt.Chart(inline_data(marks)).mark_point(shape="circle", filled=True, stroke="#5f6b78", strokeWidth=1)
    dots = dots.encode(
        x=canvas.x(), y=canvas.y(), size=alt.Size("s:Q", scale=None), fill=alt.Fill("fill:N", scale=None)
    )
    return [dots, canvas.texts(texts, 10)]


def _counted(names: np.ndarray) -> str:
    """Returns how many heads each trait has, in words."""
    found = {trait: int((names == trait).sum()) for trait in TRAITS}
    listed = [f"{count} {trait}" for trait, count in sorted(found.items(), key=lambda one: -one[1]) if count]
    return f"heads by trait: {', '.join(listed)}" if listed else "no head has one of the traits"


def _size_line(size: np.ndarray, unit: str, given: bool) -> str:
    if not given:
        return "grey without a letter: none of the traits"
    hollow = "; hollow: below 0" if np.nanmin(size, initial=0) < 0 else ""
    return f"size: {unit}{hollow} · grey without a letter: none of the traits"
