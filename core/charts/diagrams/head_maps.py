"""Draws all layers and heads of attention maps at once, each head as a small map.

One picture holds all maps, so that 32 x 32 heads are as quick to look at as one; an invisible cell over each head has
its traits on hover and can be clicked. Guarded by tests/core/test_charts_diagrams_head_maps.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import numpy as np

from ...maps.head_traits import TRAITS, HeadTraits
from ...records import AttentionMaps
from ..matrix_layout import exact_number
from ..panels import inline_data
from ..raster_heatmap import blended_colours, downsample, palette_png
from ..text_labels import title_block
from .figure_style import KIND_NAMES, NOT_SAID, TWO_COLUMNS, wrapped_caption

BLUES = ("#f4f8fd", "#dbe8f5", "#b7d2ea", "#84b5da", "#4d90c4", "#2468a4", "#0b3d74")
"""From none to most: lightness falls steadily, so that it can be read in greyscale."""
GAP = 2
"""Pixels between two maps."""
DOTS = 48
"""Most pixels of a side of a small map."""
LEAST_DOTS = 4
"""Fewest dots of a side: of fewer cells each is several dots, so that the gap beside them, a dot, stays narrow."""
LABELS = 44


def head_maps(
    maps: AttentionMaps,
    traits: HeadTraits | None = None,
    *,
    order: Literal["layer"] | str = "layer",
    importance: np.ndarray | None = None,
    gamma: float = 0.5,
    shared: bool = False,
    width: int = TWO_COLUMNS,
    caption: Sequence[str] = (),
    title: str = "All layers and heads",
    select: str | None = None,
) -> alt.LayerChart:
    """Draws every head of ``maps`` as a small map, queries down and keys across; layers are rows, heads columns.

    ``order``: ``layer`` keeps every head in its place; the name of a trait (see ``TRAITS``), or ``importance`` with an
    array [layer, head], puts the heads of all layers in that order, the strongest first. ``gamma`` below 1 shows small
    values more. ``shared``: one scale for all heads; else each head runs to its own maximum. ``select`` names a point
    selection over the fields ``layer`` and ``head``. Raises ValueError where the order is not known or there
    are no cells.
    """
    if not maps.values.size:
        raise ValueError("These maps have no cells to draw: take a larger part of them.")
    layers, heads = maps.values.shape[:2]
    there = np.argwhere(np.isfinite(maps.values).any((2, 3)))
    score = _order(order, traits, importance, (layers, heads))
    if score is None:
        columns, places = heads, [(int(a), int(b)) for a, b in there]
    else:
        ranked = there[np.argsort(-np.nan_to_num(score[there[:, 0], there[:, 1]], nan=-np.inf), kind="stable")]
        columns = _columns(len(ranked), width)
        there, places = ranked, [divmod(i, columns) for i in range(len(ranked))]
    rows = max((row for row, _ in places), default=0) + 1
    side = max(6, min(120, int((width - LABELS - 10) / columns)))
    tall = max(6, round(side * min(2.0, max(0.4, maps.values.shape[2] / maps.values.shape[3]))))
    picture, factors = _picture(maps, there, places, (rows, columns), (tall, side), gamma, shared)
    cells = _cells(maps, traits, there, places, score)
    box = {"width": side * columns, "height": tall * rows}
    lines = _lines(maps, order, gamma, shared, factors)
    return _drawn(picture, cells, (rows, columns), box, score is None, maps, select).properties(
        **box,
        title=title_block(title, wrapped_caption([*caption, *lines], width)),
        view=alt.ViewBackground(stroke=None),
    )


def _order(
    order: str, traits: HeadTraits | None, importance: np.ndarray | None, shape: tuple[int, int]
) -> np.ndarray | None:
    """Returns float [layer, head] to sort by; None where every head keeps its place."""
    if order == "layer":
        return None
    if order == "importance":
        if importance is None or np.shape(importance) != shape:
            raise ValueError(f"To sort by importance give an array of shape {shape}, one number a head.")
        return np.asarray(importance, float)
    if traits is None or order not in traits.scores:
        raise ValueError(f"Heads can be sorted by layer, importance or a measured trait, not by {order!r}.")
    return np.asarray(traits.scores[order], float)


def _columns(count: int, width: int) -> int:
    """Returns how many maps stand in a row where heads are sorted."""
    return max(1, min(count, round(width / 56)))


def _picture(
    maps: AttentionMaps,
    there: np.ndarray,
    places: list[tuple[int, int]],
    grid: tuple[int, int],
    size: tuple[int, int],
    gamma: float,
    shared: bool,
) -> tuple[str, tuple[int, int]]:
    """Returns all maps as one PNG, and how many cells a dot is."""
    small, factors = downsample(np.full(maps.values.shape[2:], np.nan, np.float32), DOTS, DOTS)
    each = -(-LEAST_DOTS // np.array(small.shape))
    dots = np.array(small.shape) * each
    gaps = np.maximum(1, np.round(dots * GAP / np.array(size))).astype(int)
    whole = np.full(tuple(np.array(grid) * (dots + gaps)), np.nan, np.float32)
    high = float(np.nanmax(maps.values, initial=0.0)) or 1.0
    for (layer, head), (row, column) in zip(there, places, strict=True):
        values, _ = downsample(maps.values[layer, head], DOTS, DOTS)
        top = high if shared else float(np.nanmax(values, initial=0.0)) or 1.0
        y, x = row * (dots[0] + gaps[0]), column * (dots[1] + gaps[1])
        shade = np.clip(values / top, 0, 1) ** gamma
        whole[y : y + dots[0], x : x + dots[1]] = shade.repeat(each[0], 0).repeat(each[1], 1)
    return palette_png(whole, blended_colours(BLUES, 255)), factors


def _cells(
    maps: AttentionMaps,
    traits: HeadTraits | None,
    there: np.ndarray,
    places: list[tuple[int, int]],
    score: np.ndarray | None,
) -> list[dict[str, Any]]:
    """Returns one record a head: its place, its names and its traits."""
    names = None if traits is None else traits.names
    out = []
    for (layer, head), (row, column) in zip(there.tolist(), places, strict=True):
        cell: dict[str, Any] = {"x": column, "y": row, "layer": maps.layers[layer], "head": head}
        cell["label"] = f"{maps.layers[layer]}.{head}"
        if traits is not None and names is not None:
            cell["trait"] = names[layer, head] or "none of these"
            cell |= {t: exact_number(float(traits.scores[t][layer, head])) for t in TRAITS}
        if score is not None:
            cell["score"] = exact_number(float(score[layer, head]))
        out.append(cell)
    return out


def _drawn(
    picture: str,
    cells: list[dict[str, Any]],
    grid: tuple[int, int],
    box: dict[str, int],
    placed: bool,
    maps: AttentionMaps,
    select: str | None,
) -> alt.LayerChart:
    rows, columns = grid
    across = alt.Scale(domain=[0, columns], nice=False)
    down = alt.Scale(domain=[0, rows], nice=False, reverse=True)
    look: dict[str, Any] = {"grid": False, "ticks": False, "domain": False, "labelPadding": 4, "labelOverlap": True}
    axes: dict[str, Any] = {"x": None, "y": None}
    if placed:
        axes["x"] = alt.Axis(
            title="head", orient="top", values=[i + 0.5 for i in range(columns)], labelExpr="datum.value - 0.5", **look
        )
        axes["y"] = alt.Axis(
            title="layer",
            values=[i + 0.5 for i in range(rows)],
            labelExpr=f"{list(maps.layers)}[datum.value - 0.5]",
            **look,
        )
    x, y = (alt.X("x:Q", scale=across, axis=axes["x"]), alt.Y("y:Q", scale=down, axis=axes["y"]))
    image = (
        alt.Chart(alt.InlineData(values=[{"x": 0, "y": 0, "url": picture}]))
        .mark_image(align="left", baseline="top", aspect=False, smooth=False, tooltip=None, **box)
        .encode(x=x, y=y, url=alt.Url("url:N"), description=alt.DescriptionValue("every head as a small map"))
    )
    over = alt.Chart(inline_data(cells)).transform_calculate(x2="datum.x + 1", y2="datum.y + 1").mark_rect(opacity=0)
    over = over.encode(x=x, x2=alt.X2("x2:Q"), y=y, y2=alt.Y2("y2:Q"), tooltip=_tooltips(cells))
    if select:
        over = over.add_params(alt.selection_point(name=select, fields=["layer", "head"], empty=False))
    layers = [image, over]
    if not placed:  # the name stands in each map, since no axis has it
        mark = alt.Chart(inline_data(cells)).mark_text(align="left", baseline="top", dx=2, dy=2, fontSize=9)
        layers.append(mark.encode(x=x, y=y, text=alt.Text("label:N"), color=alt.ColorValue("#15202b")))
    return alt.layer(*layers)


def _tooltips(cells: list[dict[str, Any]]) -> list[alt.Tooltip]:
    first = cells[0] if cells else {}
    tips = [alt.Tooltip("layer:Q"), alt.Tooltip("head:Q")]
    if "trait" in first:
        tips.append(alt.Tooltip("trait:N", title="looks mostly at"))
        tips += [alt.Tooltip(f"{t}:Q", title=TRAITS[t], format=".2f") for t in TRAITS]
    if "score" in first:
        tips.append(alt.Tooltip("score:Q", title="sorted by", format=".3~r"))
    return tips


def _lines(maps: AttentionMaps, order: str, gamma: float, shared: bool, factors: tuple[int, int]) -> list[str]:
    said = ["one scale for all heads" if shared else "each head runs to its own maximum", f"gamma {gamma:g}"]
    if order != "layer":
        by = TRAITS.get(order, order)
        said.append(f"sorted by {by}: the strongest first, named layer.head")
    if factors != (1, 1):
        said.append(f"each dot is the maximum of {factors[0]} x {factors[1]} cells")
    which = " · ".join(filter(None, [maps.source, KIND_NAMES[maps.kind], "queries down, keys across"]))
    return [which, " · ".join(said), NOT_SAID]
