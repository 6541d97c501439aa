"""Correlates importance with quality for a study: the grid of pairs, primary ones first, with a verdict each.

``statistics.correlate_table`` computes; here it is decided what is tested: every feature x every outcome and proxy that
the table holds (one family for q), within task x model x structure, controlled for the length of the prompt, and in a
second set of columns (ending in ``post``: after treatment) also for the length and the log-probability of the answer.
Pairs that the plan named before Start are primary: their p gets Holm's correction over both estimands and is
confirmatory; all else is exploratory. Guarded by tests/core/test_findings_analysis.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..links import link_reason
from .record import STRATA

if TYPE_CHECKING:
    import pandas as pd

BEFORE = ("prompt_tokens",)
AFTER = ("output_tokens", "mean_logprob")
ALPHA = 0.05
DIFFER = 0.5
"""I2 from which strata are reported to differ."""
FORESTS = 3
AT_ONCE = 20
"""Features that are correlated in one call."""


def varying_columns(
    table: pd.DataFrame, features: Sequence[str], metrics: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Returns the features and metrics that vary in ``table``."""
    return [f for f in features if _varies(table, f)], [m for m in metrics if _varies(table, m)]


def relate_columns(
    table: pd.DataFrame,
    features: Sequence[str],
    metrics: Sequence[str],
    estimand: str,
    *,
    ids: Sequence[str] = (),
    permutations: int = 999,
    resamples: int = 999,
    seed: int = 0,
    check: Callable[[float], None] = lambda fraction: None,
) -> pd.DataFrame:
    """Returns ``correlate_table``'s table for one estimand ("between" or "within"); ``ids``: the instructions verified.

    Some features at a time, so that ``check(fraction)`` can show progress and cancel; q is over all of them.
    """
    import pandas as pd

    from ..statistics import correlate_table, q_values

    strata = [s for s in STRATA if s in table.columns and (estimand == "between" or s != "structure")]
    work = partial(
        correlate_table,
        table,
        metrics=metrics,
        cluster="prompt_id",
        strata=strata,
        estimand=estimand,
        controls=[c for c in BEFORE if _varies(table, c)],
        post_treatment=[c for c in AFTER if _varies(table, c)],
        permutations=permutations,
        resamples=resamples,
        seed=seed,
        linked=partial(link_reason, ids=tuple(ids)),
    )
    found = []
    for at in range(0, max(len(features), 1), AT_ONCE):
        check(at / max(len(features), 1))
        found.append(work(features=list(features[at : at + AT_ONCE])))
    out = pd.concat(found, ignore_index=True) if len(found) > 1 else found[0]
    return out.assign(q=q_values(out["p"].to_numpy(float), ~out["linked"].to_numpy(bool)))


def add_verdicts(
    between: pd.DataFrame, within: pd.DataFrame, primary: Sequence[tuple[str, str]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns both tables with ``primary``, ``p_primary`` and ``verdict``; primary rows first.

    ``p_primary``: Holm over the primary pairs of both. verdict: "positive", "negative", "no correlation found",
    "linked", "too few prompts".
    """
    import pandas as pd

    tables = [t.assign(primary=[(f, m) in set(primary) for f, m in _pairs(t)]) for t in (between, within)]
    both = pd.concat([t["p"].where(t["primary"] & ~t["linked"].astype(bool)) for t in tables])
    corrected = holm_p(both.to_numpy(float))
    out = []
    for t, p in zip(tables, np.split(corrected, [len(tables[0])]), strict=True):
        t = t.assign(p_primary=p)
        told = [_verdict(row) for row in t.to_dict("records")]
        t["verdict"], t["why"] = [v for v, _ in told], [w for _, w in told]
        out.append(t.sort_values("primary", ascending=False, kind="stable").reset_index(drop=True))
    return out[0], out[1]


def holm_p(p: np.ndarray) -> np.ndarray:
    """Returns Holm's (1979) step-down p over the finite entries; NaN stays."""
    p = np.asarray(p, float)
    out = np.full(p.shape, np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested])]
    out[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return out


def forests(
    table: pd.DataFrame,
    between: pd.DataFrame,
    primary: Sequence[tuple[str, str]],
    outcomes: Sequence[str],
    seed: int = 0,
) -> dict[tuple[str, str], pd.DataFrame]:
    """Returns {pair: forest between prompts} of primary pairs, or else of the outcomes' pairs with the smallest q."""
    from ..statistics import forest

    known = set(_pairs(between))
    wanted = [pair for pair in primary if pair in known]
    if not wanted and len(between):
        free = between[between["metric"].isin(list(outcomes)) & between["q"].notna()]
        wanted = _pairs(free.sort_values(["q", "p"], kind="stable").head(FORESTS))
    strata = [s for s in STRATA if s in table.columns]
    return {(f, m): forest(table, f, m, "prompt_id", strata, seed=seed) for f, m in wanted}


def _pairs(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(table["feature"], table["metric"], strict=True))


def _varies(table: pd.DataFrame, name: str) -> bool:
    import pandas as pd

    return name in table.columns and pd.to_numeric(table[name], errors="coerce").nunique() > 1


def _verdict(row: dict[str, object]) -> tuple[str, str]:
    why = str(row["why"] or "")
    if row["linked"]:
        return "linked", why
    p, rho = (float(row[k]) for k in ("p", "rho"))  # type: ignore[arg-type]
    if not np.isfinite(p):
        return "too few prompts", why or "There are too few prompts for a verdict."
    decisive = float(row["p_primary" if row["primary"] else "q"])  # type: ignore[arg-type]
    i2 = float(row["i2"])  # type: ignore[arg-type]
    mixed = f"Strata differ (I² = {i2:.0%}): read the forest, not the pooled number alone." if i2 > DIFFER else ""
    if not decisive < ALPHA:
        return "no correlation found", " ".join(filter(None, (why, mixed)))
    return ("positive" if rho > 0 else "negative"), " ".join(filter(None, (why, mixed)))
