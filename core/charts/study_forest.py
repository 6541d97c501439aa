"""Draws a forest plot: the correlation in every stratum, then the pooled one, with the heterogeneity printed.

The pooled number alone may hide that strata say opposite things, so there is no chart of it alone. Guarded by
tests/core/test_charts_study.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from .interval_rows import hollow_line, interval_rows_chart
from .text_labels import significant_digits

POOLED = "All strata, pooled"


def forest_chart(
    table: pd.DataFrame,
    *,
    feature: str,
    metric: str,
    places: Sequence[tuple[str, str, str]],
    estimand: str,
    lines: Sequence[str] = (),
    width: int = 880,
) -> alt.LayerChart:
    """Draws the strata in ``table``, one per row, and the pooled correlation of its last row.

    Columns are ``rho``, ``low``, ``high``, ``n`` and optionally ``gate`` (bool: enough prompts); the pooled row has
    ``Q``, ``i2``, ``tau2`` of the heterogeneity. ``places``: (heading, row, series) of every row but the last, in
    words; ``feature`` and ``metric`` are words too, ``estimand`` is "between prompts" or "within a prompt".
    """
    last = table.iloc[-1]
    names = sorted({series for _, _, series in places}) or ["all runs"]
    where = [*places, ("", POOLED, names[len(names) // 2])]
    gate = table["gate"] if "gate" in table else pd.Series(True, index=table.index)
    rows = pd.DataFrame(
        {
            **{column: [place[i] for place in where] for i, column in enumerate(("group", "row", "series"))},
            "value": table["rho"].to_numpy(float),
            "low": table["low"].to_numpy(float),
            "high": table["high"].to_numpy(float),
            "n": table["n"].to_numpy(),
            "why": table["why"].astype(str).to_numpy() if "why" in table else "",
            "faint": [not bool(g) for g in gate],
            "pooled": [False] * (len(table) - 1) + [True],
        }
    )
    told = [f"{estimand}: Spearman correlation, bars: 95 % intervals", heterogeneity_text(last)]
    told += [prediction_interval_text(last)] if prediction_interval_text(last) else []
    told += hollow_line(rows)
    return interval_rows_chart(
        rows,
        title=f"{feature} and {metric}",
        axis="rank correlation",
        lines=[*filter(None, told), *lines],
        line_at=0.0,
        series_title="Model",
        domain=(-1.0, 1.0) if _wide(rows) else None,
        tips={"n": "prompts", "why": "note"},
        width=width,
    )


def heterogeneity_text(pooled: pd.Series) -> str:
    """Returns the heterogeneity of strata in one line (Q, I², tau²); "" where there is nothing to compare."""
    parts: list[str] = []
    if "Q" in pooled and _known(pooled["Q"]):
        parts.append(f"Q = {significant_digits(float(pooled['Q']))}")
    if "i2" in pooled and _known(pooled["i2"]):
        parts.append(f"I² = {100 * float(pooled['i2']):.0f} %")
    if "tau2" in pooled and _known(pooled["tau2"]):
        parts.append(f"tau² = {significant_digits(float(pooled['tau2']), 2)}")
    return "strata differ by: " + ", ".join(parts) if parts else ""


def prediction_interval_text(pooled: pd.Series) -> str:
    """Returns the 95 % prediction interval of a further stratum in words; "" where it is not known."""
    if "low_next" not in pooled or not _known(pooled["low_next"]):
        return ""
    return f"a further stratum would lie between {pooled['low_next']:.2f} and {pooled['high_next']:.2f} (95 %)"


def _known(value: object) -> bool:
    return isinstance(value, int | float | np.floating) and math.isfinite(float(value))


def _wide(rows: pd.DataFrame) -> bool:
    return bool(rows[["low", "high"]].abs().max(skipna=True).max() > 0.7)
