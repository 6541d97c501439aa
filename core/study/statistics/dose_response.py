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

from .equal_size import pairs_at_equal_size
from .exchange import exchange_labels
from .multiple_testing import q_values
from .paired_differences import PairedDesign, cell_means, paired_design, signed_contrast
from .prompt_means import MEAN_RESAMPLES, level_means, mean_tests
from .table_columns import float_columns

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
    prompts = pd.factorize(table[design.cluster])[0]
    found = []
    for number, level in enumerate(levels):
        tell(number / len(levels))
        one = _level(table, numbers, prompts, np.flatnonzero(keys == _key(level)), values, design)
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
    names = [*design.by, design.cluster, _LEVEL]
    wide = means.groupby(level=names, observed=True, dropna=False).mean().unstack(_LEVEL)
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


def _trends(
    wide: pd.DataFrame, values: Sequence[str], doses: Sequence[DoseLevel], against: str, part: str, design: DoseDesign
) -> list[dict[str, object]]:
    if len(doses) < 2:
        return []
    scores = np.log2([dose for _, dose in doses])
    found = []
    for key, at in _groups(wide, design.by):
        rows = wide.iloc[at]
        held = dict(zip(design.by, key, strict=True))
        for value in values:
            own = _columns(rows, value, doses)
            if against:
                own = own - _columns(rows, value, [(against, dose) for _, dose in doses])
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
    paired, means, levels = _means(table, [*values, size], design)
    found = []
    for number, level in enumerate(levels):
        tell(number / len(levels))
        if level == WITHOUT:
            continue
        terms = [(_key(level), False, 1), (_key(WITHOUT), False, -1)]
        near, ratio = _near(means, level, size, most)
        both = signed_contrast(means[list(values)], paired, terms)[["value", *design.by, "n"]]
        kept = signed_contrast(near[list(values)], paired, terms).rename(columns={"first": "mean", "rest": "without"})
        one = both.rename(columns={"n": "of_pairs"}).merge(kept, on=["value", *design.by], how="left")
        one = one.merge(_at_equal_size(near, ratio, level, values, design), on=["value", *design.by], how="left")
        found.append(one.assign(**{design.part: level[0], design.dose: level[1]}))
    columns = ["value", *design.by, design.part, design.dose, "of_pairs", "pairs", "mean", "without"]
    columns += ["difference", "low", "high", "p", *PAIR_COLUMNS]
    if not found:
        return pd.DataFrame(columns=columns)
    out = pd.concat(found, ignore_index=True).rename(columns={"n": "pairs"})
    return out.assign(pairs=out["pairs"].fillna(0).astype(int)).reindex(columns=columns)


def _near(means: pd.DataFrame, level: DoseLevel, size: str, most: float) -> tuple[pd.DataFrame, pd.Series]:
    """Returns (the rows of ``means`` of comparable pairs, ln of the ratio of sizes of each pair)."""
    own, base = (_part(means[size], x) for x in (level, WITHOUT))
    pairs = pd.concat({"own": own, "base": base}, axis=1, join="inner").dropna()
    near = pairs[pairs.max(axis=1) <= most * pairs.min(axis=1)]
    ratio = np.log(near["own"] / near["base"]).fillna(0.0)  # 0 words in both
    at = means.index.droplevel([_LEVEL, _CONTROLLED])
    here = means.index.get_level_values(_LEVEL).isin([_key(level), _key(WITHOUT)])
    return means[here & at.isin(near.index)], ratio


def _at_equal_size(
    near: pd.DataFrame, ratio: pd.Series, level: DoseLevel, values: Sequence[str], design: DoseDesign
) -> pd.DataFrame:
    changes = _part(near[list(values)], level) - _part(near[list(values)], WITHOUT)
    names = [*design.by, design.cluster]
    found = []
    for value in values:
        one = pd.DataFrame({"change": changes[value], "ratio": ratio}).dropna()
        one = one.groupby(level=names, observed=True, dropna=False).mean()
        for key, at in _groups(one, design.by):
            got = pairs_at_equal_size(one["change"].to_numpy(float)[at], one["ratio"].to_numpy(float)[at])
            told = dict(zip(PAIR_COLUMNS, (got.better, got.worse, got.odds, got.low, got.high, got.p), strict=True))
            found.append({"value": value, **dict(zip(design.by, key, strict=True)), **told})
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


_LEVEL, _CONTROLLED = "level of the dose", "is control"


def _doses(table: pd.DataFrame, design: DoseDesign) -> np.ndarray:
    return pd.to_numeric(table[design.dose], errors="coerce").to_numpy(float)


def _key(level: DoseLevel) -> str:
    return f"{level[0]}\t{level[1]:g}"


def _level_keys(table: pd.DataFrame, design: DoseDesign) -> np.ndarray:
    pairs = zip(table[design.part].astype(str), _doses(table, design), strict=True)
    return np.array([_key((part, dose) if part else WITHOUT) for part, dose in pairs], object)


def _means(
    table: pd.DataFrame, values: Sequence[str], design: DoseDesign
) -> tuple[PairedDesign, pd.DataFrame, list[DoseLevel]]:
    """Returns (design of the pairs, means over runs that differ by seed, levels)."""
    named = table.assign(**{_LEVEL: _level_keys(table, design)})
    match = None if design.match is None else list(design.match)
    paired = paired_design(named, _LEVEL, design.cluster, design.by, match, design.resamples, design.seed)
    return paired, cell_means(named, values, paired), levels_of(table, design)


def _part(means: pd.DataFrame | pd.Series, level: DoseLevel) -> pd.DataFrame | pd.Series:
    chosen = means[means.index.get_level_values(_LEVEL) == _key(level)]
    return chosen.droplevel([_LEVEL, _CONTROLLED])


def _level(
    table: pd.DataFrame,
    numbers: np.ndarray,
    prompts: np.ndarray,
    rows: np.ndarray,
    values: Sequence[str],
    design: DoseDesign,
) -> pd.DataFrame:
    """Returns value, by, runs, n, mean, mean_low, mean_high of the runs ``rows``."""
    found = []
    for key, at in _groups(table.iloc[rows].reset_index(drop=True), design.by):
        here = rows[at]
        got = level_means(numbers[here], prompts[here], resamples=design.resamples, seed=design.seed)
        held = dict(zip(design.by, key, strict=True))
        spread = {"runs": len(here), "n": got.n, "mean": got.mean, "mean_low": got.low, "mean_high": got.high}
        found.append(pd.DataFrame({"value": list(values), **held, **spread}))
    columns = ["value", *design.by, "runs", "n", "mean", "mean_low", "mean_high"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def _groups(table: pd.DataFrame, by: Sequence[str]) -> list[tuple[tuple[object, ...], np.ndarray]]:
    """Returns [(values of ``by``, places of its rows)]; ``by`` are levels of the index, or columns."""
    if not by:
        return [((), np.arange(len(table)))] if len(table) else []
    groups = table.groupby(list(by), observed=True, dropna=False, sort=False).indices
    return [(key if isinstance(key, tuple) else (key,), at) for key, at in groups.items()]


def _columns(rows: pd.DataFrame, value: str, levels: Sequence[DoseLevel]) -> np.ndarray:
    """Returns float [prompt, level]; NaN for a level without runs."""
    return rows.reindex(columns=[(value, _key(x)) for x in levels]).to_numpy(float)
