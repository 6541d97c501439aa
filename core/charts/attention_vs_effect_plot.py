"""Plots every word of the prompt as a point: its attention (x) against the ablation effect (y).

x is a multiple of the uniform share on a log axis, since multiples run over several powers of ten; a word without
attention stands at the left edge, whose label says so. y is the log-probability that the same answer lost. Labels are
written for the points farthest out, as long as they do not overlap. Guarded by
tests/core/test_charts_attention_vs_effect_plot.py.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import altair as alt
import numpy as np

from ..comparing.attention_vs_effect import CORNERS, LOST_THRESHOLD, READ_THRESHOLD, corner_of
from .matrix_layout import exact_number
from .panels import BELOW, inline_data
from .text_labels import (
    GREY,
    OKABE_ITO,
    STRETCH,
    percent_text,
    significant_digits,
    title_block,
    visible_label,
)

ABOUT_FIELDS = (
    "helped: the answer was less likely without it · hindered: likelier without it",
    "between the dashed lines: about as likely · right: read more than uniform",
)
MOST_LABELS = 14
"""Most points with a label."""
TICKS = (0.001, 0.01, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128)
PICKED_RING = "#D55E00"


def corner_names(x: np.ndarray, y: np.ndarray, threshold: float = LOST_THRESHOLD) -> list[str]:
    """Returns [point]: one of CORNERS; empty where a number is undefined."""
    return [corner_of(a, b, threshold) for a, b in zip(np.asarray(x, float), np.asarray(y, float), strict=True)]


def attention_vs_effect_chart(
    x: np.ndarray,
    y: np.ndarray,
    labels: Sequence[str],
    roles: Sequence[str] | None = None,
    shares: np.ndarray | None = None,
    *,
    picked: Collection[int] | None = None,
    units: Sequence[int] | None = None,
    threshold: float = LOST_THRESHOLD,
    caption: Sequence[str] = (),
    select: str | None = "word",
    width: int = 880,
    height: int = 420,
    title: str = "Read × effect",
) -> alt.LayerChart:
    """Plots ``x[i]`` times uniform and ``y[i]`` nats lost for the input unit ``units[i]`` with label ``labels[i]``.

    ``units`` are 0, 1, ... by default. ``roles`` colour the points (user, system, markup, a segment), ``shares`` are
    for the tooltip. ``picked`` are units to highlight; ``select`` names a point selection over the field ``unit``
    (None: no selection). Points with an undefined number are left out, and the figure says how many. Raises ValueError
    where lengths differ.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    ids = list(range(len(labels))) if units is None else [int(u) for u in units]
    _check(labels, {"x": x, "y": y, "units": ids, "roles": roles, "shares": shares})
    corners = corner_names(x, y, threshold)
    there = [i for i, corner in enumerate(corners) if corner]
    floor, top = _range(x[there])
    records = [
        {
            "unit": ids[i],
            "word": visible_label(labels[i]),
            "x": exact_number(max(float(x[i]), floor)),
            "y": exact_number(float(y[i])),
            "read": f"{significant_digits(float(x[i]))} × uniform",
            "lost": f"{'-' if y[i] < 0 else '+'}{significant_digits(abs(float(y[i])))} nats",
            "share": percent_text(float(shares[i])) if shares is not None else "",
            "role": str(roles[i]) if roles is not None else "",
            "corner": corners[i],
            "picked": ids[i] in (picked or ()),
        }
        for i in there
    ]
    lines = [*caption, *ABOUT_FIELDS]
    if len(there) < len(labels):
        out = f"{len(labels) - len(there)} of {len(labels)} are not drawn"
        lines.append(f"{out}: they cannot be hidden, or no token of the answer could read them")
    scales = _scales(floor, top, y[there], threshold, bool((x[there] <= floor).any()))
    marks = [*_layers(records, scales, threshold, select, shares is not None), *_labels(records, scales, width, height)]
    counts = ", ".join(f"{corners.count(c)} {c}" for c in CORNERS)
    said = f"{title}: {len(there)} points, {counts}."
    return alt.layer(
        *marks,
        width=width,
        height=height,
        title=title_block(title, lines),
        description=" ".join([said, *(line + "." for line in lines)]),
        autosize=STRETCH,
    )


def _check(labels: Sequence[str], parts: dict[str, Any]) -> None:
    for name, part in parts.items():
        if part is not None and len(part) != len(labels):
            raise ValueError(f"{name} has {len(part)} entries for {len(labels)} labels.")


def _range(x: np.ndarray) -> tuple[float, float]:
    """Returns (where zeros are drawn, right end) of the log axis; 1 is always inside."""
    positive = x[x > 0]
    low = float(positive.min()) if len(positive) else 0.5
    low = max(min(low, 0.5), 1e-3)
    high = max(float(positive.max()) if len(positive) else 2.0, 2.0)
    return low / 1.6, high * 1.6


def _scales(floor: float, top: float, y: np.ndarray, threshold: float, unread: bool) -> dict[str, Any]:
    """Returns the limits of both axes, with room for the corners' names."""
    low, high = min(float(y.min(initial=0)), -threshold), max(float(y.max(initial=0)), threshold)
    span = (high - low) or 1.0
    return {
        "x": [exact_number(floor), exact_number(top)],
        "y": [exact_number(low - 0.16 * span), exact_number(high + 0.16 * span)],
        "floor": floor,
        "unread": unread,
        "hindered": bool((y < -threshold).any()),
    }


