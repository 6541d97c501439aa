"""Reduces runs to the observations of a correlation, and defines which of them are exchangeable.

Two questions, never mixed. *between*: do prompts with more of the feature have better answers? A prompt's runs within a
stratum are averaged first, so a prompt counts once there however often it was run. *within*: when the structure changes
and the prompt stays, does a change of the feature go with a change of quality? Both are taken as differences to the
prompt's own mean over the structures (runs of one structure averaged first).

Strata often share prompts (two models answer the same ones), so nothing is resampled or permuted by stratum. A
*cluster* (prompt) is resampled as a whole, with all its observations in all strata. A *unit* is what moves in a
permutation: the prompt (between), or one structure of a prompt (within); it takes its observations in all strata along,
and moves only inside its *block*: prompts that occur in common strata (in practice a task), or the structures of one
prompt.

Guarded by tests/core/test_statistics_correlation.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from ...checks import check_choice
from ...errors import StudyError
from . import table_columns

CORRELATION_LEVELS = ("between", "within")


@dataclass(frozen=True, eq=False)
class RunArrays:
    """A table of R runs as arrays."""

    values: np.ndarray
    """float64 [R, D]: features, metrics and controls side by side."""
    cluster: np.ndarray
    """int [R]: number of the prompt, 0 to P - 1."""
    stratum: np.ndarray
    """int [R]"""
    level: np.ndarray
    """int [R]: the structure (within); 0 (between)."""
    strata: pd.DataFrame
    """A row per stratum with its levels."""
    group: np.ndarray
    """int [P]: prompts with the same number occur in common strata."""
    estimand: str

    @property
    def block(self) -> np.ndarray:
        """The block of each unit, int [unit]."""
        if self.estimand == "between":
            return self.group
        return np.repeat(np.arange(len(self.group)), self.levels)

    @property
    def levels(self) -> int:
        """Number of structures that runs are compared across; 1 for the question between prompts."""
        return int(self.level.max(initial=0)) + 1


@dataclass(frozen=True, eq=False)
class Observations:
    """Observations of some runs, sorted by stratum and prompt; O of them."""

    values: np.ndarray
    """float64 [O, D]"""
    stratum: np.ndarray
    """int [O]"""
    cluster: np.ndarray
    """int [O]"""
    unit: np.ndarray
    """int [O]: the unit that moves in a permutation."""

    def parts(self) -> list[tuple[int, slice]]:
        """Returns (stratum, its observations) of each stratum."""
        numbers, first = np.unique(self.stratum, return_index=True)
        ends = np.r_[first[1:], len(self.stratum)] if len(first) else first
        return [(int(s), slice(int(a), int(b))) for s, a, b in zip(numbers, first, ends, strict=True)]


def read_runs(
    table: pd.DataFrame,
    names: Sequence[str],
    cluster: str,
    strata: str | Sequence[str] | None,
    *,
    estimand: str = "between",
    over: str = "structure",
    values: np.ndarray | None = None,
) -> RunArrays:
    """Reads arrays from ``table``: the columns ``names`` (or ``values`` [row, D]), prompt, stratum and level.

    Rows without a prompt are left out. Raises StudyError for columns that are missing or hold text.
    """
    check_choice("estimand", estimand, CORRELATION_LEVELS)
    within = estimand == "within"
    (by,) = table_columns.check_columns(table, cluster, "cluster") or [""]
    if not by:
        raise StudyError('Name the column that says which prompt a run belongs to, such as cluster="prompt_id".')
    strata = table_columns.check_columns(table, strata, "strata")
    levels = table_columns.check_columns(table, over, "structures that change within a prompt") if within else []
    if by in strata or set(levels) & set(strata):
        raise StudyError(
            f"{by!r} cannot be among the strata: nothing would be left to compare within one."
            if by in strata
            else f"{over!r} cannot be among the strata of a correlation within prompts: it is what changes there."
        )
    known = table[by].notna().to_numpy()
    table = table[known]
    numbers = table_columns.float_columns(table, names) if values is None else values[known]
    prompt = pd.factorize(table[by])[0].astype(np.int64)
    stratum, rows = table_columns.level_codes(table, strata)
    level = table_columns.level_codes(table, levels)[0]
    return RunArrays(numbers, prompt, stratum, level, rows, _groups(prompt, stratum), estimand)


def _groups(cluster: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """Returns int [P]: connected components of the graph of prompts and the strata they occur in."""
    if not len(cluster):
        return np.zeros(0, np.int64)
    prompts, size = int(cluster.max()) + 1, int(cluster.max()) + 2 + int(stratum.max())
    edges = sparse.coo_array((np.ones(len(cluster)), (cluster, prompts + stratum)), shape=(size, size))
    return sparse.csgraph.connected_components(edges, directed=False)[1][:prompts].astype(np.int64)


def select_observations(runs: RunArrays, rows: np.ndarray, names: np.ndarray) -> Observations:
    """Returns the observations of the runs ``rows`` (bool [R]) in the columns ``names`` (int [D]), all complete."""
    picked = np.flatnonzero(rows)
    stratum, cluster, level = runs.stratum[picked], runs.cluster[picked], runs.level[picked]
    order = np.lexsort((level, cluster, stratum))
    picked, keys = picked[order], np.stack([stratum, cluster, level])[:, order]
    values, keys = _averaged(runs.values[np.ix_(picked, names)], keys)
    unit = keys[1]
    if runs.estimand == "within":
        values, keys = _centred(values, keys)
        unit = keys[1] * runs.levels + keys[2]
    return Observations(_without_rounding(values), keys[0], keys[1], unit)


def _without_rounding(values: np.ndarray) -> np.ndarray:
    """Rounds values, so that equal values rank as equal whatever the order of summation."""
    size = np.abs(values).max(axis=0, initial=0.0)
    return np.round(values / np.where(size > 0, size, 1.0), 12)


def _starts(keys: np.ndarray) -> np.ndarray:
    """Returns where a new combination begins in sorted ``keys`` [key, row]."""
    if not keys.shape[1]:
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.r_[True, (np.diff(keys, axis=1) != 0).any(0)])


def _averaged(values: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first = _starts(keys)
    if len(first) == keys.shape[1]:
        return values, keys
    counts = np.diff(np.r_[first, keys.shape[1]])
    return np.add.reduceat(values, first, axis=0) / counts[:, None], keys[:, first]


def _centred(values: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns differences to the prompt's mean in its stratum, without prompts seen under one structure only."""
    first = _starts(keys[:2])
    counts = np.diff(np.r_[first, keys.shape[1]])
    if len(first):
        values = values - np.repeat(np.add.reduceat(values, first, axis=0) / counts[:, None], counts, axis=0)
    several = np.repeat(counts > 1, counts)
    return values[several], keys[:, several]
