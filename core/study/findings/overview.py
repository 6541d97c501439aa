"""Makes the overview table: quality, attention and ablation effects, one row per task, structure and model.

The first table of the findings. Numbers are written with their intervals, since a mean without one invites a verdict.
Guarded by tests/core/test_findings_report.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ...charts.interval_rows import value_with_interval
from ...charts.study_quality import ASKS, Ask, in_percent
from ..column_labels import TASK_WORDS, column_label, model_label, structure_label, task_label
from ..quality.metrics import rank_metrics

if TYPE_CHECKING:
    import pandas as pd

ROW_KEYS = ("task", "structure", "model")
USUAL_FEATURES = ("share_instruction", "share_check", "masked_instruction", "masked_check")
"""Features that are shown first where a table has them; metrics say it themselves (``Metric.rank``)."""


def first_shown(values: Iterable[str]) -> list[str]:
    """Returns the values of a table of findings once each: those shown first, then the others in their order."""
    there = list(dict.fromkeys(values))
    usual = [f for f in USUAL_FEATURES if f in there]
    return [*usual, *rank_metrics(v for v in there if v not in usual)]


def overview_table(tables: dict[str, tuple[pd.DataFrame, str]], ask: Ask = "difference") -> pd.DataFrame:
    """Returns a column with the mean and one with the change for each of ``tables``.

    ``tables``: {heading: (quality, attention or effects, the value)}. ``ask`` is the change that is shown:
    "difference", "cut", "control" or "net" ("mean": the difference; "cut" too where no answer was cut off).
    """
    import pandas as pd

    change: Ask = "difference" if ask == "mean" else ask
    parts = []
    for heading, (table, value) in tables.items():
        own = table[table["value"] == value]
        parts.append(_columns(own, heading, value, "difference" if _uncut(own, change) else change))
    if not parts:
        return pd.DataFrame()
    out = parts[0]
    for part in parts[1:]:
        out = out.join(part, how="outer")
    out = out.reset_index()
    tasks = [*TASK_WORDS, *out["task"].unique()]
    out["_at"] = out["task"].map(tasks.index)
    out = out.sort_values("_at", kind="stable").drop(columns="_at")
    out["task"], out["structure"] = out["task"].map(task_label), out["structure"].map(structure_label)
    out["model"] = out["model"].map(model_label)
    return out.rename(columns={k: k.capitalize() for k in ROW_KEYS}).fillna("").reset_index(drop=True)


def _uncut(own: pd.DataFrame, ask: Ask) -> bool:
    return ask == "cut" and ("cut_difference" not in own or not own["cut_difference"].notna().any())


def _columns(own: pd.DataFrame, heading: str, value: str, ask: Ask) -> pd.DataFrame:
    import pandas as pd

    label = column_label(value)
    percent = not own.empty and in_percent(str(own["unit"].iloc[0]))
    name, low, high, pairs = ASKS[ask]
    rows = own.to_dict("records")
    found: dict[str, Any] = {k: own[k].to_numpy() for k in ROW_KEYS}
    found[f"{heading}: {label}"] = [
        value_with_interval(r["mean"], r["mean_low"], r["mean_high"], percent) for r in rows
    ]
    how = ", cut-off as not correct" if ask == "cut" else ""
    found[f"{heading}: change{how}"] = [
        "baseline" if r["baseline"] and ask != "control" else value_with_interval(r[name], r[low], r[high], percent)
        for r in rows
    ]
    q = f"{ASKS[ask][0].removesuffix('difference')}q"
    found[f"{heading}: q"] = [_q(r.get(q)) for r in rows]
    found[f"{heading}: prompts"] = [str(int(r[pairs] if _known(r[pairs]) else r["n"])) for r in rows]
    return pd.DataFrame(found).set_index(list(ROW_KEYS))


def _known(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _q(value: Any) -> str:
    return f"{value:.3f}" if _known(value) else ""
