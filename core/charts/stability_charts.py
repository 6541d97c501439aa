"""Draws how much shares vary between runs of nearly one prompt: cells with mean and spread, an interval per word.

A heatmap of means alone looks as sure as a single run, so every cell shows its spread: as a number where cells are wide
enough, else as a dot whose area is the standard deviation, drawn on one scale with a legend. Dots and not a second
colour, since a second colour cannot be read off viridis. Below, words stand in the order of the prompt with every run
as a small point, so that one run that differs is not hidden in an interval. Guarded by
tests/core/test_charts_stability_charts.py; the time from traces to a drawn chart is in benchmarks/run.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import numpy as np

from ..comparing.mean_spread import mean_and_spread
from ..comparing.run_stability import Stability
from .axis_labels import AxisLabels, with_labels
from .matrix_layout import exact_number
from .panels import BELOW, inline_data
from .text_labels import (
    GREY,
    OKABE_ITO,
    SIDES,
    STRETCH,
    legend_title,
    thin_labels,
    title_block,
    value_text,
    visible_label,
)
from .token_heatmap import MOST_CELLS

SPREAD_ROW, SPREAD_COLUMN = 22, 84
"""Largest height of a row and width of a column, in pixels."""
TALLEST_SPREAD = 1600
DIGITS_WIDTH = 62
"""Pixels that a cell needs for its mean and spread in digits."""
LOW = 260
"""In pixels: below this width legends are placed under the cells, as beside them they would be cut."""
LABEL = 14
"""Pixels that a label on the x axis needs."""
ONE_RUN, MEAN_OF_RUNS, FIRST_RUN = range(3)
"""Kinds of records of ``interval_chart``."""


def fits_as_spread(stability: Stability) -> bool:
    """Returns whether the cells can be drawn as rectangles."""
    return stability.mean.size <= MOST_CELLS


def spread_heatmap(
    stability: Stability,
    *,
    width: int = 880,
    lines: Sequence[str] = (),
    title: str = "Mean and spread over the runs",
    inner: Literal["auto", "number", "dot"] = "auto",
) -> alt.LayerChart:
    """Draws cells with ``mean[row, unit]`` as colour and ``spread`` inside; hover has all numbers.

    ``lines`` are the lines under the title. ``inner``: digits, dots, or digits where cells are wide enough. Cells that
    no run has stay empty.
    """
    rows, columns = len(stability.rows), len(stability.units)
    plot = max(60, width - SIDES)
    across = min(SPREAD_COLUMN, plot / max(columns, 1))
    high = max(30, min(TALLEST_SPREAD, SPREAD_ROW * rows))
    numbers = inner == "number" or (inner == "auto" and across >= DIGITS_WIDTH)
    words, answer = _labels(stability.units), _labels(stability.rows)
    base = alt.Chart(inline_data(_cells(stability))).encode(
        x=_place("x", words, across * columns), y=_place("y", answer, high), tooltip=_tips(stability)
    )
    seam = {"width": {"band": 1 + 0.7 / across}, "height": {"band": 1 + 0.7 * max(rows, 1) / high}}
    look = BELOW if high < LOW else {}
    inside = _digits(base, stability) if numbers else _dots(base, stability, high / max(rows, 1), look)
    layers = [base.mark_rect(**seam).encode(fill=_colour(stability, look)), inside]
    unit = " in percent" if stability.unit == "share" else ""
    said = f"mean ± standard deviation{unit}" if numbers else "colour: mean, area of the dot: standard deviation"
    about = f"{said} over {len(stability.trace_ids)} runs"
    text = [*stability_caption(stability), *lines, about]
    chart = with_labels(alt.layer(*layers), words, answer)
    return chart.properties(
        width=across * columns + SIDES,
        height=high,
        title=title_block(title, text),
        description=f"{title}: {rows} words of the answer (rows), {columns} of the prompt. {'. '.join(text)}.",
        autosize=STRETCH,
    )


def interval_chart(
    stability: Stability,
    *,
    width: int = 880,
    height: int = 300,
    lines: Sequence[str] = (),
    title: str = "Each word over the whole answer",
    first: str = "unedited prompt",
) -> alt.LayerChart:
    """Draws every word in prompt order: each run, the mean with its 95 % interval, the first run as a tick."""
    labels = _labels(stability.units)
    count, plot = len(stability.units), max(60, width - 110)
    names = ["one run", "mean over runs", first]
    ticks = alt.Axis(format=_format(stability), tickCount=6)
    y = alt.Y("value:Q", title=legend_title(stability.unit), axis=ticks, scale=alt.Scale(zero=False))
    x = alt.X(
        "x:Q",
        scale=alt.Scale(domain=[-0.6, max(count, 1) - 0.4], nice=False),
        axis=_axis("Your words, in their order", labels, plot, {"labelAngle": -50, "labelAlign": "right"}),
    )
    scale = alt.Scale(domain=names, range=[GREY, OKABE_ITO[0], OKABE_ITO[5]])
    shown = alt.Color("what:N", scale=scale, sort=None, legend=alt.Legend(title=None, symbolOpacity=1))
    data = _words(stability, first)
    if stability.answer.size > MOST_CELLS:
        data = [d for d in data if d["kind"] != ONE_RUN]
    base = alt.Chart(inline_data(data)).encode(x=x, tooltip=_word_tips())
    runs = base.transform_filter(alt.datum.kind == ONE_RUN).mark_point(size=14, filled=True, opacity=0.5)
    means = base.transform_filter(alt.datum.kind == MEAN_OF_RUNS)
    bars = means.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=6, opacity=0.55)
    points = means.mark_point(size=30, filled=True, opacity=1)
    own = base.transform_filter(alt.datum.kind == FIRST_RUN).mark_tick(
        orient="horizontal",
        thickness=2.5,
        opacity=1,
        width={"expr": f"clamp(0.6 * width / {max(count, 1)}, 5, 22)"},
    )
    layers = [
        runs.encode(y=y, color=shown),
        bars.encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q"), color=shown),
        points.encode(y=y, color=shown),
        own.encode(y=y, color=shown),
    ]
    some = np.isfinite(stability.low).any()
    about = "line: 95 % bootstrap interval of the mean" if some else "no interval below 10 runs"
    text = [
        *stability_caption(stability),
        *lines,
        f"share over the whole answer, {len(stability.trace_ids)} runs · {about}",
    ]
    chart = with_labels(alt.layer(*layers), labels)
    return chart.properties(
        width=plot,
        height=height,
        title=title_block(title, text),
        description=f"{title}: {count} words of the prompt, {'. '.join(text)}.",
        autosize=STRETCH,
    )


def stability_caption(stability: Stability) -> list[str]:
    """Returns the model, then method, granularity and the unedited run."""
    run = f"first run {stability.trace_ids[0][:8]}"
    return [stability.model, " · ".join((stability.method, f"input by {stability.granularity}", run))]


def _cells(stability: Stability) -> list[dict[str, Any]]:
    """Returns one record per cell that some run has."""
    units, rows = [visible_label(t) for t in stability.units], [visible_label(t) for t in stability.rows]
    out = []
    for r, c in np.argwhere(np.isfinite(stability.mean)).tolist():
        mean, spread, first = (a[r, c] for a in (stability.mean, stability.spread, stability.first))
        out.append(
            {
                "x": c,
                "y": r,
                "output": rows[r],
                "input": units[c],
                "value": exact_number(mean),
                "spread": exact_number(spread),
                "first": exact_number(first),
                "runs": int(stability.runs[c]),
                "text": _short(mean, spread, stability.unit),
            }
        )
    return out


def _short(mean: float, spread: float, unit: str) -> str:
    """Formats mean and spread for a cell: "3.1 ±0.4", shares in percent."""
    times = 100 if unit == "share" else 1
    known = f"{times * mean:.1f}" if unit == "share" else f"{mean:.2g}"
    if not np.isfinite(spread):
        return known
    return f"{known} ±{times * spread:.1f}" if unit == "share" else f"{known} ±{spread:.1g}"


def _words(stability: Stability, first: str) -> list[dict[str, Any]]:
    """Returns one record per word and run, one for the mean, one for the first run."""
    mean, spread = mean_and_spread(stability.answer)
    units = [visible_label(t) for t in stability.units]
    out: list[dict[str, Any]] = []
    for u, label in enumerate(units):
        shared = {"x": u, "input": f"{u + 1} · {label}", "runs": int(stability.runs[u])}
        low, high = exact_number(stability.low[u]), exact_number(stability.high[u])
        for r, value in enumerate(stability.answer[:, u].tolist()):
            if np.isfinite(value):
                name = f"run {stability.trace_ids[r][:8]}"
                made = shared | {"value": exact_number(value), "shown": value_text(value, stability.unit)}
                out.append(made | {"kind": ONE_RUN, "what": "one run", "name": name})
                if r == 0:
                    out.append(made | {"kind": FIRST_RUN, "what": first, "name": name})
        if np.isfinite(mean[u]):
            parts = [value_text(mean[u], stability.unit)]
            parts += [f"± {value_text(spread[u], stability.unit)}"] if np.isfinite(spread[u]) else []
            limits = [value_text(v, stability.unit) for v in (stability.low[u], stability.high[u])]
            parts += [f"95 %: {limits[0]} to {limits[1]}"] if low is not None else []
            made = shared | {"value": exact_number(mean[u]), "shown": ", ".join(parts)}
            out.append(made | {"kind": MEAN_OF_RUNS, "what": "mean over runs", "name": "", "low": low, "high": high})
    return out


def _digits(base: alt.Chart, stability: Stability) -> alt.Chart:
    """Writes mean and spread in digits, light on dark cells and dark on light ones."""
    half = 0.55 * _most(stability.mean)
    shade = alt.condition(f"datum.value > {half:.6g}", alt.value("black"), alt.value("white"))
    return base.mark_text(fontSize=10.5).encode(text=alt.Text("text:N"), color=shade)


def _dots(base: alt.Chart, stability: Stability, row: float, look: dict[str, Any]) -> alt.Chart:
    """Draws a dot per cell; the largest fills nine tenths of a cell, however far the page stretches or shrinks it."""
    most = {"expr": f"pow(0.9 * min({max(row, 6):.4g}, width / {max(len(stability.units), 1)}), 2)"}
    percent = stability.unit == "share"
    legend = alt.Legend(
        title="standard deviation", format=".2~p" if percent else ".3~r", symbolFillColor="white", **look
    )
    size = alt.Size(
        "spread:Q", scale=alt.Scale(domain=[0, exact_number(_most(stability.spread))], range=[0, most]), legend=legend
    )
    dots = base.mark_point(shape="circle", filled=True, fill="white", stroke="#222222", strokeWidth=0.8, opacity=0.9)
    return dots.encode(size=size)


def _most(values: np.ndarray) -> float:
    """Returns the largest value, 1 where there is none above 0."""
    found = float(np.nanmax(values)) if np.isfinite(values).any() else 0.0
    return found if found > 0 else 1.0


def _colour(stability: Stability, look: dict[str, Any]) -> alt.Fill:
    form = ".2~p" if stability.unit == "share" else ".3~r"
    length = {"gradientLength": 120} if look else {}  # on a phone both legends stand beside each other
    legend = alt.Legend(title=f"mean {stability.unit}", format=form, tickCount=3, **length, **look)
    low = min(0.0, float(np.nanmin(stability.mean))) if np.isfinite(stability.mean).any() else 0.0
    scale = alt.Scale(scheme="viridis", domain=[exact_number(low), exact_number(_most(stability.mean))], clamp=True)
    return alt.Fill("value:Q", scale=scale, legend=legend)


def _labels(texts: Sequence[str]) -> AxisLabels:
    return AxisLabels([visible_label(t) for t in texts])


def _place(side: Literal["x", "y"], labels: AxisLabels, pixels: float) -> Any:
    """Returns a banded axis of positions with labels looked up, since equal words would merge otherwise."""
    scale = alt.Scale(domain=list(range(len(labels.texts))), paddingInner=0, paddingOuter=0)
    if side == "x":
        look = {"orient": "top", "labelAngle": -50, "labelAlign": "left"}
        return alt.X("x:O", sort=None, scale=scale, axis=_axis("Your words", labels, pixels, look))
    return alt.Y("y:O", sort=None, scale=scale, axis=_axis("Answer", labels, pixels, {}, across=False))


def _axis(title: str, labels: AxisLabels, pixels: float, look: dict[str, Any], across: bool = True) -> alt.Axis:
    count = len(labels.texts)
    shown = list(range(count)) if across else thin_labels(count, pixels, 11)
    return alt.Axis(
        title=title,
        values=shown,
        labelExpr=labels.fitting(LABEL, pixels) if across else labels.at(),
        labelOverlap=False,
        labelLimit=120 if across else 150,
        labelFontSize=12 if across else max(9, min(12, 0.8 * pixels / max(len(shown), 1))),
        grid=False,
        ticks=False,
        domain=False,
        labelPadding=4,
        titleAnchor="start" if across else "middle",
        **look,
    )


def _format(stability: Stability) -> str:
    return "~p" if stability.unit == "share" else "~f"


def _tips(stability: Stability) -> list[alt.Tooltip]:
    form = ".3~p" if stability.unit == "share" else ".4~r"
    return [
        alt.Tooltip("output:N", title="Answer"),
        alt.Tooltip("input:N", title="Your word"),
        alt.Tooltip("value:Q", title="mean", format=form),
        alt.Tooltip("spread:Q", title="standard deviation", format=form),
        alt.Tooltip("runs:Q", title="runs"),
        alt.Tooltip("first:Q", title="unedited prompt", format=form),
    ]


def _word_tips() -> list[alt.Tooltip]:
    names = {"input": "Your word", "what": "shown", "shown": "value", "runs": "runs with this word", "name": "run"}
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in names.items()]
