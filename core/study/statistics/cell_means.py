"""Computes the mean of each cell of a paired design, and where the cells of each level stand.

Levels of a factor (structures, doses) are compared inside a *pairing*: one prompt (the cluster), with whatever is held
fixed and matched. Runs that differ only by seed are averaged first: they are one cell. A study of a few hundred prompts
asks for hundreds of comparisons of the same cells, so pairings, prompts and groups are numbered once, in the order of
their names, and a comparison is a look-up of rows; pandas would sort and join their names again each time.

Guarded by tests/core/test_statistics_cell_means.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ...errors import StudyError
from .prompt_means import MEAN_RESAMPLES
from .table_columns import level_codes


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


@dataclass(frozen=True, eq=False)
class CellMeans:
    """Means over runs that differ only by seed, and the place of each level's cells."""

    columns: tuple[str, ...]
    """Names of the values."""
    values: np.ndarray
    """float64 [cell, column]; NaN where undefined."""
    cells: np.ndarray
    """int64 [pairing, level]: a row of ``values``; -1 where nothing was run."""
    levels: tuple[tuple[Any, bool], ...]
    """(level of the factor, whether its position control)"""
    prompts: np.ndarray
    """int64 [pairing], rising: the number of the prompt, which is a combination of ``by`` and cluster."""
    groups: np.ndarray
    """int64 [prompt], rising: the number of the combination of ``by``."""
    held: tuple[tuple[Any, ...], ...]
    """[group]: the values of ``by``."""

    def rows(self, level: object, control: bool = False) -> np.ndarray:
        """Returns int64 [pairing], rows of ``values``; -1 where nothing was run at ``level``."""
        for at, (own, of_control) in enumerate(self.levels):
            if own == level and of_control == control:
                return self.cells[:, at]
        return np.full(len(self.cells), -1)

    def of_level(self, level: object, control: bool = False) -> np.ndarray:
        """Returns float64 [pairing, column], the means at ``level``; NaN where undefined or never run."""
        rows = self.rows(level, control)
        found = np.full((len(rows), len(self.columns)), np.nan)
        found[rows >= 0] = self.values[rows[rows >= 0]]
        return found

    def by_prompt(self, numbers: np.ndarray, pairings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns (number of each prompt [prompt], rising; its mean over ``numbers`` [pairing, column] where defined).

        ``pairings`` int [pairing], rising: which those rows are.
        """
        prompts = self.prompts[pairings]
        if (np.diff(prompts) > 0).all():
            return prompts, numbers
        means = pd.DataFrame(numbers).groupby(prompts).mean()
        return means.index.to_numpy(), means.to_numpy()

    def by_group(self, prompts: np.ndarray) -> list[tuple[int, slice]]:
        """Returns [(group, the places in ``prompts``, int [prompt], rising, that are its own)]."""
        groups, first = np.unique(self.groups[prompts], return_index=True)
        ends = [*first[1:], len(prompts)][: len(groups)]
        return [(int(g), slice(int(a), int(b))) for g, a, b in zip(groups, first, ends, strict=True)]

    def pick(self, columns: Sequence[str]) -> CellMeans:
        """Returns the same of some columns."""
        at = [self.columns.index(c) for c in columns]
        return replace(self, columns=tuple(columns), values=self.values[:, at])

    def only(self, pairings: np.ndarray) -> CellMeans:
        """Returns the same without the cells of other ``pairings`` (bool [pairing])."""
        return replace(self, cells=np.where(pairings[:, None], self.cells, -1))


def cell_means(table: pd.DataFrame, values: Sequence[str], design: PairedDesign) -> CellMeans:
    """Returns the means of ``values`` over runs that differ only by seed.

    A column that is missing from the table, such as that of a metric never computed, is all NaN.
    """
    prompts, _ = level_codes(table, [*design.by, design.cluster])
    pairings, _ = level_codes(table, [*design.by, design.cluster, *design.match])
    groups, held = level_codes(table, design.by)
    which, levels = level_codes(_with_control(table, design), [design.factor, _CONTROL])
    first = np.unique(pairings, return_index=True)[1]
    of_prompt = np.unique(prompts, return_index=True)[1]
    number, cell = np.unique(pairings * len(levels) + which, return_inverse=True)
    cells = np.full((len(first), len(levels)), -1)
    cells.reshape(-1)[number] = np.arange(len(number))
    return CellMeans(
        columns=tuple(values),
        values=_means(table, values, cell, len(number)),
        cells=cells,
        levels=tuple((level, bool(control)) for level, control in levels.itertuples(index=False)),
        prompts=prompts[first],
        groups=groups[of_prompt],
        held=tuple(held.itertuples(index=False, name=None)),
    )


def design_levels(means: CellMeans) -> list[Any]:
    """Returns the levels of the factor that have runs of their own (not only of a control), in order."""
    return sorted((level for level, control in means.levels if not control), key=str)


_CONTROL = "is control"
_COLUMNS = 16
"""Columns whose means are taken at a time."""


def _with_control(table: pd.DataFrame, design: PairedDesign) -> pd.DataFrame:
    controls = np.zeros(len(table), bool)
    if design.control in table.columns and design.control not in (design.factor, *design.by, *design.match):
        controls = table[design.control].fillna(False).astype(bool).to_numpy()
    return table[[design.factor]].assign(**{_CONTROL: controls})


def _means(table: pd.DataFrame, values: Sequence[str], cell: np.ndarray, cells: int) -> np.ndarray:
    found = np.full((cells, len(values)), np.nan)
    for at in range(0, len(values), _COLUMNS):  # a table of 50,000 runs takes 80 MB, and each step a copy
        some = table.reindex(columns=list(values[at : at + _COLUMNS]))
        some = some.apply(pd.to_numeric, errors="coerce").astype(float)
        found[:, at : at + _COLUMNS] = some.groupby(cell).mean().to_numpy()
    return found
