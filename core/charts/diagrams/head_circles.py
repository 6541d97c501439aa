"""Draws the kind of every head as one grid of circles: colour and letter for the kind, size for its importance.

Guarded by tests/core/test_charts_diagrams_head_circles.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from ...maps.head_traits import TRAITS, HeadTraits
from ..matrix_layout import exact_number
from ..panels import inline_data
from ..text_labels import GREY, title_block
from .figure_style import TWO_COLUMNS, wrapped_caption

COLOURS = {
    "previous": "#0072B2",
    "next": "#56B4E9",
    "self": "#8C8C8C",
    "first": "#E69F00",
    "special": "#B8860B",
    "same": "#009E73",
    "induction": "#D55E00",
    "local": "#CC79A7",
    "broad": "#9fb4c7",
    "": "#d5dbe3",
}
LETTERS = {
    **{"previous": "P", "next": "N", "self": "S", "first": "1", "special": "M"},
    **{"same": "=", "induction": "I", "local": "L", "broad": "B", "": "·"},
}
"""Letters in the circles, so that kinds can be told apart in greyscale."""
CELL, TALLEST = 30, 660
"""Largest side of a cell and height of all of them, in pixels."""


def head_circles(
    traits: HeadTraits,
    importance: np.ndarray | None = None,
    *,
    unit: str = "importance",
    width: int = TWO_COLUMNS,
    caption: Sequence[str] = (),
    title: str = "What kind of head each head is",
    select: str | None = None,
) -> alt.LayerChart:
    """Draws layers down and heads across, a circle for each head.

    ``importance`` [layer, head] is the size of a circle, its area proportional to the amount, e.g. the nats that the
    answer loses without that head (``switch_off``) or learned weights; negative ones are hollow. All are of one size
    where it is not given. ``unit`` names it. ``select`` names a point selection over ``layer`` and ``head``. Raises
    ValueError where shapes differ.
    """
    names = traits.names
    layers, heads = names.shape
    if importance is not None and np.shape(importance) != (layers, heads):
        raise ValueError(f"importance has shape {np.shape(importance)}, expected {(layers, heads)}: one number a head.")
    amount = np.ones((layers, heads)) if importance is None else np.nan_to_num(np.asarray(importance, float))
    most = float(np.abs(amount).max()) or 1.0
    cell = max(7.0, min(CELL, (width - 170) / heads, TALLEST / layers))
    records = [
        row | {"x": int(row["head"]), "y": at[int(row["layer"])], "kind": row["trait"] or "none"}  # type: ignore[call-overload]
        for at in [{layer: i for i, layer in enumerate(traits.layers)}]
        for row in traits.rows()
    ]
    for record in records:
        value = float(amount[record["y"], record["x"]])
        record |= {
            "amount": exact_number(value),
            "area": round(3.0 + abs(value) / most * (0.78 * cell**2), 2),
            "sign": "less than nothing" if value < 0 else "something",
            "letter": LETTERS[record["trait"]],
        }
    chart = _circles(records, traits, importance is not None, unit, cell, select)
    lines = [traits.source, _says(importance is not None, unit)]
    return chart.properties(
        width=cell * heads,
        height=cell * layers,
        title=title_block(title, wrapped_caption([*caption, *filter(None, lines)], width)),
        view=alt.ViewBackground(stroke=None),
    )


def _says(sized: bool, unit: str) -> str:
    kinds = "A head is named after where most of its attention falls, where that is above chance"
    return f"{kinds}; area: {unit}, hollow where it is below 0" if sized else kinds


def _circles(
    records: list[dict[str, Any]], traits: HeadTraits, sized: bool, unit: str, cell: float, select: str | None
) -> alt.LayerChart:
    layers, heads = traits.names.shape
    look: dict[str, Any] = {"grid": False, "ticks": False, "domain": False, "labelPadding": 3, "labelOverlap": True}
    across = alt.Axis(title="head", orient="top", labelAngle=0, **look)
    down = alt.Axis(title="layer", labelExpr=f"{list(traits.layers)}[datum.value]", **look)
    x = alt.X("x:O", scale=alt.Scale(domain=list(range(heads)), padding=0), axis=across)
    y = alt.Y("y:O", scale=alt.Scale(domain=list(range(layers)), padding=0), axis=down)
    present = [kind for kind in (*TRAITS, "") if any(record["trait"] == kind for record in records)]
    named = {kind: f"{LETTERS[kind]}  {TRAITS.get(kind, 'none of these')}" for kind in present}
    for record in records:
        record["named"] = named[record["trait"]]
    legend = alt.Legend(title="looks mostly at", symbolType="circle", symbolOpacity=1, labelLimit=220)
    scale = alt.Scale(domain=list(named.values()), range=[COLOURS[kind] for kind in present])
    colour = alt.Color("named:N", scale=scale, legend=legend)
    tips = [alt.Tooltip("layer:Q"), alt.Tooltip("head:Q"), alt.Tooltip("named:N", title="looks mostly at")]
    tips += [alt.Tooltip("amount:Q", title=unit, format=".3~r")] if sized else []
    tips += [alt.Tooltip(f"{trait}:Q", title=about, format=".2f") for trait, about in TRAITS.items()]
    base = alt.Chart(inline_data(records)).encode(x=x, y=y, tooltip=tips)
    size = alt.Size("area:Q", scale=None, legend=None)
    full = base.transform_filter("datum.sign == 'something'").mark_circle(opacity=0.9).encode(color=colour, size=size)
    hollow = base.transform_filter("datum.sign != 'something'").mark_point(filled=False, strokeWidth=1.6)
    cells = base.mark_rect(opacity=0)  # makes bands of the axes, so that no circle lies on their labels
    layers_drawn: list[Any] = [cells, full, hollow.encode(color=colour, size=size)]
    if cell >= 14:
        mark = base.mark_text(fontSize=min(11, cell * 0.42), color="#15202b", tooltip=None)
        layers_drawn.append(mark.encode(text="letter:N"))
    if select:
        layers_drawn[0] = cells.add_params(alt.selection_point(name=select, fields=["layer", "head"], empty=False))
    missing = [
        {"x": h, "y": i} for i in range(layers) for h in range(heads) if not np.isfinite(traits.scores["broad"][i, h])
    ]
    if missing:
        layers_drawn.append(alt.Chart(inline_data(missing)).mark_rect(color=GREY, opacity=0.25).encode(x=x, y=y))
    return alt.layer(*layers_drawn)
