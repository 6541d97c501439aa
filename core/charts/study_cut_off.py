"""Draws the share of truncated or failed runs in each cell of the design, where quality is not comparable.

Guarded by tests/core/test_charts_study.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from .axis_labels import AxisLabels, with_labels
from .matrix_layout import exact_number
from .panels import BELOW, inline_data
from .text_labels import SIDES, STRETCH, title_block, visible_label

CUT_OFF_ROW, CUT_OFF_COLUMN = 24, 150


def cut_off_chart(
    table: pd.DataFrame,
    *,
    tasks: Mapping[str, str] | None = None,
    structures: Mapping[str, str] | None = None,
    lines: Sequence[str] = (),
    width: int = 880,
) -> alt.LayerChart:
    """Draws ``Findings.cells``: rows are task and structure, columns models, colour the share cut off by the limit."""
    keys = [(t, s, bool(c)) for t, s, c in zip(table["task"], table["structure"], table["control"], strict=True)]
    rows, models = list(dict.fromkeys(keys)), list(dict.fromkeys(table["model"]))
    labels = [_label(t, s, c, tasks or {}, structures or {}) for t, s, c in rows]
    records = [
        {
            "x": models.index(r["model"]),
            "y": rows.index(key),
            "row": labels[rows.index(key)],
            "model": r["model"],
            "share": exact_number(float(r["truncated_share"])),
            "text": f"{100 * r['truncated_share']:.0f} %" if r["truncated_share"] == r["truncated_share"] else "",
            "runs": int(r["runs"]),
            "failed": int(r["failed"]),
            "reason": str(r.get("reason", "") or "none"),
        }
        for key, r in zip(keys, table.to_dict("records"), strict=True)
    ]
    across, high = (
        min(CUT_OFF_COLUMN, max(60, width - SIDES) / max(len(models), 1)) * len(models),
        CUT_OFF_ROW * max(len(rows), 1),
    )
    tips = {"row": "cell", "model": "model", "text": "cut off", "runs": "runs", "failed": "failed", "reason": "reason"}
    names, cells = (
        AxisLabels([visible_label(m, 52) for m in models]),
        AxisLabels([visible_label(t, 52) for t in labels]),
    )
    base = alt.Chart(inline_data(records)).encode(
        x=alt.X("x:O", sort=None, axis=_axis(names, True), scale=alt.Scale(domain=list(range(len(models) or 1)))),
        y=alt.Y("y:O", sort=None, axis=_axis(cells, False), scale=alt.Scale(domain=list(range(len(rows) or 1)))),
        tooltip=[alt.Tooltip(f"{field}:N", title=title) for field, title in tips.items()],
    )
    legend = alt.Legend(title="cut off", format=".0%", tickCount=3, gradientLength=120, **BELOW)
    fill = alt.Fill("share:Q", scale=alt.Scale(scheme="viridis", domain=[0, 1]), legend=legend)
    shade = alt.condition("datum.share > 0.55", alt.value("black"), alt.value("white"))
    layers = [
        base.mark_rect().encode(fill=fill),
        base.mark_text(fontSize=11).encode(text=alt.Text("text:N"), color=shade),
    ]
    title = "Answers cut off by the token limit"
    chart = with_labels(alt.layer(*layers), names, cells)
    return chart.properties(
        width=across + SIDES,
        height=high,
        title=title_block(title, lines),
        description=f"{title}: " + " ".join(f"{r['row']}, {r['model']}: {r['text']}." for r in records[:60]),
        autosize=STRETCH,
    )


def _label(task: str, structure: str, control: bool, tasks: Mapping[str, str], structures: Mapping[str, str]) -> str:
    own = f"{tasks.get(task, task)} · {structures.get(structure, structure)}"
    return f"{own} · control" if control else own


def _axis(labels: AxisLabels, across: bool) -> alt.Axis:
    return alt.Axis(
        title=None,
        values=list(range(len(labels.texts))),
        labelExpr=labels.at(),
        labelLimit=160 if across else 260,
        labelOverlap=False,
        labelFlush=False,
        labelBound=False,
        ticks=False,
        domain=False,
        grid=False,
        **({"orient": "top", "labelAngle": 0} if across else {}),
    )
