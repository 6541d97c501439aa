"""Draws what an answer loses, or keeps, as more of the first sentences by a method are hidden, or kept alone.

Guarded by tests/core/test_charts_removal_curves.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from .panels import inline_data
from .text_labels import GREY, OKABE_ITO, STRETCH, title_block

CURVE_COLUMNS = ("label", "count", "value", "low", "high")
MOST_CURVES = len(OKABE_ITO) - 1


def removal_curves_chart(
    table: pd.DataFrame, *, title: str, axis: str, lines: Sequence[str] = (), width: int = 880, height: int = 300
) -> alt.LayerChart:
    """Draws a line for each ``label``: its ``value`` over ``count`` sentences, 0 at none; ``low`` to ``high`` on hover.

    Lines keep the order of the table, at most ``MOST_CURVES``; the dashed line at 0 is what random sentences do.
    Raises ValueError where a column is missing.
    """
    missing = [name for name in CURVE_COLUMNS if name not in table]
    if missing:
        raise ValueError(f"The table has no column {missing[0]}: curves need {', '.join(CURVE_COLUMNS)}.")
    names = list(dict.fromkeys(table["label"]))[:MOST_CURVES]
    kept = table[table["label"].isin(names) & table["value"].notna()]
    none = [{"label": name, "count": 0, "value": 0.0, "low": 0.0, "high": 0.0} for name in dict.fromkeys(kept["label"])]
    counts = [0, *sorted(int(n) for n in kept["count"].unique())]
    color = alt.Color(
        "label:N",
        title=None,
        sort=None,
        scale=alt.Scale(domain=names, range=list(OKABE_ITO[: len(names)])),
        legend=alt.Legend(orient="bottom", columns=3, labelLimit=260, symbolType="stroke", symbolStrokeWidth=3),
    )
    base = alt.Chart(inline_data([*none, *kept.to_dict("records")])).encode(
        x=alt.X("count:Q", title="sentences", axis=alt.Axis(values=counts, grid=False)), color=color
    )
    tips: list[Any] = [
        alt.Tooltip("label:N", title="method"),
        alt.Tooltip("count:Q", title="sentences"),
        alt.Tooltip("value:Q", title=axis, format=".2f"),
        alt.Tooltip("low:Q", title="from", format=".2f"),
        alt.Tooltip("high:Q", title="to", format=".2f"),
    ]
    y = alt.Y("value:Q", title=axis)
    zero = alt.Chart(alt.InlineData(values=[{"value": 0}])).mark_rule(color=GREY, strokeDash=[5, 4]).encode(y=y)
    line = base.mark_line(strokeWidth=2).encode(y=y)
    dots = base.mark_point(filled=True, size=50, opacity=1).encode(y=y, tooltip=tips)
    return alt.layer(
        zero,
        line,
        dots,
        width=width,
        height=height,
        title=title_block(title, lines),
        description=" ".join([f"{title}.", *lines]),
        autosize=STRETCH,
    )
