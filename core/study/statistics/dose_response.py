"""Computes how values change with a dose: levels, paired differences, trends, and what remains at an equal size.

A table has a row a run. ``part`` names what was dosed ("" for runs without), ``dose`` says how much (1: without). A
part whose dose is NaN is a *rival*: a change of another kind, compared with the runs without and never part of a trend.
One part may be the *control*, which was given the same doses. Every prompt was run at every dose, so all differences
are taken inside a prompt and prompts are drawn as wholes (``paired_differences``, ``prompt_means``).

- ``dose_levels``: mean of every level with its interval; ``difference``, the level minus the runs without; ``net_``,
  the level minus the control part at the same dose, which is the difference of both differences.
- ``dose_trends``: change per doubling of the dose (least squares within each prompt, then the mean over prompts); p
  exchanges the doses' labels within prompts (``exchange``), for the trend and for the means lying apart in any order,
  which an optimum in the middle does. ``against`` the control part, the same of (part - control) by dose, without dose
  1, where both are one run. A dose of 0 has no logarithm and is left out of trends.
- ``comparable_levels``: the differences among pairs of runs whose size (words) differs by at most a factor. Inside
  that band one run of a pair may still be the shorter one more often, so ``odds`` say which of the two scores higher at
  equal size (``equal_size``).
- ``add_family_q``: one Benjamini-Hochberg family for all tests of the values that belong together.

Guarded by tests/core/test_statistics_dose_response.py and ``make calibrate``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .cell_means import CellMeans, PairedDesign, cell_means, paired_design
from .equal_size import pairs_at_equal_size
from .exchange import exchange_labels
from .multiple_testing import q_values
from .paired_differences import count_pairs, signed_contrast
from .prompt_means import MEAN_RESAMPLES, level_means, mean_tests
from .table_columns import float_columns, level_codes

COMPARABLE = 1.25
"""Largest ratio of sizes of two runs that count as comparable."""
PAIR_COLUMNS = ("better", "worse", "odds", "odds_low", "odds_high", "odds_p")
LEVEL_ENDINGS = ("difference", "low", "high", "p", "pairs")
Tell = Callable[[float], None]
DoseLevel = tuple[str, float]
"""(part, dose); ("", 1.0) without a dose, (name, NaN) for a rival."""
WITHOUT: DoseLevel = ("", 1.0)


@dataclass(frozen=True)
class DoseDesign:
    """The columns of a dose-response study, and how much is drawn."""

    part: str = "part"
    dose: str = "dose"
    control: str = ""
    """Name of the control part; "": none."""
    cluster: str = "prompt_id"
    by: tuple[str, ...] = ("task", "model")
    match: tuple[str, ...] | None = None
    """Columns matched in pairs; None: model and ``factor:*``, unless held fixed."""
    resamples: int = MEAN_RESAMPLES
    permutations: int = 9999
    seed: int = 0


def levels_of(table: pd.DataFrame, design: DoseDesign) -> list[DoseLevel]:
    """Returns the levels: without a dose, each part in order of appearance with its doses rising, then rivals."""
    pairs = list(dict.fromkeys(zip(table[design.part].astype(str), _doses(table, design), strict=True)))
    parts = list(dict.fromkeys(part for part, _ in pairs if part))
    dosed = [(p, d) for p in parts for d in sorted({d for q, d in pairs if q == p and np.isfinite(d)})]
    return [WITHOUT, *dosed, *((p, np.nan) for p in parts if not any(q == p for q, _ in dosed))]


def dose_levels(
    table: pd.DataFrame, values: Sequence[str], design: DoseDesign, tell: Tell = lambda fraction: None
) -> pd.DataFrame:
    """Returns a row per value x ``by`` x level; ``tell(fraction)`` is called between levels.

    Columns: value, by, part, dose, runs, n, mean, mean_low, mean_high, then LEVEL_ENDINGS of the difference to the runs
    without a dose and, with ``net_``, to the control part at the same dose; NaN where there is nothing to compare.
    Raises StudyError for columns that are not there.
    """
    paired, means, levels = _means(table, values, design)
    numbers, keys = float_columns(table, values), _level_keys(table, design)
    runs = _Runs(numbers, pd.factorize(table[design.cluster])[0], *_groups(table, design))
    found = []
    for number, level in enumerate(levels):
        tell(number / len(levels))
        one = _level(runs, np.flatnonzero(keys == _key(level)), values, design)
        one = one.assign(**{design.part: level[0], design.dose: level[1]})
        for start, terms in _asked(level, levels, design).items():
            got = signed_contrast(means, paired, terms).drop(columns=["first", "rest"]).rename(columns={"n": "pairs"})
            got = got.rename(columns={c: f"{start}{c}" for c in LEVEL_ENDINGS})
            one = one.merge(got, on=["value", *design.by], how="left")
        found.append(one)
    endings = [f"{start}{ending}" for start in ("", "net_") for ending in LEVEL_ENDINGS]
    columns = ["value", *design.by, design.part, design.dose, "runs", "n", "mean", "mean_low", "mean_high", *endings]
    return pd.concat([f for f in found if len(f)], ignore_index=True).reindex(columns=columns)


def _asked(level: DoseLevel, levels: Sequence[DoseLevel], design: DoseDesign) -> dict[str, list[tuple[str, bool, int]]]:
    """Returns {start of the columns: terms} of a level's differences."""
    if level == WITHOUT:
        return {}
    own = (_key(level), False, 1)
    asked = {"": [own, (_key(WITHOUT), False, -1)]}
    control = (design.control, level[1])
    if design.control and level[0] != design.control and control in levels:
        asked["net_"] = [own, (_key(control), False, -1)]
    return asked


