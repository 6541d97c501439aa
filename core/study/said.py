"""What may be said of one pair, and its forest plot's numbers.

No verdict below the gate, none for pairs that are linked by construction, and never a cause. Guarded by
tests/core/test_study_said.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

STRATA = {"between": ("task", "model", "structure"), "within": ("task", "model")}
"""What a correlation is computed inside of."""
RESAMPLES = 999
LEVEL = 0.05


def said_of_pair(row: Mapping[str, Any] | None, feature: str, metric: str, estimand: str) -> str:
    """One or two sentences on a line of ``correlate``; ``feature`` and ``metric`` in words."""
    what = f"“{feature}” and “{metric}”"
    where = "between prompts" if estimand == "between" else "within a prompt"
    if row is None:
        return f"The points of {what}; their correlation is not known yet."
    if bool(row.get("linked")):
        return f"{what} are linked by construction: what goes together here is arithmetic, not a finding."
    rho, low, high, q, n = (_float(row.get(c)) for c in ("rho", "low", "high", "q", "n"))
    why = str(row.get("why") or "").strip()
    if not math.isfinite(rho):
        return f"{what} could not be correlated {where}." + (f" {_whole(why)}" if why else "")
    number = f"rank correlation {rho:.2f}, 95 % interval {low:.2f} to {high:.2f}, {n:,.0f} prompts"
    if not math.isfinite(low):
        number = f"rank correlation {rho:.2f}, {n:,.0f} prompts"
    if str(row.get("verdict", "")) == "too few prompts":
        return f"{what} {where}: {number}; too few prompts for a verdict. {_whole(why)}".strip()
    p = _float(row.get("p_primary"))
    primary = bool(row.get("primary")) and math.isfinite(p)
    sure = p <= LEVEL if primary else math.isfinite(q) and q <= LEVEL
    tested = f"p = {_small(p)}, named before Start" if primary else f"q = {_small(q)}, exploratory"
    if not sure:
        return f"{what} {where}: no relation found ({number}; {tested})."
    way = "a higher" if rho > 0 else "a lower"
    return f"{where.capitalize()}, more “{feature}” goes with {way} value of “{metric}” ({number}; {tested})."


def _float(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan if value is None else float(value)


def _small(p: float) -> str:
    return "not known" if not math.isfinite(p) else "below 0.001" if p < 0.001 else f"{p:.3f}"


def _whole(text: str) -> str:
    """A reason as a sentence."""
    if not text:
        return ""
    text = text[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def forest_of_pair(runs: pd.DataFrame, feature: str, metric: str, estimand: str) -> pd.DataFrame:
    """The forest table of any pair, as the findings compute theirs: without position controls."""
    from core.statistics import forest

    own = runs[~runs["control"]]
    strata = [c for c in STRATA[estimand] if c in own]
    return forest(own, feature, metric, "prompt_id", strata, estimand=estimand, resamples=RESAMPLES)
