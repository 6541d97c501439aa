"""Draws what the answer loses when a head or another part of the model is switched off.

Guarded by tests/core/test_charts_diagrams_switch_off_effects.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from ..axis_labels import AxisLabels, with_labels
from ..matrix_layout import exact_number
from ..panels import inline_data
from ..text_labels import thin_labels, title_block, visible_label
from .figure_style import SEQUENTIAL, TWO_COLUMNS, wrapped_caption

RAISES, LOWERS = "#2468a4", "#D55E00"
SAYS = "Blue, full: the answer was likelier with it. Orange, hollow: likelier without it. Area: nats"


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
) -> alt.HConcatChart | alt.LayerChart:
    """Draws ``effects`` [layer, head] as circles, beside ``attention`` [layer, head] as shades where it is given.

    An effect is in nats: the answer's log-probability with everything minus that without the head, so above 0 it
    helped. NaN: the head is not there. ``layers`` names the rows, 0 .. L-1 where not given. ``select`` names a
    point selection over ``layer`` and ``head`` of the circles. Raises ValueError where shapes differ.
    """
    effects = np.asarray(effects, float)
    names = list(layers) if layers is not None else list(range(len(effects)))
    if effects.ndim != 2 or len(names) != len(effects):
        raise ValueError(f"effects has shape {effects.shape}, expected ({len(names)}, heads).")
    if attention is not None and np.shape(attention) != effects.shape:
        raise ValueError(f"attention has shape {np.shape(attention)} and effects {effects.shape}: both are one a head.")
    count, heads = effects.shape
    beside = 2 if attention is not None else 1
    cell = max(6.0, min(26.0, (width - 60 * beside - 60) / (heads * beside), 660 / count))
    box = {"width": cell * heads, "height": cell * count}
    circles = _circles(effects, names, cell, select).properties(**box)
    said = wrapped_caption([*caption, SAYS], width)
    if attention is None:
        return circles.properties(title=title_block(title, said))
    shades = _shades(np.asarray(attention, float), names, attention_name).properties(**box)
    both = alt.hconcat(circles, shades, spacing=26).resolve_scale(color="independent")
    return both.properties(title=title_block(title, said))


def _axes(names: Sequence[int], heads: int) -> dict[str, Any]:
    look: dict[str, Any] = {"grid": False, "ticks": False, "domain": False, "labelPadding": 3, "labelOverlap": True}
    down = alt.Axis(title="layer", labelExpr=f"{list(names)}[datum.value]", **look)
    return {
        "x": alt.X(
            "x:O",
            scale=alt.Scale(domain=list(range(heads)), padding=0),
            axis=alt.Axis(title="head", orient="top", labelAngle=0, **look),
        ),
        "y": alt.Y("y:O", scale=alt.Scale(domain=list(range(len(names))), padding=0), axis=down),
    }


def _circles(effects: np.ndarray, names: Sequence[int], cell: float, select: str | None) -> alt.LayerChart:
    most = float(np.nanmax(np.abs(effects), initial=0.0)) or 1.0
    records = [
        {"x": h, "y": a, "layer": names[a], "head": h, "nats": exact_number(float(effects[a, h])),
         "area": round(abs(float(effects[a, h])) / most * 0.74 * cell**2, 2)}
        for a, h in np.argwhere(np.isfinite(effects)).tolist()
    ]  # fmt: skip
    base = alt.Chart(inline_data(records)).encode(
        **_axes(names, effects.shape[1]),
        size=alt.Size("area:Q", scale=None),
        tooltip=["layer:Q", "head:Q", alt.Tooltip("nats:Q", title="effect (nats)", format="+.3~r")],
    )
    helped = base.transform_filter("datum.nats >= 0").mark_circle(color=RAISES, opacity=0.9)
    hurt = base.transform_filter("datum.nats < 0").mark_point(color=LOWERS, filled=False, strokeWidth=1.5)
    cells = _bands(base)
    if select:
        cells = cells.add_params(alt.selection_point(name=select, fields=["layer", "head"], empty=False))
    return alt.layer(cells, helped, hurt)


def _bands(base: alt.Chart) -> alt.Chart:
    """Draws unseen cells: they make bands of the axes, so that no circle lies on the labels."""
    return base.mark_rect(opacity=0).encode(size=alt.value(1))


def _shades(attention: np.ndarray, names: Sequence[int], named: str) -> alt.Chart:
    records = [
        {"x": h, "y": a, "layer": names[a], "head": h, "share": exact_number(float(attention[a, h]))}
        for a, h in np.argwhere(np.isfinite(attention)).tolist()
    ]
    legend = alt.Legend(title=named, gradientLength=100, tickCount=3, format=".2~p")
    top = float(np.nanmax(attention, initial=0.0)) or 1.0
    colour = alt.Color("share:Q", scale=alt.Scale(scheme=SEQUENTIAL, domain=[0, exact_number(top)]), legend=legend)
    tips = ["layer:Q", "head:Q", alt.Tooltip("share:Q", title=named, format=".3~p")]
    axes = _axes(names, attention.shape[1])
    return alt.Chart(inline_data(records)).mark_rect().encode(**axes, color=colour, tooltip=tips)


def switch_off_steps(
    effects: np.ndarray,
    parts: Sequence[str],
    tokens: Sequence[str],
    *,
    width: int = TWO_COLUMNS,
    caption: Sequence[str] = (),
    title: str = "What each token loses without a part",
) -> alt.LayerChart:
    """Draws ``effects`` [part, step] in nats, token by token: full circles helped the token, hollow ones hindered it.

    Raises ValueError where labels do not fit the values.
    """
    effects = np.asarray(effects, float)
    if effects.shape != (len(parts), len(tokens)):
        raise ValueError(f"effects has shape {effects.shape}, expected {(len(parts), len(tokens))} (parts, steps).")
    cell = max(7.0, min(30.0, (width - 150) / max(len(tokens), 1)))
    most = float(np.nanmax(np.abs(effects), initial=0.0)) or 1.0
    records = [
        {"x": t, "y": p, "part": parts[p], "token": visible_label(tokens[t]),
         "nats": exact_number(float(effects[p, t])),
         "area": round(abs(float(effects[p, t])) / most * 0.74 * cell**2, 2)}
        for p, t in np.argwhere(np.isfinite(effects)).tolist()
    ]  # fmt: skip
    labels = {"x": AxisLabels([visible_label(t, 14) for t in tokens]), "y": AxisLabels(list(parts))}
    look: dict[str, Any] = {"grid": False, "ticks": False, "domain": False, "labelOverlap": False, "labelPadding": 4}
    shown = {"values": thin_labels(len(tokens), cell * len(tokens), 10), "labelExpr": labels["x"].at("datum.value")}
    across = alt.Axis(title="answer", labelAngle=-90, labelFontSize=10, labelLimit=90, **shown, **look)
    down = alt.Axis(title=None, labelLimit=130, labelExpr=labels["y"].at("datum.value"), **look)
    base = alt.Chart(inline_data(records)).encode(
        x=alt.X("x:O", scale=alt.Scale(domain=list(range(len(tokens))), padding=0), axis=across),
        y=alt.Y("y:O", scale=alt.Scale(domain=list(range(len(parts))), padding=0), axis=down),
        size=alt.Size("area:Q", scale=None),
        tooltip=["part:N", "token:N", alt.Tooltip("nats:Q", title="effect (nats)", format="+.3~r")],
    )
    helped = base.transform_filter("datum.nats >= 0").mark_circle(color=RAISES, opacity=0.9)
    hurt = base.transform_filter("datum.nats < 0").mark_point(color=LOWERS, filled=False, strokeWidth=1.5)
    chart = with_labels(alt.layer(_bands(base), helped, hurt), *labels.values())
    return chart.properties(
        width=cell * len(tokens),
        height=cell * len(parts),
        title=title_block(title, wrapped_caption([*caption, SAYS], width)),
    )
