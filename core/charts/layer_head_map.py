"""Maps attention on picked words by layer and head, with its multiple of the uniform share.

A layer without attention (hybrids) or a head that a layer does not have is grey, never a zero: a zero would mean that
it attended and gave nothing. Layers run from left to right, since most models have more layers than heads and screens
are wide. The scale may run to the largest value, since one head is often far above the rest. Guarded by
tests/core/test_charts_layer_head_map.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from .matrix_layout import exact_number
from .panels import inline_data
from .text_labels import GREY, SIDES, STRETCH, legend_title, thin_labels, title_block

CELL = 26


def layers_heads_chart(
    values: np.ndarray,
    uniform: np.ndarray | float,
    layers: Sequence[int] | None = None,
    *,
    what: str = "the picked words",
    unit: str = "share",
    caption: Sequence[str] = (),
    title: str = "Layers and heads",
    select: str | None = None,
    width: int = 860,
    domain: tuple[float, float] | None = None,
) -> alt.LayerChart:
    """Draws ``values[layer, head]``, each head's attention on the picked words; NaN: it has no attention.

    ``uniform`` is one number or ``[layer, head]`` (windows differ); ``layers`` the ``layer_idx`` of the rows,
    0 .. L-1 when not given. ``what`` names the picked words in the title. ``select`` names a point selection
    over the fields ``layer`` and ``head``. Raises ValueError where shapes differ.
    """
    values = np.asarray(values, float)
    if values.ndim != 2:
        raise ValueError(f"values has shape {values.shape}, expected (layers, heads).")
    names = list(range(values.shape[0])) if layers is None else [int(n) for n in layers]
    if len(names) != values.shape[0]:
        raise ValueError(f"{len(names)} layers named, but values has {values.shape[0]} rows.")
    even = np.broadcast_to(np.asarray(uniform, float), values.shape)
    records = _records(values, even, names)
    high = domain[1] if domain else max(np.nanmax(values, initial=0.0), 0.0) or 1.0
    low = domain[0] if domain else 0.0
    heads = list(range(values.shape[1]))
    size = max(4, min(CELL, (width - SIDES) / max(len(names), 1))), max(6, min(CELL, 900 / max(len(heads), 1)))
    box = size[0] * len(names), size[1] * len(heads)
    x, y = _axis("layer", names, box[0]), _axis("head", heads, box[1])
    rects = alt.Chart(inline_data([r for r in records if r["value"] is not None])).mark_rect()
    color = alt.Color(
        "value:Q",
        scale=alt.Scale(scheme="viridis", domain=[exact_number(low), exact_number(float(high))], clamp=True),
        legend=alt.Legend(title=legend_title(unit), format=".2~p" if unit == "share" else ".3~r", gradientLength=140),
    )
    rects = rects.encode(x=x, y=y, color=color, tooltip=_tooltip(unit))
    if select:
        rects = rects.add_params(alt.selection_point(name=select, fields=["layer", "head"], empty=False))
    layered = [rects, *_nothing([r for r in records if r["value"] is None], x, y)]
    lines = [f"how much each head read of {what}", *caption]
    if len(layered) > 1:
        lines.append("grey with a stroke: no attention here")
    said = f"{title}: {legend_title(unit)} per layer (columns) and head (rows). {'. '.join(lines)}."
    return alt.layer(
        *layered,
        width=box[0] + SIDES,
        height=box[1],
        title=title_block(title, lines),
        description=said,
        autosize=STRETCH,
    )


def _records(values: np.ndarray, uniform: np.ndarray, names: list[int]) -> list[dict[str, Any]]:
    out = []
    for (row, column), value in np.ndenumerate(values):
        even = uniform[row, column]
        known = np.isfinite(value) and np.isfinite(even) and even > 0
        out.append(
            {
                "layer": names[row],
                "head": int(column),
                "value": exact_number(value),
                "times": exact_number(value / even) if known else None,
                "state": "reads" if np.isfinite(value) else "no attention",
            }
        )
    return out


def _axis(field: str, names: list[int], pixels: float) -> Any:
    shown = [names[i] for i in thin_labels(len(names), pixels, 24 if field == "layer" else 12)]
    axis = alt.Axis(title=field, values=shown, labelAngle=0, ticks=False, domain=False, grid=False)
    channel = alt.X if field == "layer" else alt.Y
    scale = alt.Scale(domain=names, paddingInner=0.04, paddingOuter=0)
    return channel(f"{field}:O", sort=None, scale=scale, axis=axis)


def _tooltip(unit: str) -> list[alt.Tooltip]:
    number = ".3~p" if unit == "share" else ".4~r"
    return [
        alt.Tooltip("layer:O"),
        alt.Tooltip("head:O"),
        alt.Tooltip("value:Q", title=legend_title(unit), format=number),
        alt.Tooltip("times:Q", title="times uniform reading", format=".3~r"),
    ]


def _nothing(records: list[dict[str, Any]], x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Returns grey hatched cells where there is no attention."""
    if not records:
        return []
    tip = [alt.Tooltip("layer:O"), alt.Tooltip("head:O"), alt.Tooltip("state:N", title=" ")]
    base = alt.Chart(inline_data(records)).encode(x=x, y=y, tooltip=tip)
    return [base.mark_rect(color=GREY, opacity=0.35), base.mark_text(text="╱", color=GREY)]
