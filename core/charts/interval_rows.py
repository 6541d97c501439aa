"""Draws rows of values with intervals, in groups with headings: the base of the quality, forest and other figures.

Models stand below each other inside a row, so that one glance compares them; a facet for each would be too narrow on a
phone and no page could stretch it. A value for which the sample is too small is hollow; one that is undefined says so
and is never drawn as 0. To add a figure of the study: make a table with the columns of ``interval_rows_chart`` and call
it. Guarded by tests/core/test_charts_study.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from .axis_labels import AxisLabels, row_axis, with_labels
from .matrix_layout import exact_number
from .panels import LISTED, inline_data
from .text_labels import GREY, OKABE_ITO, STRETCH, significant_digits, title_block, visible_label

LINE, ROOM = 15, 10
"""In pixels: height of one model in a row, and gap between rows."""
LONGEST = 46
"""Most graphemes of a label."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
ROW_COLUMNS = ("group", "row", "series", "value", "low", "high")
UNDEFINED = "undefined"
NO_REASON = "too few prompts for a verdict"
ROW_SCALE = {"paddingInner": 0, "paddingOuter": 0}
ROW_LOOK = {"labelLimit": 230, "labelFontSize": 12, "grid": False, "labelFlush": False, "labelBound": False}


def hollow_line(rows: pd.DataFrame) -> list[str]:
    """What hollow marks of ``rows`` mean, as one line: the reasons in ``why`` where ``faint``; [] where none is."""
    if not rows["faint"].any():
        return []
    told = rows.loc[rows["faint"], "why"].astype(str).str.strip().str.rstrip(".").replace("", NO_REASON)
    found = list(told.value_counts(sort=True).items())
    if len(found) == 1:
        return [f"hollow: {found[0][0]}"]
    named = [f"{count} × {why}" for why, count in found[:2]]
    return ["hollow: no verdict (" + "; ".join(named) + ("; others on hover" if len(found) > 2 else "") + ")"]


def interval_rows_chart(
    table: pd.DataFrame,
    *,
    title: str,
    axis: str,
    lines: Sequence[str] = (),
    line_at: float | None = None,
    percent: bool = False,
    domain: tuple[float, float] | None = None,
    series: Sequence[str] = (),
    series_title: str = "Model",
    tips: Mapping[str, str] | None = None,
    width: int = 880,
) -> alt.LayerChart:
    """Draws a row for each line of ``table``: a value and its interval per series.

    Columns are ``group`` (heading, may be ""), ``row``, ``series``, ``value``, ``low``, ``high``, and optionally
    ``faint`` (bool, drawn hollow) and ``pooled`` (bool, drawn as a black diamond). ``line_at``: the value that means no
    difference. ``percent``: values are shares. ``tips`` {column: title} adds to the tooltip. Rows keep their order.
    Raises ValueError where a column is missing.
    """
    missing = [c for c in ROW_COLUMNS if c not in table]
    if missing:
        raise ValueError(f"The table has no column {missing[0]}: rows with intervals need {', '.join(ROW_COLUMNS)}.")
    names = list(series) or sorted(set(table["series"]))
    labels, heads, places = _places(table)
    records = _records(table, places, names, percent, tips or {})
    step = LINE * max(len(names), 1) + ROOM
    form = ".0%" if percent else "~f"
    span = list(domain) if domain else _domain(records, line_at)
    x = alt.X(
        "value:Q", title=axis, scale=alt.Scale(domain=span, nice=not domain), axis=alt.Axis(format=form, tickCount=6)
    )
    words = AxisLabels(labels)
    lines_of_a_row = alt.Scale(domain=list(range(len(names))), paddingInner=0.1, paddingOuter=0.25)
    base = alt.Chart(inline_data(records)).encode(
        y=row_axis(words, heads, ROW_SCALE, **ROW_LOOK),
        yOffset=alt.YOffset("line:N", sort=None, scale=lines_of_a_row),
        tooltip=_tooltip(series_title, tips or {}),
    )
    models = AxisLabels(names)
    color, shape = _look(models, len(names), series_title)
    there = base.transform_filter("isValid(datum.value)")
    layers = [*_line(line_at, x), *_bars_and_points(there.transform_filter("!datum.pooled"), x, color, shape)]
    if any(r["pooled"] for r in records):
        layers += _pooled(there.transform_filter("datum.pooled"), x)
    layers.append(_undefined(base))
    chart = with_labels(alt.layer(*layers), words, models)
    return chart.properties(
        width=width,
        height=max(60, step * len(labels)),
        title=title_block(title, lines),
        description=_spoken(title, lines, records),
        autosize=STRETCH,
    )


def _bars_and_points(base: alt.Chart, x: alt.X, color: alt.Color, shape: alt.Shape) -> list[alt.Chart]:
    """Returns the marks of interval and value."""
    bars = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2.5)
    points = base.mark_point(size=58, opacity=1, strokeWidth=1.8)
    fill = alt.condition("datum.faint", alt.value("transparent"), color)
    return [
        bars.encode(x=alt.X("low:Q"), x2=alt.X2("high:Q"), color=color, opacity=_faint()),
        points.encode(x=x, stroke=color, fill=fill, shape=shape),
    ]


