"""Draws the grid of rank correlations of features and metrics, one per cell with its number.

A star means that q is at most 0.05. Pairs that are linked by construction are hatched and have no number, since they
are no finding; pairs that could not be tested are empty. A primary pair (named before Start) has a frame. Guarded by
tests/core/test_charts_study.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from .axis_labels import AxisLabels, with_labels
from .matrix_layout import exact_number
from .panels import BELOW, PICKED_COLOUR, inline_data
from .text_labels import GREY, SIDES, STRETCH, title_block, visible_label

GRID_ROW, GRID_COLUMN = 20, 74
NUMBER_WIDTH = 34
"""Pixels that a number with a star needs."""
STAR_LEVEL = 0.05
SELECTION = "pair"
"""Name of the point selection, over the fields ``feature`` and ``metric``."""


def correlation_grid_chart(
    table: pd.DataFrame,
    *,
    features: Sequence[str],
    metrics: Sequence[str],
    names: Mapping[str, str],
    title: str,
    lines: Sequence[str] = (),
    picked: tuple[str, str] | None = None,
    select: bool = False,
    width: int = 880,
) -> alt.LayerChart:
    """Draws the correlations in ``table``: rows are ``features``, columns ``metrics``, in the order given.

    Its columns are ``feature``, ``metric``, ``rho``, ``low``, ``high``, ``q``, ``n`` and optionally ``linked`` and
    ``primary`` (bool), ``why``, ``verdict``. ``names``: {column: words}.
    """
    at_row = {name: i for i, name in enumerate(features)}
    at_column = {name: i for i, name in enumerate(metrics)}
    own = table[table["feature"].isin(at_row) & table["metric"].isin(at_column)]
    records = [_record(r, at_row, at_column, names) for r in own.to_dict("records")]
    across = min(GRID_COLUMN, max(60, width - SIDES) / max(len(metrics), 1))
    high = max(40, GRID_ROW * len(features))
    heads, sides = (AxisLabels([visible_label(names.get(c, c), 44) for c in some]) for some in (metrics, features))
    base = alt.Chart(inline_data(records)).encode(
        x=_place("x", heads, across * len(metrics)),
        y=_place("y", sides, high),
        tooltip=_tooltip(),
    )
    there = base.transform_filter("isValid(datum.rho)")
    scale = alt.Scale(scheme="blueorange", domain=[-1, 1], domainMid=0, clamp=True)
    legend = alt.Legend(title="rank correlation", format=".1f", tickCount=5, gradientLength=140, **BELOW)
    cells = there.mark_rect().encode(fill=alt.Fill("rho:Q", scale=scale, legend=legend))
    if select:
        cells = cells.add_params(alt.selection_point(name=SELECTION, fields=["feature", "metric"], empty=False))
    layers = [cells, _numbers(there, len(metrics))]
    layers += _gone(base, records)
    layers += _frames(base, records, picked)
    told = [*lines, f"star: q at most {STAR_LEVEL:g} over the whole grid", *_legend(records)]
    chart = with_labels(alt.layer(*layers), heads, sides)
    return chart.properties(
        width=across * len(metrics) + SIDES,
        height=high,
        title=title_block(title, told),
        description=f"{title}: {len(features)} features (rows) and {len(metrics)} metrics. {'. '.join(told)}.",
        autosize=STRETCH,
    )


def _record(
    line: Mapping[str, Any], at_row: Mapping[str, int], at_column: Mapping[str, int], names: Mapping[str, str]
) -> dict[str, Any]:
    feature, metric = str(line["feature"]), str(line["metric"])
    linked = bool(line.get("linked", False))
    rho, low, high, q = (float(line[c]) for c in ("rho", "low", "high", "q"))
    known = math.isfinite(rho) and not linked
    star = "*" if known and math.isfinite(q) and q <= STAR_LEVEL else ""
    shown = f"{rho + 0:.2f}{star}".replace("-0.00", "0.00") if known else ""
    interval = f"{rho:.2f} ({low:.2f} to {high:.2f})" if known and math.isfinite(low) else shown
    return {
        "x": at_column[metric],
        "y": at_row[feature],
        "feature": feature,
        "metric": metric,
        "row": names.get(feature, feature),
        "column": names.get(metric, metric),
        "rho": exact_number(rho) if known else None,
        "text": shown,
        "star": star,
        "shown": "linked by construction" if linked else interval or "undefined",
        "q": f"{q:.3g}" if math.isfinite(q) and not linked else "none",
        "n": int(line["n"]) if math.isfinite(float(line["n"])) else 0,
        "linked": linked,
        "primary": bool(line.get("primary", False)),
        "why": str(line.get("why") or line.get("verdict") or ""),
    }


def _numbers(there: alt.Chart, columns: int) -> alt.Chart:
    """Writes digits where cells are wide enough as drawn, else only the star."""
    shade = alt.condition("abs(datum.rho) > 0.62", alt.value("white"), alt.value("black"))
    text = f"width / {max(columns, 1)} >= {NUMBER_WIDTH} ? datum.text : datum.star"
    return there.mark_text(fontSize=10.5, text={"expr": text}).encode(color=shade)


def _gone(base: alt.Chart, records: Sequence[dict[str, Any]]) -> list[alt.Chart]:
    """Hatches pairs that are linked by construction; marks with a small dot those that could not be tested."""
    out = []
    if any(r["linked"] for r in records):
        own = base.transform_filter("datum.linked")
        out += [own.mark_rect(color=GREY, opacity=0.25), own.mark_text(text="╱╱╱", color=GREY, fontSize=11)]
    if any(r["rho"] is None and not r["linked"] for r in records):
        own = base.transform_filter("!isValid(datum.rho) && !datum.linked")
        out.append(own.mark_text(text="·", color=GREY, fontSize=14))
    return out


def _frames(base: alt.Chart, records: Sequence[dict[str, Any]], picked: tuple[str, str] | None) -> list[alt.Chart]:
    out = []
    if any(r["primary"] for r in records):
        own = base.transform_filter("datum.primary")
        out.append(own.mark_rect(fill=None, stroke=GREY, strokeWidth=1.6, strokeDash=[3, 2]))
    if picked is not None:
        same = [r for r in records if (r["feature"], r["metric"]) == picked]
        mark = alt.Chart(inline_data(same)).mark_rect(fill=None, stroke=PICKED_COLOUR, strokeWidth=2.5)
        out.append(mark.encode(x=base.encoding.x, y=base.encoding.y))
    return out


def _legend(records: Sequence[dict[str, Any]]) -> list[str]:
    parts = []
    if any(r["linked"] for r in records):
        parts.append("hatched: linked by construction, no finding")
    if any(r["rho"] is None and not r["linked"] for r in records):
        parts.append("a dot: could not be computed")
    if any(r["primary"] for r in records):
        parts.append("dashed frame: named before Start")
    return parts


def _place(side: str, labels: AxisLabels, pixels: float) -> Any:
    places = list(range(len(labels.texts)))
    across = side == "x"
    look = (
        {"orient": "top", "labelAngle": -50, "labelAlign": "left", "labelLimit": 150} if across else {"labelLimit": 250}
    )
    axis = alt.Axis(
        title=None,
        values=places,
        labelExpr=labels.fitting(14, pixels) if across else labels.at(),
        labelOverlap=False,
        labelFlush=False,
        labelBound=False,
        labelFontSize=12,
        grid=False,
        ticks=False,
        domain=False,
        labelPadding=4,
        **look,
    )
    scale = alt.Scale(domain=places, paddingInner=0.04, paddingOuter=0)
    return (alt.X if across else alt.Y)(f"{side}:O", sort=None, scale=scale, axis=axis)


def _tooltip() -> list[alt.Tooltip]:
    names = {
        "row": "feature", "column": "metric", "shown": "correlation (95 % interval)", "q": "q", "n": "prompts",
        "why": "note",
    }  # fmt: skip
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in names.items()]
