"""Computes paired differences by prompt between levels of a factor, and between a level and its position control.

Every prompt was run under every level, so levels are compared inside a prompt: its runs are averaged for each level
(``cell_means``; matched by model and other factors where these are not held fixed), subtracted, and the differences
are averaged over prompts. Comparing the plain means of two groups of runs would count a prompt as often as it was run
and would let the prompts that failed under one level stand in for the others.

A structure also moves words to another place, and attention depends on place. Its *position control* is the same layout
with a neutral filler in place of the instruction. So a structure is compared with its own control, and ``net_terms``
gives that difference minus the same difference of the baseline (a difference in differences by prompt).

A comparison is a list of (level, whether its control, sign) for ``signed_contrast``; no level is known here by name.
``core.study.findings.structure_effects`` makes the table of all comparisons. Intervals and p-values: see
``core.study.statistics.prompt_means``. Guarded by tests/core/test_statistics_paired_differences.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .cell_means import CellMeans, PairedDesign
from .prompt_means import mean_tests

Term = tuple[str, bool, int]
"""(level, whether its position control, +1 or -1)"""

TERM_ENDINGS = ("difference", "low", "high", "p", "n")


def net_terms(level: str, base: str) -> list[Term]:
    """Returns the terms of (level - its control) - (base - its control)."""
    return [(level, False, 1), (level, True, -1), (base, False, -1), (base, True, 1)]


def signed_contrast(means: CellMeans, design: PairedDesign, terms: Sequence[Term]) -> pd.DataFrame:
    """Returns the signed sum of ``terms`` by prompt, averaged over prompts, for each value and combination of ``by``.

    Columns: value, by, first (mean of the first term), rest (mean of the second), difference, low, high, p, n.
    """
    rows = [means.rows(level, control) for level, control, _ in terms]
    shared, each = _shared(rows), _sums(means, rows, terms)
    prompts, sums = means.by_prompt(each, shared)
    apart = len(prompts) == len(shared)
    binary = np.logical_and.reduce([_zero_or_one(means.values[r[r >= 0]]) for r in rows]) & apart
    first, rest = (
        means.by_prompt(np.where(np.isnan(each), np.nan, means.values[r[shared]]), shared)[1] for r in rows[:2]
    )
    groups, found = means.by_group(prompts), []
    for _, at in groups:
        got = mean_tests(sums[at], binary=binary, resamples=design.resamples, seed=design.seed)
        numbers = (_mean(first[at]), _mean(rest[at]), got.mean, got.low, got.high, got.p, got.n)
        found.append(dict(zip(("first", "rest", *TERM_ENDINGS), numbers, strict=True)))
    return _table(means, design, [g for g, _ in groups], found, ("first", "rest", *TERM_ENDINGS))


def count_pairs(means: CellMeans, design: PairedDesign, terms: Sequence[Term]) -> pd.DataFrame:
    """Returns value, by and n of ``signed_contrast``, without its tests: n prompts have all ``terms``."""
    rows = [means.rows(level, control) for level, control, _ in terms]
    prompts, sums = means.by_prompt(_sums(means, rows, terms), _shared(rows))
    groups = means.by_group(prompts)
    return _table(
        means, design, [g for g, _ in groups], [{"n": np.isfinite(sums[at]).sum(0)} for _, at in groups], ["n"]
    )


def _shared(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Returns int [pairing]: those that were run under every term."""
    return np.flatnonzero(np.logical_and.reduce([r >= 0 for r in rows]))


def _sums(means: CellMeans, rows: Sequence[np.ndarray], terms: Sequence[Term]) -> np.ndarray:
    """Returns float64 [shared pairing, column]."""
    shared = _shared(rows)
    found = np.zeros((len(shared), len(means.columns)))
    for own, (_, _, sign) in zip(rows, terms, strict=True):
        found += sign * means.values[own[shared]]
    return found


def _zero_or_one(values: np.ndarray) -> np.ndarray:
    """Returns bool [column]: all values are 0, 1 or undefined."""
    return ((values == 0) | (values == 1) | np.isnan(values)).all(0)


def _mean(values: np.ndarray) -> np.ndarray:
    """Returns float64 [column], the mean over prompts of what is defined; NaN where nothing is."""
    known = ~np.isnan(values)
    n = known.sum(0)
    return np.divide(np.where(known, values, 0.0).sum(0), n, out=np.full(len(n), np.nan), where=n > 0)


def _table(
    means: CellMeans,
    design: PairedDesign,
    groups: Sequence[int],
    found: Sequence[dict[str, np.ndarray]],
    names: Sequence[str],
) -> pd.DataFrame:
    """Returns value, ``by`` and ``names`` [group, column] in rows, of values that have prompts."""
    if not groups:
        return pd.DataFrame(columns=["value", *design.by, *names])
    width = len(means.columns)
    held = {name: [means.held[g][i] for g in groups for _ in range(width)] for i, name in enumerate(design.by)}
    numbers = {name: np.concatenate([one[name] for one in found]) for name in names}
    out = pd.DataFrame({"value": list(means.columns) * len(groups), **held, **numbers})
    return out[out["n"] > 0].reset_index(drop=True)