def _undefined(base: alt.Chart) -> alt.Chart:
    """Returns the text for rows without a value."""
    gone = base.transform_filter("!isValid(datum.value) && datum.series !== null")
    text = gone.mark_text(align="left", color=GREY, fontStyle="italic", fontSize=11)
    return text.encode(x=alt.XValue(4), text=alt.Text("shown:N"))


def _places(table: pd.DataFrame) -> tuple[list[str], list[int], dict[tuple[str, str], int]]:
    """Returns (label of every line, which are headings, {(group, row): line})."""
    labels: list[str] = []
    heads: list[int] = []
    places: dict[tuple[str, str], int] = {}
    groups = list(dict.fromkeys(table["group"]))
    for group in groups:
        if group:
            heads.append(len(labels))
            labels.append(visible_label(str(group), LONGEST))
        for row in dict.fromkeys(table.loc[table["group"] == group, "row"]):
            places[str(group), str(row)] = len(labels)
            labels.append(visible_label(str(row), LONGEST))
    return labels, heads, places


def _records(
    table: pd.DataFrame,
    places: Mapping[tuple[str, str], int],
    names: Sequence[str],
    percent: bool,
    tips: Mapping[str, str],
) -> list[dict[str, Any]]:
    out = []
    for line in table.to_dict("records"):
        value, low, high = (float(line[c]) for c in ("value", "low", "high"))
        known = math.isfinite(low) and math.isfinite(high)
        out.append(
            {
                "place": places[str(line["group"]), str(line["row"])],
                "group": visible_label(str(line["group"]), 60) if line["group"] else "",
                "row": visible_label(str(line["row"]), 60),
                "series": str(line["series"]),
                "line": names.index(str(line["series"])) if str(line["series"]) in names else None,
                "value": exact_number(value),
                "low": exact_number(low) if known else None,
                "high": exact_number(high) if known else None,
                "shown": value_with_interval(value, low, high, percent),
                "faint": bool(line.get("faint", False)),
                "pooled": bool(line.get("pooled", False)),
            }
            | {name: _plain(line.get(name)) for name in tips}
        )
    return out


def value_with_interval(value: float, low: float = math.nan, high: float = math.nan, percent: bool = False) -> str:
    """Formats a value with its interval: ``0.31 (0.12 to 0.48)``; "undefined" where there is none."""

    def one(x: float) -> str:
        return f"{round(100 * x):d} %" if percent else significant_digits(x, 3) if abs(x) >= 1 else f"{x:.2f}"

    if not math.isfinite(value):
        return UNDEFINED
    return f"{one(value)} ({one(low)} to {one(high)})" if math.isfinite(low) and math.isfinite(high) else one(value)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return exact_number(value) if math.isfinite(value) else "undefined"
    return value.item() if hasattr(value, "item") else value


def _domain(records: Sequence[Mapping[str, Any]], line_at: float | None) -> list[float]:
    found = [r[c] for r in records for c in ("value", "low", "high") if r[c] is not None]
    found += [] if line_at is None else [line_at]
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    room = 0.04 * (high - low) or 0.1
    return [low - room, high + room]


def _look(names: AxisLabels, count: int, title: str) -> tuple[alt.Color, alt.Shape]:
    """Returns one colour and one shape for each series, so that print in grey can be read too."""
    legend = alt.Legend(title=title, labelExpr=names.at(), labelLimit=260, symbolOpacity=1, **LISTED)
    shown = legend if count > 1 else None
    places = list(range(count))
    colours = alt.Scale(domain=places, range=[OKABE_ITO[i % 6] for i in places])
    shapes = alt.Scale(domain=places, range=[SHAPES[i % len(SHAPES)] for i in places])
    return (
        alt.Color("line:N", sort=None, scale=colours, legend=shown),
        alt.Shape("line:N", sort=None, scale=shapes, legend=shown),
    )


def _faint() -> Any:
    return alt.condition("datum.faint", alt.value(0.45), alt.value(1))


def _line(at: float | None, x: alt.X) -> list[alt.Chart]:
    """Returns a dashed line at the value that means no difference."""
    if at is None:
        return []
    rule = alt.Chart(inline_data([{"value": at}])).mark_rule(
        strokeDash=[4, 3], color=GREY, strokeWidth=1.4, tooltip=None
    )
    return [rule.encode(x=x)]


def _pooled(base: alt.Chart, x: alt.X) -> list[alt.Chart]:
    bar = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=5, color=GREY)
    point = base.mark_point(shape="diamond", filled=True, size=170, color=GREY, opacity=1)
    return [bar.encode(x=alt.X("low:Q"), x2=alt.X2("high:Q")), point.encode(x=x)]


def _tooltip(series_title: str, tips: Mapping[str, str]) -> list[alt.Tooltip]:
    first = {"group": "in", "row": "row", "series": series_title, "shown": "value (95 % interval)"}
    return [alt.Tooltip(f"{name}:N", title=title) for name, title in (first | dict(tips)).items()]


def _spoken(title: str, lines: Sequence[str], records: Sequence[Mapping[str, Any]]) -> str:
    told = [
        " ".join(
            filter(None, (f"{r['group']}," if r["group"] else "", f"{r['row']},", f"{r['series']}: {r['shown']}."))
        )
        for r in records[:60]
    ]
    return " ".join([f"{title}.", *(f"{line}." for line in lines), *told])
