"""Draws how a value changes with the factor by which reading was turned up or down: a line per part, rivals beside.

x is the factor on a logarithmic axis, every factor labelled; a factor of 0 stands left of all, since it has no
logarithm. All lines pass through the plain run at 1, whose mean goes on as a dashed line. Rivals (other wordings,
without steering) have no factor and stand at the right. Guarded by tests/core/test_charts_study_doses.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from .axis_labels import AxisLabels, with_labels
from .interval_rows import SHAPES, value_with_interval
from .matrix_layout import exact_number
from .panels import LISTED, inline_data
from .text_labels import GREY, OKABE_ITO, STRETCH, title_block, visible_label

DOSE_DRAWN = ("series", "factor", "value", "low", "high", "n", "faint", "note")
APART = 0.09
"""Horizontal distance between two parts at one factor, in doublings: bars shall not cover each other."""
HEIGHT = 300
HALVES = {2.0**-k: f"1/{2**k}" for k in range(1, 7)}


def dose_chart(
    table: pd.DataFrame,
    *,
    title: str,
    axis: str,
    rivals: Mapping[str, str] | None = None,
    percent: bool = False,
    lines: Sequence[str] = (),
    width: int = 880,
) -> alt.LayerChart:
    """Draws rows with the columns DOSE_DRAWN; returns the chart.

    ``series`` is the part in words, "" for the plain run; rows whose ``factor`` is NaN are rivals, named by ``rivals``
    {series: words for the axis}. ``faint``: drawn hollow, no verdict. ``percent``: values are shares. Raises ValueError
    where a column is missing or nothing has a value.
    """
    missing = [c for c in DOSE_DRAWN if c not in table]
    if missing:
        raise ValueError(f"The table has no column {missing[0]}: a dose-response needs {', '.join(DOSE_DRAWN)}.")
    own = table[table["value"].notna()]
    if own.empty:
        raise ValueError("Nothing has a value: a dose-response needs one row with a mean at least.")
    names = list(dict.fromkeys(s for s, f in zip(own["series"], own["factor"], strict=True) if s and f == f))
    places, ticks = _places(own, rivals or {})
    records = [_record(r, places, names, percent) for r in own.to_dict("records")]
    labels, series = AxisLabels([text for _, text in ticks]), AxisLabels([visible_label(n, 40) for n in names])
    layers = _layers(records, _x(ticks, labels), _y(axis, records, percent), _looks(series, len(names)))
    return with_labels(alt.layer(*layers), labels, series).properties(
        width=width,
        height=HEIGHT,
        title=title_block(title, lines),
        description=_spoken(title, lines, records),
        autosize=STRETCH,
    )


def factor_label(factor: float) -> str:
    """Returns a factor as its axis writes it: "1/4", "8"."""
    return HALVES.get(float(factor), f"{factor:g}")


def _places(own: pd.DataFrame, rivals: Mapping[str, str]) -> tuple[dict[tuple[str, float], float], list[Any]]:
    """Returns ({(series, factor): x in doublings}, [(x, label)]); a rival's factor is -1 here."""
    factors = sorted({float(f) for f in own["factor"] if f == f} | {1.0})
    up = {f: math.log2(f) for f in factors if f > 0}
    up |= {0.0: min(up.values()) - 1} if 0.0 in factors else {}
    names = list(dict.fromkeys(s for s, f in zip(own["series"], own["factor"], strict=True) if s and f == f))
    places = {(n, f): up[f] + (i - (len(names) - 1) / 2) * APART for i, n in enumerate(names) for f in factors}
    places["", 1.0] = 0.0
    beside = list(dict.fromkeys(own.loc[own["factor"].isna(), "series"]))
    places |= {(s, -1.0): max(up.values()) + 1.3 * (i + 1) for i, s in enumerate(beside)}
    ticks = [(up[f], factor_label(f)) for f in factors]
    ticks += [(places[s, -1.0], str(rivals.get(s, s)).replace(" ", "\n")) for s in beside]
    return places, ticks


def _record(
    row: Mapping[str, Any], places: Mapping[tuple[str, float], float], names: Sequence[str], percent: bool
) -> dict[str, Any]:
    value, low, high = (float(row[c]) for c in ("value", "low", "high"))
    rival = row["factor"] != row["factor"]
    known = math.isfinite(low) and math.isfinite(high)
    series = str(row["series"])
    return {
        "x": round(places[series, -1.0 if rival else float(row["factor"])], 4),
        "series": visible_label(series, 60) if series else "plain run",
        "line": names.index(series) if series in names and not rival else None,
        "factor": "" if rival else factor_label(float(row["factor"])),
        "value": exact_number(value),
        "low": exact_number(low) if known else None,
        "high": exact_number(high) if known else None,
        "shown": value_with_interval(value, low, high, percent),
        "n": int(row["n"]) if row["n"] == row["n"] else None,
        "faint": bool(row["faint"]),
        "note": str(row["note"] or ""),
    }