def dose_trends(
    table: pd.DataFrame, values: Sequence[str], design: DoseDesign, tell: Tell = lambda fraction: None
) -> pd.DataFrame:
    """Returns a row per value x ``by`` x part with two doses or more, alone and ``against`` the control part.

    Columns: value, by, part, against, n (prompts), slope (change per doubling), low, high, p, p_apart.
    """
    _, means, levels = _means(table, values, design)
    wide = _Wide(means, levels)
    parts = list(dict.fromkeys(part for part, dose in levels if part and dose > 0))
    found = []
    for number, part in enumerate(parts):
        tell(number / len(parts))
        own = [WITHOUT, *(x for x in levels if x[0] == part and x[1] > 0 and x[1] != WITHOUT[1])]
        found += _trends(wide, values, sorted(own, key=lambda x: x[1]), "", part, design)
        shared = [x for x in own if x != WITHOUT and (design.control, x[1]) in levels]
        if design.control and part != design.control:
            found += _trends(wide, values, shared, design.control, part, design)
    columns = ["value", *design.by, design.part, "against", "n", "slope", "low", "high", "p", "p_apart"]
    return pd.DataFrame(found, columns=columns)


class _Wide:
    """The means of each prompt at each level."""

    def __init__(self, means: CellMeans, levels: Sequence[DoseLevel]) -> None:
        every = np.arange(len(means.prompts))
        self.means = means
        self.of = {_key(x): means.by_prompt(means.of_level(_key(x)), every)[1] for x in levels}
        self.groups = means.by_group(np.arange(len(means.groups)))

    def columns(self, value: str, levels: Sequence[DoseLevel], prompts: slice) -> np.ndarray:
        """Returns float [prompt, level]; NaN where undefined."""
        at = self.means.columns.index(value)
        return np.stack([self.of[_key(x)][prompts, at] for x in levels], axis=1)


