"""Measures the agreement of raters, pairwise (Cohen's kappa) and of all together (Krippendorff's alpha).

Cohen's kappa with quadratic weights (Cohen 1968) compares two raters over what both have rated: 1 is perfect, 0 is
agreement by chance. Krippendorff's alpha for interval data (Krippendorff 2011) takes all raters and gaps at once.
Neither is given below ten common answers, or where all ratings are the same. Guarded by
tests/core/test_statistics_rater_agreement.py.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

COMMON = 10
"""Fewest answers rated by both for a verdict."""
SAME = "one of them always gave the same rating"


def too_few_sentence(count: int) -> str:
    """Returns why there is no verdict, or ""."""
    return f"{count} of {COMMON} answers that both must have rated" if count < COMMON else ""


def pairwise_agreement(
    table: pd.DataFrame, item: str = "card", rater: str = "rater", rating: str = "rating"
) -> pd.DataFrame:
    """Returns one row for each two raters: counts, agreement and kappa.

    Columns: ``first, second, n`` (answers of both), ``equal`` and ``near`` (shares that are equal, or at most one
    apart), ``difference`` (mean, second minus first), ``kappa``, ``why`` (kappa is NaN). ``table``: one row per item
    and rater; of several rows of one pair the last counts.
    """
    wide, rows = _wide(table, item, rater, rating), []
    for first, second in combinations(wide.columns, 2):
        both = wide[[first, second]].dropna()
        a, b = both[first].to_numpy(), both[second].to_numpy()
        why = too_few_sentence(len(a)) or (SAME if len(set(a)) == 1 or len(set(b)) == 1 else "")
        kappa = np.nan if why else _kappa(a, b)
        rows.append((first, second, len(a), *_near(a, b), kappa, why))
    return pd.DataFrame(rows, columns=["first", "second", "n", "equal", "near", "difference", "kappa", "why"])


def krippendorff_alpha(
    table: pd.DataFrame, item: str = "card", rater: str = "rater", rating: str = "rating"
) -> tuple[float, str]:
    """Returns (Krippendorff's alpha for interval data over items rated at least twice, why it is NaN)."""
    wide = _wide(table, item, rater, rating).to_numpy(float)
    rows = [row[~np.isnan(row)] for row in wide]
    units = [row for row in rows if len(row) > 1]
    if len(units) < COMMON:
        return float("nan"), f"{len(units)} of {COMMON} answers that two people must have rated"
    if len(set(np.concatenate(units).tolist())) == 1:
        return float("nan"), "everybody always gave the same rating"
    import krippendorff

    return float(krippendorff.alpha(reliability_data=wide.T, level_of_measurement="interval")), ""


def _wide(table: pd.DataFrame, item: str, rater: str, rating: str) -> pd.DataFrame:
    """Returns a table of items x raters."""
    last = table.drop_duplicates([item, rater], keep="last")
    return last.pivot(index=item, columns=rater, values=rating).astype(float)


def _kappa(a: np.ndarray, b: np.ndarray) -> float:
    from sklearn.metrics import cohen_kappa_score  # takes a second: only where two have rated enough

    scale = np.arange(min(a.min(), b.min()), max(a.max(), b.max()) + 1)  # all steps between count, given or not
    return float(cohen_kappa_score(a, b, labels=scale, weights="quadratic"))


def _near(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    if not len(a):
        return float("nan"), float("nan"), float("nan")
    return float((a == b).mean()), float((abs(a - b) <= 1).mean()), float((b - a).mean())