def _x(ticks: Sequence[tuple[float, str]], labels: AxisLabels) -> alt.X:
    at = [x for x, _ in ticks]
    shown = f"split({labels.at(f'indexof({at}, datum.value)')}, '\\n')"
    look: dict[str, Any] = {"grid": False, "labelOverlap": False, "labelBound": False, "labelFontSize": 12}
    span = [min(at) - 0.4, max(at) + 0.5]
    scale = alt.Scale(domain=span, nice=False, zero=False)
    return alt.X("x:Q", title="factor of reading", scale=scale, axis=alt.Axis(values=at, labelExpr=shown, **look))


def _y(axis: str, records: Sequence[Mapping[str, Any]], percent: bool) -> alt.Y:
    found = [r[c] for r in records for c in ("value", "low", "high") if r[c] is not None]
    low, high = min(found), max(found)
    room = 0.06 * (high - low) or 0.1
    span = [max(0.0, low - room), min(1.0, high + room)] if percent else [low - room, high + room]
    form = ".0%" if percent else "~f"
    return alt.Y(
        "value:Q",
        title=axis,
        scale=alt.Scale(domain=span, nice=False, zero=False),
        axis=alt.Axis(format=form, tickCount=6, titleLimit=HEIGHT),
    )


def _looks(series: AxisLabels, count: int) -> tuple[alt.Color, alt.Shape]:
    """Returns a colour and a shape for each part."""
    places = list(range(max(count, 1)))
    legend = alt.Legend(title=None, labelExpr=series.at(), labelLimit=260, symbolOpacity=1, **LISTED)
    shown = legend if count else None
    colours = alt.Scale(domain=places, range=[OKABE_ITO[i % 6] for i in places])
    shapes = alt.Scale(domain=places, range=[SHAPES[i % len(SHAPES)] for i in places])
    return alt.Color("line:N", scale=colours, legend=shown), alt.Shape("line:N", scale=shapes, legend=shown)


def _layers(
    records: Sequence[dict[str, Any]], x: alt.X, y: alt.Y, looks: tuple[alt.Color, alt.Shape]
) -> list[alt.Chart]:
    color, shape = looks
    tips = [alt.Tooltip(f"{c}:N", title=t) for c, t in (("series", "what"), ("factor", "factor"), ("shown", "mean"))]
    tips += [alt.Tooltip("n:Q", title="prompts"), alt.Tooltip("note:N", title="note")]
    plain = [r for r in records if r["series"] == "plain run"]
    places = sorted({r["line"] for r in records if r["line"] is not None})
    through = [r for r in records if r["line"] is not None] + [{**r, "line": i} for r in plain for i in places]
    steered = alt.Chart(inline_data([r for r in records if r["line"] is not None]))
    others = alt.Chart(inline_data([r for r in records if r["line"] is None]))
    ends = {"x": x, "y": alt.Y("low:Q"), "y2": "high:Q", "tooltip": tips}
    fill = alt.condition("datum.faint", alt.value("transparent"), color)
    grey = alt.condition("datum.faint", alt.value("transparent"), alt.value(GREY))
    dashes = {"strokeDash": [4, 3], "color": GREY, "strokeWidth": 1.2, "tooltip": None}
    return [
        alt.Chart(inline_data(plain)).mark_rule(**dashes).encode(y=y),
        alt.Chart(inline_data(through)).mark_line(strokeWidth=1.8, tooltip=None).encode(x=x, y=y, color=color),
        others.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2.2, color=GREY).encode(**ends),
        steered.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2.2).encode(**ends, color=color),
        others.mark_point(size=80, shape="diamond", opacity=1, stroke=GREY).encode(x=x, y=y, fill=grey, tooltip=tips),
        steered.mark_point(size=62, opacity=1, strokeWidth=1.8).encode(
            x=x, y=y, stroke=color, fill=fill, shape=shape, tooltip=tips
        ),
    ]


def _spoken(title: str, lines: Sequence[str], records: Sequence[Mapping[str, Any]]) -> str:
    said = [f"{r['series']}{' x ' + r['factor'] if r['factor'] else ''}: {r['shown']}" for r in records[:40]]
    return " ".join([f"{title}.", *(f"{line}." for line in lines), "; ".join(said)])
