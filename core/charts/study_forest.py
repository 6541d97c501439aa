"""A forest plot: the correlation in every stratum, then the pooled one, with the heterogeneity printed.

The pooled number alone may hide that strata say opposite things, so there is no chart of it alone. Guarded by
tests/core/test_charts_study.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import altair as alt
import pandas as pd

from core.charts.labels import digits
from core.charts.study_rows import dots

GATED = "hollow: fewer prompts than the gate asks for, no verdict"


def forest(
    table: pd.DataFrame,
    *,
    feature: str,
    metric: str,
    strata: Sequence[str],
    estimand: str,
    lines: Sequence[str] = (),
    width: int = 880,
) -> alt.LayerChart:
    """``table``: a row a stratum with ``rho``, ``low``, ``high``, ``n`` and, if there, ``gate`` (bool: enough
    prompts), the pooled row last, with ``Q``, ``i2``, ``tau2`` of the heterogeneity.

    ``strata`` are the names of the rows but the last; ``feature`` and ``metric`` are words, ``estimand``
    "between prompts" or "within prompt".
    """
    last = table.iloc[-1]
    names = [*strata, "All strata, pooled"]
    gate = table["gate"] if "gate" in table else pd.Series(True, index=table.index)
    rows = pd.DataFrame(
        {
            "group": "",
            "row": names[: len(table) - 1] + names[-1:],
            "series": "rank correlation",
            "value": table["rho"].to_numpy(float),
            "low": table["low"].to_numpy(float),
            "high": table["high"].to_numpy(float),
            "n": table["n"].to_numpy(),
            "why": table["why"].astype(str).to_numpy() if "why" in table else "",
            "faint": [not bool(g) for g in gate],
            "pooled": [False] * (len(table) - 1) + [True],
        }
    )
    told = [f"{estimand}: Spearman correlation, bars: 95 % intervals", heterogeneity(last)]
    told += [GATED] if rows["faint"].any() else []
    return dots(
        rows,
        title=f"{feature} and {metric}",
        axis="rank correlation (Spearman)",
        lines=[*filter(None, told), *lines],
        line_at=0.0,
        series_title="shown",
        domain=(-1.0, 1.0) if _wide(rows) else None,
        tips={"n": "prompts", "why": "note"},
        width=width,
    )


def heterogeneity(pooled: pd.Series) -> str:
    """How much strata differ, in one line: Q with its degrees, I² and tau²; "" where there is nothing to compare."""
    parts: list[str] = []
    for name, sign in (("Q", "Q"), ("het_q", "Q")):
        if name in pooled and _known(pooled[name]) and not parts:
            parts.append(f"{sign} = {digits(float(pooled[name]))}")
    if "i2" in pooled and _known(pooled["i2"]):
        share = float(pooled["i2"])
        parts.append(f"I² = {100 * share if share <= 1 else share:.0f} %")
    for name in ("tau2", "tau"):
        if name in pooled and _known(pooled[name]):
            parts.append(f"{'tau²' if name == 'tau2' else 'tau'} = {digits(float(pooled[name]), 2)}")
            break
    return "strata differ by: " + ", ".join(parts) if parts else ""


def _known(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _wide(rows: pd.DataFrame) -> bool:
    return bool(rows[["low", "high"]].abs().max(skipna=True).max() > 0.7)
