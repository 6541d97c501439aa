"""Bounds of what structures do to quality, where the token limit cut answers off and left outcomes undefined.

Answers that were cut off are no random sample: they are the long ones, and one structure or model may have more of
them. Leaving them out selects. So each difference between structures stands beside the same one with every cut-off
answer counted as not correct (0), and beside the worst case: all of one structure's counted as 0 and all of the other's
as 1 (``least`` and ``most``; Manski 1990). A difference is called one only if it stands with and without them. Guarded
by tests/core/test_findings_cut_off.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .structure_effects import ALPHA, DIFFERENCE_ENDINGS, ValueDescription

if TYPE_CHECKING:
    import pandas as pd

LIMIT_WORDS = "token limit"
"""In the reason of a metric that is undefined because the answer was cut off."""
COMPARED = ["value", "task", "model", "structure"]
"""What a row of a comparison is about."""


def cut_off_rows(table: pd.DataFrame, value: str) -> np.ndarray:
    """Returns bool [run]: whether ``value`` is undefined because the answer was cut off by the token limit.

    The column ``why`` tells that from a metric that has nothing to compare with; without it every undefined value of a
    cut-off answer counts.
    """
    gone = table["truncated"].to_numpy(bool) & table[value].isna().to_numpy()
    if "why" not in table.columns:
        return gone
    for at in np.flatnonzero(gone):
        gone[at] = LIMIT_WORDS in _reasons(table["why"].iloc[at]).get(value, "")
    return gone


def _reasons(text: Any) -> dict[str, str]:
    try:
        found = json.loads(text) if isinstance(text, str) and text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def cut_off_values(table: pd.DataFrame, about: Mapping[str, ValueDescription]) -> dict[str, np.ndarray]:
    """Returns {outcome between 0 and 1: its ``cut_off_rows``} of those that have any."""
    bounded = [v for v, a in about.items() if a.kind == "outcome" and a.unit in ("0 or 1", "share") and v in table]
    found = {value: cut_off_rows(table, value) for value in bounded}
    return {value: rows for value, rows in found.items() if rows.any()}


def count_cut_off(table: pd.DataFrame, cut: Mapping[str, np.ndarray], as_: float | np.ndarray) -> pd.DataFrame:
    """Returns a copy in which the values ``cut`` of cut-off answers are ``as_`` (one number, or one a run)."""
    each = np.broadcast_to(np.asarray(as_, float), len(table))
    table = table.copy()
    for value, rows in cut.items():
        table[value] = np.where(rows, each, table[value].to_numpy(float))
    return table


def add_cut_off(
    found: pd.DataFrame,
    table: pd.DataFrame,
    cut: Mapping[str, np.ndarray],
    base: str,
    compare: Callable[[pd.DataFrame], pd.DataFrame],
) -> pd.DataFrame:
    """Adds to ``found`` what ``compare`` gives with cut-off answers counted otherwise.

    ``table``: the runs without position controls.

    Columns: ``cut_off`` (share of a row's runs), ``cut_`` + DIFFERENCE_ENDINGS (all of them counted as 0), ``least``
    and ``most`` (the difference in the worst case). Verdict and ``why`` follow.
    """
    if not cut:
        return found
    ours = (table["structure"] == base).to_numpy()
    zero = compare(count_cut_off(table, cut, 0.0)).set_index(COMPARED)
    least, most = (compare(count_cut_off(table, cut, fill)).set_index(COMPARED)["difference"] for fill in (ours, ~ours))
    keys = found.set_index(COMPARED).index
    has = found["value"].isin(list(cut)).to_numpy()
    found = found.assign(cut_off=np.where(has, _shares(found, table, cut), np.nan))
    for name in DIFFERENCE_ENDINGS:
        found[f"cut_{name}"] = np.where(has, zero[name].reindex(keys).to_numpy(float), np.nan)
    found["least"], found["most"] = (np.where(has, one.reindex(keys).to_numpy(float), np.nan) for one in (least, most))
    told = [_verdict(row) for row in found.to_dict("records")]
    return found.assign(verdict=[v for v, _ in told], why=[w for _, w in told])


def _shares(found: pd.DataFrame, table: pd.DataFrame, cut: Mapping[str, np.ndarray]) -> list[float]:
    """Returns the share of runs that were cut off in each row of ``found``."""
    shares = []
    for row in found.to_dict("records"):
        here = (table["model"] == row["model"]).to_numpy() & (table["structure"] == row["structure"]).to_numpy()
        if (table["task"] == row["task"]).any():
            here &= (table["task"] == row["task"]).to_numpy()
        known = here & (table[row["value"]].notna().to_numpy() | cut.get(row["value"], False))
        shares.append(float(np.mean(cut[row["value"]][known])) if row["value"] in cut and known.any() else np.nan)
    return shares


def _verdict(row: Mapping[str, Any]) -> tuple[str, str]:
    """Returns (verdict, why): a difference that is one only without, or only with, the cut-off answers is none."""
    verdict, why = row["verdict"], row["why"]
    if verdict not in ("higher", "lower", "no difference found") or not np.isfinite(row["cut_q"]):
        return verdict, why
    counted = row["cut_q"] < ALPHA
    as_zero = f"with cut-off answers counted as not correct it is {row['cut_difference']:+.3g} (q = {row['cut_q']:.2g})"
    if verdict == "no difference found":
        return verdict, f"{why} It depends on the cut-off answers: {as_zero}." if counted else why
    if counted and row["cut_difference"] * row["difference"] > 0:
        return verdict, why
    return "no difference found", f"It depends on the cut-off answers: {as_zero}."


def correlations_with_cut_off(
    found: pd.DataFrame,
    table: pd.DataFrame,
    cut: Mapping[str, np.ndarray],
    relate: Callable[..., pd.DataFrame],
) -> pd.DataFrame:
    """Adds ``rho_cut``, ``low_cut``, ``high_cut``, ``p_cut``: the correlations with cut-off answers counted as 0.

    ``low_bound`` and ``high_bound`` span the intervals of cut-off answers left out, counted as 0 and counted as 1.
    ``relate(table, features, metrics)`` gives the correlations of some metrics. Other metrics keep their own numbers.
    """
    columns = ["rho", "low", "high", "p"]
    found = found.assign(**{f"{c}_cut": found[c] for c in columns}, low_bound=found["low"], high_bound=found["high"])
    here = [m for m in cut if (found["metric"] == m).any()]
    if not here:
        return found
    keys = ["feature", "metric"]
    features = list(dict.fromkeys(found["feature"]))
    zero, one = (relate(count_cut_off(table, cut, as_), features, here).set_index(keys)[columns] for as_ in (0.0, 1.0))
    at, rows = found.set_index(keys).index, found["metric"].isin(here).to_numpy()
    for name in columns:
        found.loc[rows, f"{name}_cut"] = zero[name].reindex(at).to_numpy(float)[rows]
    ends = {
        "low": np.fmin(zero["low"].reindex(at), one["low"].reindex(at)).to_numpy(float),
        "high": np.fmax(zero["high"].reindex(at), one["high"].reindex(at)).to_numpy(float),
    }
    found["low_bound"] = np.where(rows, np.fmin(found["low"], ends["low"]), found["low"])
    found["high_bound"] = np.where(rows, np.fmax(found["high"], ends["high"]), found["high"])
    return found
