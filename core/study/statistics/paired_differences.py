"""Computes paired differences by prompt between levels of a factor, and between a level and its position control.

Every prompt was run under every level, so levels are compared inside a prompt: its runs are averaged for each level
(and matched by model and other factors where these are not held fixed), subtracted, and the differences are averaged
over prompts. Comparing the plain means of two groups of runs would count a prompt as often as it was run and would let
the prompts that failed under one level stand in for the others.

A structure also moves words to another place, and attention depends on place. Its *position control* is the same layout
with a neutral filler in place of the instruction. So a structure is compared with its own control, and ``net_terms``
gives that difference minus the same difference of the baseline (a difference in differences by prompt).

A comparison is a list of (level, whether its control, sign) for ``signed_contrast``; no level is known here by name.
``core.study.findings.structure_effects`` makes the table of all comparisons. Intervals and p-values: see
``core.study.statistics.prompt_means``. Guarded by tests/core/test_statistics_paired_differences.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...errors import StudyError
from .prompt_means import MEAN_RESAMPLES, mean_tests

Term = tuple[str, bool, int]
"""(level, whether its position control, +1 or -1)"""


@dataclass(frozen=True)
class PairedDesign:
    """The columns of a comparison: the factor, the clusters, what is held fixed, what else is matched."""

    factor: str = "structure"
    cluster: str = "prompt_id"
    by: tuple[str, ...] = ("task", "model")
    match: tuple[str, ...] = ()
    control: str = "control"
    resamples: int = MEAN_RESAMPLES
    seed: int = 0


TERM_ENDINGS = ("difference", "low", "high", "p", "n")


def net_terms(level: str, base: str) -> list[Term]:
    """Returns the terms of (level - its control) - (base - its control)."""
    return [(level, False, 1), (level, True, -1), (base, False, -1), (base, True, 1)]


def paired_design(
    table: pd.DataFrame,
    factor: str,
    cluster: str,
    by: Sequence[str],
    match: Sequence[str] | None,
    resamples: int = MEAN_RESAMPLES,
    seed: int = 0,
) -> PairedDesign:
    """Returns the PairedDesign, its columns checked; ``match`` None: model and ``factor:*`` unless held fixed."""
    if match is None:
        fixed = {*by, factor, cluster}
        match = [c for c in table.columns if (c == "model" or str(c).startswith("factor:")) and c not in fixed]
    missing = [c for c in (factor, cluster, *by, *match) if c not in table.columns]
    if missing:
        raise StudyError(f"The table has no column {missing[0]!r}: name one of {', '.join(map(str, table.columns))}.")
    return PairedDesign(factor, cluster, tuple(by), tuple(match), resamples=resamples, seed=seed)


def cell_means(table: pd.DataFrame, values: Sequence[str], design: PairedDesign) -> pd.DataFrame:
    """Returns the mean of ``values`` over runs that differ only by seed.

    Index: by, cluster, match, factor, control; NaN where undefined. A column that is missing from the table, such as
    that of a metric never computed, is all NaN.
    """
    keys = [*design.by, design.cluster, *design.match, design.factor]
    if design.control in table.columns and design.control not in keys:
        controls = table[design.control].fillna(False).astype(bool).to_numpy()
    else:
        controls = np.zeros(len(table), bool)
    cells = table[keys].assign(**{_CONTROL: controls}).groupby([*keys, _CONTROL], observed=True, dropna=False)
    number, index = cells.ngroup().to_numpy(), cells.size().index
    means = []
    for at in range(0, len(values), _COLUMNS):  # a table of 50,000 runs takes 80 MB, and each step a copy
        some = table.reindex(columns=list(values[at : at + _COLUMNS]))
        some = some.apply(pd.to_numeric, errors="coerce").astype(float)
        means.append(some.groupby(number).mean().set_axis(index))
    return pd.concat(means, axis=1) if means else pd.DataFrame(index=index)


def design_levels(means: pd.DataFrame, design: PairedDesign) -> list[str]:
    """Returns the levels of the factor that have runs of their own (not only of a control), in order."""
    own = ~means.index.get_level_values(_CONTROL).astype(bool)
    return sorted(means.index.get_level_values(design.factor)[own].unique(), key=str)


def signed_contrast(means: pd.DataFrame, design: PairedDesign, terms: Sequence[Term]) -> pd.DataFrame:
    """Returns the signed sum of ``terms`` by prompt, averaged over prompts, for each value and combination of ``by``.

    Columns: value, by, first (mean of the first term), rest (mean of the second), difference, low, high, p, n.
    """
    parts = [_part(means, design, level, control) for level, control, _ in terms]
    shared = parts[0].index
    for part in parts[1:]:
        shared = shared.intersection(part.index)
    sums = sum(sign * part.loc[shared] for part, (_, _, sign) in zip(parts, terms, strict=True))
    zero_one = [(part.isin([0.0, 1.0]) | part.isna()).all() for part in parts]
    prompts = [*design.by, design.cluster]
    mask = sums.notna()
    pieces = [
        f.where(mask).groupby(level=prompts, observed=True, dropna=False).mean() for f in (sums, parts[0], parts[1])
    ]
    once = not sums.index.droplevel([n for n in sums.index.names if n not in prompts]).has_duplicates
    binary = np.logical_and.reduce([z.to_numpy() for z in zero_one]) & once
    return _by_combination(pieces, design, binary)


_CONTROL = "is control"
_COLUMNS = 16
"""Columns whose means are taken at a time."""


def _part(means: pd.DataFrame, design: PairedDesign, level: str, control: bool) -> pd.DataFrame:
    index = means.index
    chosen = (index.get_level_values(design.factor) == level) & (index.get_level_values(_CONTROL) == control)
    return means[chosen].droplevel([design.factor, _CONTROL])


def _by_combination(pieces: list[pd.DataFrame], design: PairedDesign, binary: np.ndarray) -> pd.DataFrame:
    sums, first, rest = pieces
    names = [*design.by]
    if names:
        groups = list(sums.groupby(level=names, observed=True, dropna=False).indices.items())
    else:
        groups = [((), np.arange(len(sums)))] if len(sums) else []
    found = []
    for key, rows in groups:
        got = mean_tests(
            sums.iloc[rows].to_numpy(),
            binary=binary,
            resamples=design.resamples,
            seed=design.seed,
        )
        numbers = {"difference": got.mean, "low": got.low, "high": got.high, "p": got.p, "n": got.n}
        means = {"first": first.iloc[rows].mean().to_numpy(), "rest": rest.iloc[rows].mean().to_numpy()}
        held = dict(zip(names, key if isinstance(key, tuple) else (key,), strict=True))
        found.append(pd.DataFrame({"value": list(sums.columns), **held, **means, **numbers}))
    columns = ["value", *names, "first", "rest", *TERM_ENDINGS]
    out = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)
    return out[out["n"] > 0].reset_index(drop=True)
