"""Plots shares of attention on roles or segments over the steps of the answer, beside their uniform shares.

The prompt shrinks against the growing answer, so a falling line alone says little: the dashed line of the same colour
is the uniform share at that step. Steps are counted from 1. Takes plain arrays, since roles, segments and groups of a
Trace come from different places. Guarded by tests/core/test_charts_share_by_step.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from .axis_labels import AxisLabels, with_labels
from .matrix_layout import exact_number
from .panels import inline_data
from .text_labels import (
    GREY,
    OKABE_ITO,
    STRETCH,
    legend_title,
    multiple_text,
    percent_text,
    title_block,
    value_text,
    visible_label,
)

READ_NAME, UNIFORM_NAME = legend_title("share"), "uniform reading"
FIGURE_WIDTH = 860


def share_by_step_chart(
    steps: Sequence[int] | np.ndarray,
    labels: Sequence[str],
    shares: Mapping[str, np.ndarray],
    uniform: Mapping[str, np.ndarray],
    picked_step: int | None = None,
    *,
    caption: Sequence[str] = (),
    title: str = "Over the answer",
    unit: str = "share",
    width: int = FIGURE_WIDTH,
    height: int = 300,
) -> alt.LayerChart:
    """Draws lines of ``shares[group][i]`` at output token ``labels[i]``, step ``steps[i]`` (from 0, as in arrays).

    ``uniform`` has the same groups and shapes (a group missing there gets no dashed line). ``picked_step``
    is one of ``steps``; ``caption`` the lines under the title; a ``unit`` other than share is called a score.
    Raises ValueError where shapes differ.
    """
    _check(labels, steps, shares, uniform)
    records, read = _records(labels, steps, shares, uniform, unit), legend_title(unit)
    color, dash = _colour(list(shares)), _dash(read, bool(uniform))
    last, words = max(len(labels) - 1, 0), AxisLabels([visible_label(t) for t in labels])
    x = alt.X("i:Q", scale=alt.Scale(domain=[-0.4, last + 0.4], nice=False), axis=_word_axis(words, len(labels), width))
    y = alt.Y("share:Q", title=read, axis=_axis(unit), scale=alt.Scale(zero=True, nice=True))
    base = alt.Chart(inline_data(records)).encode(x=x, y=y, color=color, tooltip=_tooltip(read))
    lines = base.mark_line(strokeWidth=2).encode(strokeDash=dash)
    dots = base.transform_filter(alt.datum.kind == read).mark_point(filled=True, size=36, opacity=1)
    layers: list[Any] = [lines, dots]
    beside = f", each beside {UNIFORM_NAME} (dashed)" if uniform else ""
    said = f"{title}: {read} per group along {len(labels)} steps{beside}."
    chart = with_labels(alt.layer(*layers), words)
    chart = _finish(chart, title, caption, width, height, said)
    at = list(steps).index(picked_step) if picked_step is not None and picked_step in list(steps) else None
    return chart if at is None else mark_step(chart, at)


def mark_step(chart: alt.LayerChart, at: int) -> alt.LayerChart:
    """Returns ``chart`` of ``share_by_step_chart`` with a rule below the lines at its label number ``at``, from 0."""
    rule = alt.Chart(inline_data([{"i": at}])).mark_rule(strokeWidth=3, opacity=0.6, color=GREY).encode(x=alt.X("i:Q"))
    marked = chart.copy(deep=False)
    marked.layer = [rule, *chart.layer]
    return marked


def step_bars_chart(
    label: str,
    shares: Mapping[str, float],
    uniform: Mapping[str, float],
    *,
    caption: Sequence[str] = (),
    title: str | None = None,
    unit: str = "share",
    width: int = 520,
) -> alt.LayerChart:
    """Draws the shares of one step (or one span, as means): a bar per group, and a tick at its uniform share."""
    read = legend_title(unit)
    title = title or f"{'Shares of attention' if unit == 'share' else 'Scores'} at the step of “{visible_label(label)}”"
    one = {g: np.array([v], float) for g, v in shares.items()}
    even = {g: np.array([v], float) for g, v in uniform.items()}
    records = _records([label], [0], one, even, unit)
    base = alt.Chart(inline_data(records)).encode(
        x=alt.X("share:Q", title=read, axis=_axis(unit), scale=alt.Scale(zero=True), stack=None),
        y=alt.Y("group:N", sort=None, scale=alt.Scale(domain=list(shares)), title=None, axis=alt.Axis(labelLimit=160)),
        tooltip=_tooltip(read)[:1] + _tooltip(read)[3:],
    )
    bars = base.transform_filter(alt.datum.kind == read).mark_bar(height={"band": 0.7})
    bars = bars.encode(color=_colour(list(shares), legend=False))
    even = base.transform_filter(alt.datum.kind == UNIFORM_NAME)
    ticks = [even.mark_tick(thickness=w, size=26, color=c, opacity=1) for w, c in ((6, "white"), (2.5, "black"))]
    words = base.transform_filter(alt.datum.kind == read).mark_text(align="left", dx=8, color=GREY)
    words = words.encode(text=alt.Text("amount:N"))
    said = f"{title}: {read} per group" + (f", with {UNIFORM_NAME} as a tick." if uniform else ".")
    lines = [*caption, *([f"tick: {UNIFORM_NAME}"] if uniform else [])]
    return _finish(alt.layer(bars, *ticks, words), title, lines, width, 34 * max(len(shares), 1), said)


def _check(labels: Sequence[str], steps: Any, shares: Mapping[str, Any], uniform: Mapping[str, Any]) -> None:
    n = len(labels)
    if len(steps) != n:
        raise ValueError(f"{len(steps)} steps do not fit {n} labels.")
    for name, values in [*shares.items(), *uniform.items()]:
        if np.shape(values) != (n,):
            raise ValueError(f"Shares of {name!r} have shape {np.shape(values)}, expected {(n,)}.")


def _records(
    labels: Sequence[str], steps: Any, shares: Mapping[str, Any], uniform: Mapping[str, Any], unit: str
) -> list[dict]:
    out, words = [], [visible_label(label) for label in labels]
    for group, values in shares.items():
        for kind, row in ((legend_title(unit), values), (UNIFORM_NAME, uniform.get(group))):
            if row is None:
                continue
            for i, share in enumerate(np.asarray(row, float)):
                even = uniform[group][i] if group in uniform else np.nan
                out.append(
                    {
                        "i": i,
                        "step": int(steps[i]) + 1,
                        "output": words[i],
                        "group": group,
                        "kind": kind,
                        "share": exact_number(share),
                        "amount": value_text(share, unit),
                        "uniform": percent_text(even) if np.isfinite(even) else "not known",
                        "times": multiple_text(values[i], even) if np.isfinite(even) else "not known",
                    }
                )
    return out


def _axis(unit: str) -> alt.Axis:
    return alt.Axis(format="~p" if unit == "share" else "~f", tickCount=8)


def _tooltip(read: str) -> list[alt.Tooltip]:
    names = {"group": "group", "output": "output", "step": "step", "kind": "line", "amount": read}
    fields = [*names.items(), ("uniform", UNIFORM_NAME), ("times", "multiple")]
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in fields]


def _colour(groups: list[str], legend: bool = True) -> alt.Color:
    colours = [OKABE_ITO[i % (len(OKABE_ITO) - 1)] for i in range(len(groups))]
    shown = alt.Legend(title="group", symbolType="stroke", symbolStrokeWidth=3) if legend else None
    return alt.Color("group:N", sort=None, scale=alt.Scale(domain=groups, range=colours), legend=shown)


def _dash(read: str, both: bool) -> alt.StrokeDash:
    scale = alt.Scale(domain=[read, UNIFORM_NAME] if both else [read], range=[[1, 0], [5, 4]])
    return alt.StrokeDash("kind:N", scale=scale, legend=alt.Legend(title="line", symbolType="stroke", symbolSize=300))


def _word_axis(words: AxisLabels, count: int, width: int) -> alt.Axis:
    return alt.Axis(
        title="output, token by token",
        values=list(range(count)),
        labelExpr=words.fitting(14, width),
        ticks=False,
        labelAngle=-50,
        labelAlign="right",
        labelOverlap=False,
        labelLimit=110,
        grid=False,
    )


def _finish(chart: alt.LayerChart, title: str, caption: Sequence[str], width: int, height: int, said: str) -> Any:
    description = " ".join([said, *caption])
    return chart.properties(
        width=width, height=height, title=title_block(title, caption), description=description, autosize=STRETCH
    )
