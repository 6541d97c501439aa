"""Draws how well success is predicted from importance (AUROC), beside baselines without any importance.

An AUROC says little by itself: task and structure alone may reach 0.8. So baselines are in the same figure, and the
dashed line is chance. Guarded by tests/core/test_charts_study.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from .interval_rows import hollow_line, interval_rows_chart

PREDICTOR_GROUPS = {
    "heads": "All heads together",
    "feature": "One feature alone",
    "baseline": "Without any importance",
}
"""{kind: heading}, in the order of the figure."""


def prediction_chart(
    table: pd.DataFrame,
    *,
    outcome: str,
    scheme: str,
    names: Mapping[str, str] | None = None,
    within: bool = False,
    lines: Sequence[str] = (),
    width: int = 880,
) -> alt.LayerChart:
    """Draws rows of ``Findings.prediction`` of one outcome and one scheme.

    ``outcome`` in words; ``names`` {model: words}. ``within``: only pairs of runs of the same task and structure are
    compared.
    """
    value, low, high = ("within", "within_low", "within_high") if within else ("auroc", "low", "high")
    order = {kind: i for i, kind in enumerate(PREDICTOR_GROUPS)}
    own = table.assign(_at=table["kind"].map(order)).sort_values("_at", kind="stable")
    rows = pd.DataFrame(
        {
            "group": [PREDICTOR_GROUPS.get(k, k) for k in own["kind"]],
            "row": own["label"].astype(str).str.removeprefix("Baseline: "),
            "series": [(names or {}).get(m, m) for m in own["model"]],
            "value": own[value].astype(float),
            "low": own[low].astype(float),
            "high": own[high].astype(float),
            "faint": own["verdict"].eq("too few prompts"),
            **{c: own[c] for c in ("n", "positives", "negatives", "direction", "why")},
        }
    )
    told = [
        scheme,
        "AUROC: how often a run with yes ranks above one with no",
        "bars: 95 % intervals; dashed line: chance",
        *lines,
    ]
    told += hollow_line(rows)
    tips = {"n": "prompts", "positives": "prompts with a yes", "negatives": "prompts with a no"}
    return interval_rows_chart(
        rows,
        title=f"Telling runs apart by: {outcome}",
        axis="AUROC",
        lines=told,
        line_at=0.5,
        domain=(0.0, 1.0),
        tips=tips | {"direction": "yes goes with", "why": "note"},
        width=width,
    )
