"""Correlates importance with quality for a study: the grid of pairs, primary ones first, with a verdict each.

``statistics.correlate_table`` computes; here it is decided what is tested: every feature x every outcome and proxy that
the table holds (one family for q), within task x model x structure, controlled for the length of the prompt, and in a
second set of columns (ending in ``post``: after treatment) also for the length and the log-probability of the answer.
A pair is called a finding only if it stands with and without the length of the prompt held fixed, each with its own
correction over the family; whether it stands in the second set too is told beside, since what the answer itself makes
can also hide a real link. Pairs that the plan named before Start are primary: their p gets Holm's correction over both
estimands and is confirmatory; all else is exploratory. Guarded by tests/core/test_findings_analysis.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..links import link_reason
from .record import STRATA
from .structure_effects import ALPHA

if TYPE_CHECKING:
    import pandas as pd

BEFORE = ("prompt_tokens",)
AFTER = ("output_tokens", "mean_logprob")
DIFFER = 0.5
"""I2 from which strata are reported to differ."""
FORESTS = 3
ENDINGS = ("", "_controlled", "_post", "_cut")
"""Of the columns of a correlation: as it is, with controls fixed before the answer, with those after it too, and with
cut-off answers counted as not correct."""
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
    plain: bool = False,
    permutations: int = 999,
    resamples: int = 999,
    seed: int = 0,
    check: Callable[[float], None] = lambda fraction: None,
) -> pd.DataFrame:
    """Returns ``correlate_table``'s table for one estimand ("between" or "within"); ``ids``: the instructions verified.

    ``plain``: without controls.
    Some features at a time, so that ``check(fraction)`` can show progress and cancel; q is over all of them.
    """
    import pandas as pd

    from ..statistics import correlate_table

    strata = [s for s in STRATA if s in table.columns and (estimand == "between" or s != "structure")]
    work = partial(
        correlate_table,
        table,
        metrics=metrics,
        cluster="prompt_id",
        strata=strata,
        estimand=estimand,
        controls=[c for c in BEFORE if _varies(table, c) and not plain],
        post_treatment=[c for c in AFTER if _varies(table, c) and not plain],
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
    return _with_q(out)


def _with_q(table: pd.DataFrame) -> pd.DataFrame:
    """Adds the q of every p, each over all pairs that are not linked by construction."""
    from ..statistics import q_values

    free = ~table["linked"].to_numpy(bool)
    tested = [end for end in ENDINGS if f"p{end}" in table]
    return table.assign(**{f"q{end}": q_values(table[f"p{end}"].to_numpy(float), free) for end in tested})


def add_verdicts(
    between: pd.DataFrame, within: pd.DataFrame, primary: Sequence[tuple[str, str]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns both tables with ``primary``, ``p_primary``, its controlled forms, and ``verdict``; primary rows first.

    ``p_primary``: Holm over the primary pairs of both, also of the controlled p. verdict: "positive", "negative",
    "no correlation found", "linked", "too few prompts".
    """
    import pandas as pd

    tables = [t.assign(primary=[(f, m) in set(primary) for f, m in _pairs(t)]) for t in (between, within)]
    tables = [_with_q(t) for t in tables]
    for end in ENDINGS:
        own = [
            t.get(f"p{end}", pd.Series(np.nan, t.index)).where(t["primary"] & ~t["linked"].astype(bool)) for t in tables
        ]
        corrected = np.split(holm_p(pd.concat(own).to_numpy(float)), [len(tables[0])])
        tables = [t.assign(**{f"p_primary{end}": p}) for t, p in zip(tables, corrected, strict=True)]
    out = []
    for t in tables:
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


def _verdict(row: Mapping[str, Any]) -> tuple[str, str]:
    why = str(row["why"] or "")
    if row["linked"]:
        return "linked", why
    if not np.isfinite(row["p"]):
        return "too few prompts", why or "There are too few prompts for a verdict."
    mixed = f"Strata differ (I² = {row['i2']:.0%}): read the forest, not the pooled number alone."
    notes = [why, mixed if row["i2"] > DIFFER else ""]
    found = _stands(row, "")
    if found and not _stands(row, "_controlled"):
        found, notes = (
            False,
            [*notes, f"It does not stand with the length of the prompt held fixed ({_held(row, '_controlled')})."],
        )
    elif found and not _stands(row, "_cut"):
        found, notes = (
            False,
            [*notes, f"It does not stand with cut-off answers counted as not correct ({_held(row, '_cut')})."],
        )
    elif found and not _stands(row, "_post"):
        notes.append(
            "It does not stand with length and log-probability of the answer held fixed too "
            f"({_held(row, '_post')}); both are made by the answer, so that may also hide a real link."
        )
    verdict = ("positive" if row["rho"] > 0 else "negative") if found else "no correlation found"
    return verdict, " ".join(filter(None, notes))


def _stands(row: Mapping[str, Any], end: str) -> bool:
    """Returns whether the corrected p is below ALPHA, in the direction of the plain rho; true if nothing was held."""
    if f"rho{end}" not in row:
        return True
    return bool(row[f"p_primary{end}" if row["primary"] else f"q{end}"] < ALPHA and row[f"rho{end}"] * row["rho"] > 0)


def _held(row: Mapping[str, Any], end: str) -> str:
    """Returns the numbers of a correlation with controls, for a sentence."""
    p, name = (row.get(f"p_primary{end}"), "p") if row["primary"] else (row.get(f"q{end}"), "q")
    if not np.isfinite(row[f"rho{end}"]):
        return "nothing is left to correlate"
    return f"rho = {row[f'rho{end}']:.2f}, {row[f'low{end}']:.2f} to {row[f'high{end}']:.2f}, {name} = {p:.2g}"
