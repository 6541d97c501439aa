"""Draws every run as a point: one feature of importance against one metric, coloured by task, structure or model.

No line is drawn through the points: over all runs it would mix differences between prompts with differences within one,
and say the opposite of both where tasks differ (the forest plot keeps them apart). Yes-and-no metrics get a small fixed
shift up or down for each run, or a thousand points would be two lines. Guarded by tests/core/test_charts_study.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import altair as alt
import numpy as np
import pandas as pd

from .interval_rows import SHAPES
from .matrix_layout import exact_number
from .panels import inline_data
from .text_labels import GREY, OKABE_ITO, STRETCH, title_block, visible_label

SPREAD = 0.16
"""How far yes and no are spread, in units of the metric."""
LOW = 270
"""Height in pixels for a yes-and-no metric."""
RUN_SELECTION = "run"
"""Name of the point selection, over the field ``cell``."""
NAMED, KINDS_OF_RUNS = ("cell", "prompt_id", "answer"), ("task", "structure", "model")
"""Columns that a point tells of its run, and those by which points may be coloured."""
MOST_POINTS = 5_000
"""Most points that are drawn: of more runs some are picked at random, and the chart says so."""
BESIDE, SHORT = 4, 20
"""Shapes from which on, and letters up to which, the names of shapes stand in two columns: eight below each other are
higher than the plot."""
RING = (("#FFFFFF", 7), ("#111827", 3))
"""Colours and widths of the ring around a picked run: seen among thousands of points, on white and on dark pages."""
EXCERPT = 90
"""Most graphemes of the answer in a tooltip."""


def scatter_chart(
    table: pd.DataFrame,
    feature: str,
    metric: str,
    *,
    names: Mapping[str, str],
    color: str = "task",
    shape: str = "model",
    words: Mapping[str, Mapping[str, str]] | None = None,
    binary: bool = False,
    within: bool = False,
    select: bool = False,
    lines: Sequence[str] = (),
    width: int = 880,
    height: int = 0,
) -> alt.LayerChart:
    """Draws columns ``feature`` and ``metric`` of the runs table; runs without either are left out.

    ``names`` {column: words}; ``color`` and ``shape`` are columns (``task``, ``structure``, ``model``), ``words``
    {column: {value: words}}. ``within``: points of the same prompt and model are joined by a thin line. ``height`` 0:
    as the metric needs. ``select``: clicks select (``RUN_SELECTION``). ``framed_run`` frames a run.
    """
    columns = [c for c in (*NAMED, *KINDS_OF_RUNS, "control", feature, metric) if c in table]
    there = table[list(dict.fromkeys(columns))].dropna(subset=[feature, metric])  # whole rows of 50,000 take 80 MB
    drawn = _some(there, within)
    records = _records(drawn, feature, metric, color, shape, words or {}, binary)
    x = alt.X("x:Q", title=names.get(feature, feature), scale=alt.Scale(zero=False))
    y = _y(names.get(metric, metric), binary)
    tips = {"prompt": "prompt", "task": "task", "structure": "structure", "model": "model"}
    tips |= {"xs": names.get(feature, feature), "ys": names.get(metric, metric), "answer": "answer"}
    base = alt.Chart(inline_data(records)).encode(
        x=x, y=y, tooltip=[alt.Tooltip(f"{field}:N", title=title) for field, title in tips.items()]
    )
    look = _look(records)
    points = base.mark_point(filled=True, size=42, opacity=0.65, strokeWidth=0).encode(**look)
    if select:
        points = points.add_params(alt.selection_point(name=RUN_SELECTION, fields=["cell"], empty=False))
    layers = [_joined(base, len(records))] if within else []
    layers.append(points)
    gone = len(table) - len(there)
    told = [f"{len(records):,} runs of {drawn['prompt_id'].nunique():,} prompts, each a point"]
    if len(drawn) < len(there):
        told = [
            f"{len(records):,} of {len(there):,} runs, picked at random, each a point",
            "all numbers on the page count every run",
        ]
    told += [f"{gone:,} runs are not drawn: one of the two is undefined there"] if gone else []
    told += ["thin lines join the runs of one prompt with one model"] if within else []
    title = f"{names.get(metric, metric)} against {names.get(feature, feature)}"
    text = [*told, *lines]
    return alt.layer(
        *layers,
        width=width,
        height=height or (LOW if binary else 400),
        title=title_block(title, text),
        description=f"{title}: {'. '.join(text)}.",
        autosize=STRETCH,
    )


def framed_run(
    spec: Mapping[str, Any], table: pd.DataFrame, feature: str, metric: str, cell: str, *, binary: bool = False
) -> dict[str, Any]:
    """Returns ``scatter_chart``, given as its dict, with a ring around the run ``cell``, drawn as a point or not.

    A layer of its own: making and keeping thousands of points anew for each run that is looked at takes a second and
    some megabytes. The chart as it is where the table has no such run, or one without both values.
    """
    found = table.loc[table["cell"].astype(str) == cell, [feature, metric]].dropna()
    if found.empty:
        return dict(spec)
    x, y = (float(value) for value in found.iloc[0])
    own = next(layer["encoding"] for layer in spec["layer"] if "color" in layer["encoding"])
    place = {
        "data": {"values": [{"x": x, "y": y + jitter(cell) if binary else y}]},
        "encoding": {"x": own["x"], "y": own["y"]},
    }
    mark = {"type": "point", "size": 260, "opacity": 1, "tooltip": None}
    rings = [place | {"mark": mark | {"color": color, "strokeWidth": wide}} for color, wide in RING]
    return {**spec, "layer": [*spec["layer"], *rings]}


def _some(table: pd.DataFrame, within: bool) -> pd.DataFrame:
    """Returns about MOST_POINTS runs, always the same ones, in their order.

    By a hash of the cell, or (``within``) of prompt and model, so that the runs that a line joins stay together. It is
    another hash than that of ``jitter``: by the same one the points that are picked would all be shifted alike.
    """
    if len(table) <= MOST_POINTS:
        return table
    units = table["cell"].astype(str)
    if within:
        units = table["prompt_id"].astype(str) + "|" + table["model"].astype(str)
    places = pd.util.hash_array(units.to_numpy(object))
    last = np.partition(places, MOST_POINTS - 1)[MOST_POINTS - 1]
    return table[places <= last]


def _records(
    table: pd.DataFrame,
    feature: str,
    metric: str,
    color: str,
    shape: str,
    words: Mapping[str, Mapping[str, str]],
    binary: bool,
) -> list[dict[str, Any]]:
    def named(column: str, value: Any) -> str:
        return str(words.get(column, {}).get(str(value), value))

    out = []
    columns = (*NAMED, *KINDS_OF_RUNS, feature, metric)
    control = table["control"] if "control" in table else pd.Series(False, index=table.index)
    for line, filler in zip(zip(*(table[c] for c in columns), strict=True), control, strict=True):
        cell, prompt, answer, *of, own, value = line
        named_as = {k: named(k, v) for k, v in zip(KINDS_OF_RUNS, of, strict=True)}
        named_as["structure"] += " (control)" if filler else ""
        x, y = exact_number(float(own)), exact_number(float(value))
        if x is None or y is None:
            continue
        out.append(
            {
                "cell": str(cell),
                "prompt": visible_label(str(prompt), 40),
                "answer": visible_label(" ".join(str(answer).split()), EXCERPT),
                **named_as,
                "color": named_as[color],
                "shape": named_as[shape],
                "line": f"{prompt}|{named_as['model']}",
                "x": x,
                "y": y + jitter(str(cell)) if binary else y,
                "xs": f"{x:.4g}",
                "ys": ("yes" if y else "no") if binary and y in (0, 1) else f"{y:.4g}",
            }
        )
    return out


def jitter(cell: str) -> float:
    """Returns the run's shift, -SPREAD .. SPREAD, always the same for a run."""
    return SPREAD * (2 * (crc32(cell.encode()) / 0xFFFFFFFF) - 1)