def _encode(scales: dict[str, Any]) -> dict[str, Any]:
    floor, (start, end) = exact_number(scales["floor"]), scales["x"]
    text = f"datum.value <= {floor} * 1.0001 ? 'hardly read' : format(datum.value, '~g') + ' ×'"
    ticks = [*([floor] if scales["unread"] else []), *(t for t in TICKS if start * 1.25 < t < end)]
    x_scale = alt.Scale(type="log", domain=[start, end], nice=False, clamp=True)
    y_scale = alt.Scale(domain=scales["y"], nice=False, zero=False)
    x_axis = alt.Axis(values=ticks, labelExpr=text, grid=False, labelOverlap="greedy")
    y_axis = alt.Axis(format="+~f", tickCount=8, grid=False)
    return {
        "x": alt.X("x:Q", title="read: attention share, in multiples of uniform reading", scale=x_scale, axis=x_axis),
        "y": alt.Y("y:Q", title="effect: log-probability lost without it (nats)", scale=y_scale, axis=y_axis),
    }


def _layers(
    records: list[dict[str, Any]],
    scales: dict[str, Any],
    threshold: float,
    select: str | None,
    shares: bool,
) -> list[Any]:
    both = _encode(scales)
    lines: list[Any] = [
        alt.Chart(alt.InlineData(values=[{"x": READ_THRESHOLD}]))
        .mark_rule(color=GREY, strokeDash=[4, 3])
        .encode(x=both["x"]),
        alt.Chart(alt.InlineData(values=[{"y": threshold}, {"y": -threshold}]))
        .mark_rule(color=GREY, strokeDash=[4, 3])
        .encode(y=both["y"]),
    ]
    names = list(dict.fromkeys(r["role"] for r in records))
    tooltip = _tooltip(any(names), shares)
    base = alt.Chart(inline_data(records)).encode(**both, tooltip=tooltip)
    points = base.mark_point(filled=True, size=80, opacity=0.85, stroke="white", strokeWidth=0.6)
    if len(names) > 1:
        colours = alt.Scale(domain=names, range=[OKABE_ITO[i % (len(OKABE_ITO) - 1)] for i in range(len(names))])
        points = points.encode(color=alt.Color("role:N", scale=colours, legend=alt.Legend(title="text", **BELOW)))
    else:
        points = points.encode(color=alt.ColorValue(OKABE_ITO[0]))
    if select:
        points = points.add_params(alt.selection_point(name=select, fields=["unit"], empty=False))
    ring = base.transform_filter("datum.picked").mark_point(
        size=260, strokeWidth=3, color=PICKED_RING, fill=None, opacity=1
    )
    return [*_corners(scales), *lines, points, ring]


def _corners(scales: dict[str, Any]) -> list[alt.Chart]:
    """Writes the four corners' names, each in its corner of the plot."""
    low = 2 if scales["hindered"] else 1  # what lies at the bottom: what hindered, or what made no difference
    places = [("width", "right", -8, 16, CORNERS[0], 0), ("width", "right", -8, -8, CORNERS[low], "height"),
              (0, "left", 8, 16, CORNERS[3], 0), (0, "left", 8, -8, CORNERS[3 + low], "height")]  # fmt: skip
    out = []
    for x, align, dx, dy, name, y in places:
        mark = alt.Chart(alt.InlineData(values=[{"name": name}]))
        mark = mark.mark_text(align=align, dx=dx, dy=dy, color=GREY, fontSize=13, fontStyle="italic", fontWeight="bold")
        out.append(mark.encode(x=alt.XValue(x), y=alt.YValue(y), text=alt.Text("name:N")))
    return out


def _labels(records: list[dict[str, Any]], scales: dict[str, Any], width: int, height: int) -> list[alt.Chart]:
    """Labels the points farthest out; labels that would overlap, or leave the picture, are only in the tooltip."""
    (x0, x1), (y0, y1) = scales["x"], scales["y"]
    plot = width - 80
    boxes: list[tuple[float, float, float, float]] = []
    out: dict[str, list[dict[str, Any]]] = {"left": [], "right": []}
    spread = max((abs(r["y"]) for r in records), default=1) or 1

    def weight(r: dict[str, Any]) -> float:
        return abs(r["y"]) / spread + 0.35 * max(0.0, math.log2(max(r["x"], 1e-9))) + 10 * r["picked"]

    for r in sorted(records, key=weight, reverse=True):
        px = plot * math.log(r["x"] / x0) / math.log(x1 / x0)
        py = height * (y1 - r["y"]) / (y1 - y0)
        long = 7.2 * len(r["word"]) + 4
        for align, left in (("left", px + 8), ("right", px - 8 - long)):
            box = (left, py - 8, left + long, py + 8)
            if left < 0 or left + long > plot or any(_meet(box, other) for other in boxes):
                continue
            boxes.append(box)
            out[align].append(r)
            break
        if len(boxes) >= MOST_LABELS:
            break
    both = _encode(scales)
    return [
        alt.Chart(inline_data(rows))
        .mark_text(align=align, dx=8 if align == "left" else -8, color=GREY, fontSize=12, baseline="middle")
        .encode(**both, text=alt.Text("word:N"))
        for align, rows in out.items()
        if rows
    ]


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _tooltip(roles: bool, shares: bool) -> list[alt.Tooltip]:
    names = {
        "word": "input",
        "read": "read",
        **({"share": "share of attention"} if shares else {}),
        "lost": "log-probability lost",
    }
    names |= {"corner": "corner", **({"role": "text"} if roles else {})}
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in names.items()]
