"""Words the findings on one feature and one metric, and computes the forest plot's table of the pair.

No verdict with too few prompts, none for pairs that are linked by construction, and never a cause. The verdict itself
is that of ``core.study.findings.correlations``; here it is put into words. Guarded by
tests/core/test_findings_pair_sentences.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

WHERE = {"between": "between prompts", "within": "within a prompt"}


def pair_sentence(row: Mapping[str, Any] | None, feature: str, metric: str, estimand: str) -> str:
    """Returns one or two sentences on a row of the findings' correlations; ``feature`` and ``metric`` in words."""
    what, where = f"“{feature}” and “{metric}”", WHERE[estimand]
    if row is None:
        return f"{what}: a correlation {where} was not computed for them."
    verdict, why = str(row.get("verdict", "")), str(row.get("why") or "").strip()
    if verdict == "linked" or bool(row.get("linked")):
        return f"{what} are linked by construction: what goes together here is arithmetic, not a finding."
    rho, low, high, n = (_float(row.get(c)) for c in ("rho", "low", "high", "n"))
    if not math.isfinite(rho):
        return _joined(f"{what} could not be correlated {where}.", why)
    number = f"rank correlation {rho:.2f}"
    number += f", 95 % interval {low:.2f} to {high:.2f}" if math.isfinite(low) else ""
    number += f", {n:,.0f} prompts"
    if verdict == "too few prompts":
        return _joined(f"{what} {where}: {number}. There is no verdict.", why)
    tested = _tested(row)
    if verdict not in ("positive", "negative"):
        return _joined(f"No correlation found {where} of {what} ({number}; {tested}).", why)
    way = "a higher" if verdict == "positive" else "a lower"
    said = f"{where.capitalize()}, more of “{feature}” goes with {way} value of “{metric}” ({number}; {tested})."
    return _joined(said, why)


def _tested(row: Mapping[str, Any]) -> str:
    """Returns p of a pair that was named before Start, else q."""
    if bool(row.get("primary")):
        return f"named before Start, p {_small(_float(row.get('p_primary')))}"
    return f"exploratory, q {_small(_float(row.get('q')))}"


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


def _small(p: float) -> str:
    return "is not known" if not math.isfinite(p) else "below 0.001" if p < 0.001 else f"= {p:.3f}"


def _joined(said: str, why: str) -> str:
    """Appends a reason to ``said``, as a sentence of its own."""
    if not why:
        return said
    why = why[0].upper() + why[1:]
    return f"{said} {why if why.endswith(('.', '!', '?')) else why + '.'}"


def forest_of_pair(runs: pd.DataFrame, feature: str, metric: str, estimand: str) -> pd.DataFrame:
    """Returns the forest table of any pair, in the findings' strata; without position controls and failed runs."""
    from ..statistics import forest
    from .record import STRATA

    own = runs[~runs["control"] & (runs["error"] == "")]
    strata = [s for s in STRATA if s in own and (estimand == "between" or s != "structure")]
    return forest(own, feature, metric, "prompt_id", strata, estimand=estimand)