def _trends(
    wide: _Wide, values: Sequence[str], doses: Sequence[DoseLevel], against: str, part: str, design: DoseDesign
) -> list[dict[str, object]]:
    if len(doses) < 2:
        return []
    scores = np.log2([dose for _, dose in doses])
    found = []
    for group, prompts in wide.groups:
        held = dict(zip(design.by, wide.means.held[group], strict=True))
        for value in values:
            own = wide.columns(value, doses, prompts)
            if against:
                own = own - wide.columns(value, [(against, dose) for _, dose in doses], prompts)
            told = exchange_labels(own, scores, permutations=design.permutations, seed=design.seed)
            if told.prompts:
                slope = mean_tests(_slopes(own, scores)[:, None], resamples=design.resamples, seed=design.seed)
                line = {"slope": slope.mean[0], "low": slope.low[0], "high": slope.high[0]}
                tested = {"n": told.prompts, "p": told.p, "p_apart": told.p_apart}
                found.append({"value": value, **held, design.part: part, "against": against, **line, **tested})
    return found


def _slopes(values: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Returns float [prompt]: the least-squares slope of each prompt's values; NaN with fewer than two."""
    known = np.isfinite(values)
    count = np.maximum(known.sum(1), 1)[:, None]
    x = np.where(known, scores, 0.0)
    x = np.where(known, scores - x.sum(1, keepdims=True) / count, 0.0)
    total = (x**2).sum(1)
    return np.divide((x * np.where(known, values, 0.0)).sum(1), total, out=np.full(len(x), np.nan), where=total > 0)


def comparable_levels(
    table: pd.DataFrame,
    values: Sequence[str],
    design: DoseDesign,
    size: str,
    most: float = COMPARABLE,
    tell: Tell = lambda fraction: None,
) -> pd.DataFrame:
    """Returns a row per value x ``by`` x level, against the runs without, of pairs with ``size`` within ``most``.

    Columns: value, by, part, dose, of_pairs (prompts with both values), pairs (of these, comparable), mean, without
    (the same prompts' means), difference, low, high, p, better and worse (pairs whose values differ), odds, odds_low,
    odds_high, odds_p: the odds that the dosed run is the better one at equal size, see ``PairsTest``.
    """
    paired, every, levels = _means(table, list(dict.fromkeys([*values, size])), design)
    sizes, means = every.pick([size]), every.pick(values)
    found = []
    for number, level in enumerate(levels):
        tell(number / len(levels))
        if level == WITHOUT:
            continue
        terms = [(_key(level), False, 1), (_key(WITHOUT), False, -1)]
        near, ratio = _near(sizes, level, most)
        both = count_pairs(means, paired, terms)
        kept = signed_contrast(means.only(near), paired, terms).rename(columns={"first": "mean", "rest": "without"})
        one = both.rename(columns={"n": "of_pairs"}).merge(kept, on=["value", *design.by], how="left")
        one = one.merge(_at_equal_size(means.only(near), ratio, level, design), on=["value", *design.by], how="left")
        found.append(one.assign(**{design.part: level[0], design.dose: level[1]}))
    columns = ["value", *design.by, design.part, design.dose, "of_pairs", "pairs", "mean", "without"]
    columns += ["difference", "low", "high", "p", *PAIR_COLUMNS]
    if not found:
        return pd.DataFrame(columns=columns)
    out = pd.concat(found, ignore_index=True).rename(columns={"n": "pairs"})
    return out.assign(pairs=out["pairs"].fillna(0).astype(int)).reindex(columns=columns)


def _near(sizes: CellMeans, level: DoseLevel, most: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns (bool [pairing], whether its two runs are of comparable size; ln of the ratio of their sizes)."""
    own, base = (sizes.of_level(_key(x))[:, 0] for x in (level, WITHOUT))
    near = np.maximum(own, base) <= most * np.minimum(own, base)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.log(own / base)
    return near, np.where(near & np.isnan(ratio), 0.0, ratio)  # 0 words in both


def _at_equal_size(near: CellMeans, ratio: np.ndarray, level: DoseLevel, design: DoseDesign) -> pd.DataFrame:
    changes = near.of_level(_key(level)) - near.of_level(_key(WITHOUT))
    found = []
    for value, change in zip(near.columns, changes.T, strict=True):
        defined = np.flatnonzero(~np.isnan(change))
        prompts, means = near.by_prompt(np.stack([change, ratio], axis=1)[defined], defined)
        for group, at in near.by_group(prompts):
            got = pairs_at_equal_size(means[at, 0], means[at, 1])
            told = dict(zip(PAIR_COLUMNS, (got.better, got.worse, got.odds, got.low, got.high, got.p), strict=True))
            found.append({"value": value, **dict(zip(design.by, near.held[group], strict=True)), **told})
    return pd.DataFrame(found, columns=["value", *design.by, *PAIR_COLUMNS])


def add_family_q(
    levels: pd.DataFrame, trends: pd.DataFrame, families: Mapping[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Adds q: ``q`` and ``net_q`` to levels, ``q`` and ``q_apart`` to trends.

    ``families`` {value: family}: all tests of a family are corrected together, over levels, trends, and ``by``.
    """
    columns = [(levels, "p", "q"), (levels, "net_p", "net_q"), (trends, "p", "q"), (trends, "p_apart", "q_apart")]
    family = np.concatenate([t["value"].map(families).to_numpy(object) for t, _, _ in columns])
    p = np.concatenate([t[c].to_numpy(float) for t, c, _ in columns])
    q = np.full(len(p), np.nan)
    for name in dict.fromkeys(family):
        q[family == name] = q_values(p[family == name])
    ends = np.cumsum([len(t) for t, _, _ in columns])[:-1]
    pieces = dict(zip([(i, new) for i, (_, _, new) in enumerate(columns)], np.split(q, ends), strict=True))
    return (
        levels.assign(**{new: piece for (i, new), piece in pieces.items() if i < 2}),
        trends.assign(**{new: piece for (i, new), piece in pieces.items() if i > 1}),
    )


_LEVEL = "level of the dose"


def _doses(table: pd.DataFrame, design: DoseDesign) -> np.ndarray:
    return pd.to_numeric(table[design.dose], errors="coerce").to_numpy(float)


def _key(level: DoseLevel) -> str:
    return f"{level[0]}\t{level[1]:g}"


def _level_keys(table: pd.DataFrame, design: DoseDesign) -> np.ndarray:
    pairs = zip(table[design.part].astype(str), _doses(table, design), strict=True)
    return np.array([_key((part, dose) if part else WITHOUT) for part, dose in pairs], object)


def _means(
    table: pd.DataFrame, values: Sequence[str], design: DoseDesign
) -> tuple[PairedDesign, CellMeans, list[DoseLevel]]:
    """Returns (design of the pairs, means over runs that differ by seed, levels)."""
    named = table.assign(**{_LEVEL: _level_keys(table, design)})
    match = None if design.match is None else list(design.match)
    paired = paired_design(named, _LEVEL, design.cluster, design.by, match, design.resamples, design.seed)
    return paired, cell_means(named, values, paired), levels_of(table, design)


@dataclass(frozen=True, eq=False)
class _Runs:
    numbers: np.ndarray
    """float64 [run, value]"""
    prompts: np.ndarray
    """int64 [run]"""
    groups: np.ndarray
    """int64 [run]: the combination of ``by``."""
    held: list[tuple[object, ...]]
    """[group]: the values of ``by``."""


def _groups(table: pd.DataFrame, design: DoseDesign) -> tuple[np.ndarray, list[tuple[object, ...]]]:
    groups, held = level_codes(table, design.by)
    return groups, list(held.itertuples(index=False, name=None))


def _level(runs: _Runs, rows: np.ndarray, values: Sequence[str], design: DoseDesign) -> pd.DataFrame:
    """Returns value, by, runs, n, mean, mean_low, mean_high of the runs ``rows``."""
    found = []
    for group in dict.fromkeys(runs.groups[rows].tolist()):
        here = rows[runs.groups[rows] == group]
        got = level_means(runs.numbers[here], runs.prompts[here], resamples=design.resamples, seed=design.seed)
        held = dict(zip(design.by, runs.held[group], strict=True))
        spread = {"runs": len(here), "n": got.n, "mean": got.mean, "mean_low": got.low, "mean_high": got.high}
        found.append(pd.DataFrame({"value": list(values), **held, **spread}))
    columns = ["value", *design.by, "runs", "n", "mean", "mean_low", "mean_high"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)