def _y(title: str, binary: bool) -> alt.Y:
    if not binary:
        return alt.Y("y:Q", title=title, scale=alt.Scale(zero=False))
    axis = alt.Axis(values=[0, 1], labelExpr="datum.value == 1 ? 'yes' : 'no'")
    return alt.Y("y:Q", title=title, axis=axis, scale=alt.Scale(domain=[-0.3, 1.3], nice=False))


def _look(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    groups, kinds = (sorted({str(r[f]) for r in records}) for f in ("color", "shape"))
    range_ = [OKABE_ITO[i % len(OKABE_ITO)] for i in range(len(groups))]
    found: dict[str, Any] = {
        "color": alt.Color(
            "color:N",
            sort=None,
            scale=alt.Scale(domain=groups, range=range_),
            legend=alt.Legend(title=None, orient="bottom", columns=2, labelLimit=170, symbolOpacity=1),
        )
    }
    if len(kinds) > 1:
        two = len(kinds) >= BESIDE and max(map(len, kinds)) <= SHORT
        placed = {"columns": 2} if two else {"direction": "vertical"}
        found["shape"] = alt.Shape(
            "shape:N",
            sort=None,
            scale=alt.Scale(domain=kinds, range=[SHAPES[i % len(SHAPES)] for i in range(len(kinds))]),
            legend=alt.Legend(
                title=None, orient="top", labelLimit=260, symbolFillColor=GREY, symbolOpacity=1, **placed
            ),
        )
    return found


def _joined(base: alt.Chart, points: int) -> alt.Chart:
    """Returns the lines; fainter where there are many, or they would be a curtain."""
    return base.mark_line(strokeWidth=0.7, opacity=0.35 if points <= 1000 else 0.12, color=GREY, tooltip=None).encode(
        detail=alt.Detail("line:N"), order=alt.Order("x:Q")
    )
