"""Draws quality, attention or ablation effects by structure, task and model, or their differences to the baseline.

The three tables of the findings have the same columns, so one drawing serves all; the argument ``ask`` picks what is
drawn. Guarded by tests/core/test_charts_study.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import altair as alt
import pandas as pd

from .interval_rows import hollow_line, interval_rows_chart

Ask = Literal["mean", "difference", "cut", "control", "net"]
ASKS: dict[str, tuple[str, str, str, str]] = {
    "mean": ("mean", "mean_low", "mean_high", "n"),
    "difference": ("difference", "low", "high", "pairs"),
    "cut": ("cut_difference", "cut_low", "cut_high", "cut_pairs"),
    "control": ("control_difference", "control_low", "control_high", "control_pairs"),
    "net": ("net_difference", "net_low", "net_high", "net_pairs"),
}
"""{what to draw: columns of value, low, high, prompts}"""
ALL_TASKS_KEY = "all tasks"


def quality_chart(
    table: pd.DataFrame,
    value: str,
    ask: Ask = "mean",
    *,
    tasks: Mapping[str, str] | None = None,
    structures: Mapping[str, str] | None = None,
    base: str = "",
    lines: Sequence[str] = (),
    width: int = 880,
) -> alt.LayerChart:
    """Draws rows of ``Findings.quality`` (or attention, effects); ``value`` is the one that is drawn.

    ``tasks`` and ``structures`` {key: words}; ``base`` names the baseline structure. In "mean" every structure has a
    row; else the baseline has none, since the others are compared with it. Values with unit "share" or "0 or 1" are
    drawn in percent. Raises ValueError where ``ask`` or ``value`` is not known.
    """
    if ask not in ASKS:
        raise ValueError(f"{ask!r} is no question: use one of {', '.join(ASKS)}.")
    own = table[table["value"] == value]
    if own.empty:
        raise ValueError(f"The table has no value {value}.")
    label, unit = str(own["label"].iloc[0]), str(own["unit"].iloc[0])
    if ask != "mean":
        own = own[~own["baseline"].astype(bool)]
    rows = _rows(own, ask, tasks or {}, structures or {})
    percent = in_percent(unit)
    axis = label if ask == "mean" else "change"
    axis += f" ({unit})" if unit and not percent else ", in percent points" if percent and ask != "mean" else ""
    gone = rows["value"].isna()
    rows = rows[~gone | (ask == "mean")]
    told = [] if ask == "mean" else [_asked(ask, base)]
    told += ["cut-off answers counted as not correct"] if ask == "cut" else []
    told += ["bars: 95 % intervals, prompts drawn as wholes"]
    told += hollow_line(rows)
    told += lines
    return interval_rows_chart(
        rows,
        title=_title(label, ask),
        axis=axis,
        lines=told,
        line_at=None if ask == "mean" else 0.0,
        percent=percent,
        domain=(0.0, 1.0) if percent and ask == "mean" and rows["high"].max() > 0.5 else None,
        tips={"n": "prompts", "p": "p", "q": "q", "verdict": "verdict", "why": "note"} if ask != "mean" else _MEAN_TIPS,
        width=width,
    )


_MEAN_TIPS = {"n": "prompts", "runs": "runs", "undefined": "runs without a value"}


def in_percent(unit: str) -> bool:
    """Returns whether values of this unit are shares (or yes and no), written in percent."""
    return unit in ("share", "yes or no", "0 or 1", "share of instructions", "proportion")


def _asked(ask: str, base: str) -> str:
    against = f"“{base}”" if base else "the baseline"
    return {
        "difference": f"difference to {against}",
        "cut": f"difference to {against}",
        "control": "difference to the position control",
        "net": f"difference to {against}, each beyond its position control",
    }[ask]


def _title(label: str, ask: str) -> str:
    return {
        "mean": label,
        "difference": f"{label}: change",
        "cut": f"{label}: change",
        "control": f"{label}: against the position control",
        "net": f"{label}: change beyond position",
    }[ask]


def _rows(own: pd.DataFrame, ask: str, tasks: Mapping[str, str], structures: Mapping[str, str]) -> pd.DataFrame:
    value, low, high, n = ASKS[ask]
    start = {"difference": "", "cut": "cut_", "control": "control_", "net": "net_"}.get(ask, "")
    order = {name: i for i, name in enumerate((ALL_TASKS_KEY, *tasks))}
    own = own.assign(_at=own["task"].map(lambda t: order.get(t, len(order)))).sort_values("_at", kind="stable")
    return pd.DataFrame(
        {
            "group": [tasks.get(t, str(t)) for t in own["task"]],
            "row": [structures.get(s, str(s)) for s in own["structure"]],
            "series": own["model"].astype(str),
            "value": own[value].astype(float),
            "low": own[low].astype(float),
            "high": own[high].astype(float),
            "n": own[n],
            "runs": own["runs"],
            "undefined": [f"{100 * u:.0f} %" for u in own["undefined"]],
            "p": own[f"{start}p"] if ask != "mean" else "",
            "q": own[f"{start}q"] if ask != "mean" else "",
            "verdict": own["verdict"],
            "why": own["why"],
            "faint": own["verdict"].eq("too few prompts"),
        }
    )
