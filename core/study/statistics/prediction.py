"""Predicts prompt by prompt, from importance, whether the answer was good: logistic regression beside baselines.

The mean over all heads is a weak signal; a regression over single heads is a stronger one, and much easier to overfit.
So: nothing about a test prompt was seen in training (folds hold whole prompts; the first scheme leaves a whole task
out), standardising and the choice of regularisation happen inside the training part, and every number is given beside
baselines that need no attention at all:

- ``base rates``: the share of good runs of the same task and structure;
- ``other run``: the same heads, taken from another prompt's run of the same task and structure and the same fold;
- and those that the caller passes: length, log-probability, embedding of the prompt.

``over_base`` is the AUROC minus that of the base rates, with an interval from the same draws of prompts. ``within``
counts only pairs of runs of the same task and structure, where base rates are worth 0.5 by construction.

Method: L2, C from ``GRID`` by log loss in 3 inner folds of prompts; a strong L2 is fast and fit for 1,000 columns on
500 runs (X enters through its products only, so no columns need to be dropped first). An undefined value counts as the
training mean. The interval is for these fitted predictions; it does not fit again in every draw. Guarded by
tests/core/test_statistics_prediction.py: planted heads, nulls, leaks through prompts, tasks and scaling.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from ...errors import Cancelled, StudyError
from ...progress import IsCancelled, Progress, never_cancelled, no_progress
from .auroc_interval import (
    AUROC_RESAMPLES,
    Area,
    auroc_area,
    learned_auroc,
    learned_direction,
    outcome_sides,
    percentile_interval,
    prompt_folds,
)
from .power import SampleGate, judge_sample

GRID = (1e-4, 1e-3, 1e-2, 1e-1)
FOLDS, INNER = 5, 3
LEFT_OUT, IN_FOLDS = "leave one task out", "prompts in folds"
CROSS_VALIDATIONS = (LEFT_OUT, IN_FOLDS)
BASE, OTHER = "base rates", "other run"

PREDICTION_COLUMNS = (
    *("scheme", "kind", "features", "auroc", "low", "high", "within", "within_low", "within_high"),
    *("over_base", "over_low", "over_high", "direction", "c", "n", "runs", "positives", "negatives", "verdict", "why"),
)


@dataclass(frozen=True, eq=False)
class PredictionRuns:
    """The R runs on which all sets of columns are tested."""

    good: np.ndarray
    """bool [R]"""
    prompts: np.ndarray
    """int [R]"""
    tasks: np.ndarray
    """int [R]"""
    strata: np.ndarray
    """int [R]: task x structure."""
    structures: np.ndarray
    """int [R]"""
    seed: int = 0

    def folds(self, scheme: str, count: int = FOLDS) -> np.ndarray:
        """Returns int [R]: the fold of each run; a fold is left out as a whole."""
        return self.tasks if scheme == LEFT_OUT else prompt_folds(self.prompts, count, self.seed)


def predict_outcome(
    x: np.ndarray | Mapping[str, np.ndarray],
    y: Sequence[float] | np.ndarray,
    prompts: Sequence[object] | np.ndarray,
    tasks: Sequence[object] | np.ndarray,
    structures: Sequence[object] | np.ndarray | None = None,
    *,
    baselines: Mapping[str, np.ndarray] | None = None,
    single: Mapping[str, np.ndarray] | None = None,
    schemes: Sequence[str] = CROSS_VALIDATIONS,
    grid: Sequence[float] = GRID,
    folds: int = FOLDS,
    resamples: int = AUROC_RESAMPLES,
    seed: int = 0,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
) -> pd.DataFrame:
    """Returns how well columns of a run predict whether its outcome ``y`` [run] is 1 or 0, beside baselines.

    ``y`` NaN: left out. ``x``: {name: float [run, column]} of per-head features (or one array, "heads"); runs without
    any number in the first are left out for all. ``prompts``, ``tasks``, ``structures`` [run]. ``baselines``: {name:
    float [run, column] or [run]}; ``single``: {name: float [run]} used as they are, their direction learned in folds.
    Rows: leave one task out first (not with a single task), then folds of prompts; in each the ``kind`` heads, baseline
    (base rates, other run, then those passed), feature. Columns: scheme, kind, features (name), auroc, low, high (95 %,
    prompts resampled; pairs of runs left out together), within, within_low, within_high (only pairs of the same task
    and structure), over_base, over_low, over_high (minus the base rates), direction (of a single feature), c (median of
    those chosen), n (prompts), runs, positives and negatives (prompts with such a run), verdict, why. Raises StudyError
    where y is not 0 / 1 or lengths differ, Cancelled.
    """
    sets = {"heads": x} if isinstance(x, np.ndarray) else dict(x)
    outcome, keep = _kept(sets, np.asarray(y, float), (prompts, tasks))
    tried = _tried_on(outcome, keep, prompts, tasks, structures, seed)
    kinds = {name: ("heads", _matrix(v)[keep]) for name, v in sets.items()}
    first = next(iter(kinds), None)
    kinds |= {BASE: ("baseline", np.empty((len(tried.good), 0)))}
    kinds |= {OTHER: ("baseline", kinds[first][1])} if first is not None else {}
    kinds |= {name: ("baseline", _matrix(v)[keep]) for name, v in (baselines or {}).items()}
    kinds |= {name: ("feature", _matrix(v)[keep]) for name, v in (single or {}).items()}
    gate = judge_sample(tried.good.astype(float), tried.prompts)
    rows: list[dict[str, object]] = []
    usable = [s for s in schemes if s != LEFT_OUT or len(np.unique(tried.tasks)) > 1]
    for place, scheme in enumerate(usable):
        fold = tried.folds(scheme, folds)
        base = _areas(_base_rates(tried, fold), tried, fold, resamples)
        for number, (name, (kind, values)) in enumerate(kinds.items()):
            if cancelled():
                raise Cancelled("The work was stopped.")
            progress((place + number / len(kinds)) / len(usable), f"Predicting, {scheme}: {name}", None)
            row = _row(name, kind, values, tried, fold, base, grid, resamples)
            rows.append({"scheme": scheme, "kind": kind, "features": name, **row, **_verdict(kind, row, gate)})
    shared = {"n": gate.prompts, "runs": len(tried.good), **outcome_sides(tried.good, tried.prompts)}
    return pd.DataFrame([{**row, **shared} for row in rows], columns=PREDICTION_COLUMNS)


def _kept(
    sets: Mapping[str, np.ndarray], y: np.ndarray, others: Sequence[Sequence[object] | np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    lengths = {len(y), *map(len, sets.values()), *map(len, others)}
    if len(lengths) > 1:
        raise StudyError(f"Columns of {min(lengths)} and of {max(lengths)} runs cannot be compared: give one of each.")
    keep = np.isfinite(y)
    if not np.isin(y[keep], (0.0, 1.0)).all():
        raise StudyError("The outcome has values other than 0 and 1: choose one that is met or not met.")
    for values in list(sets.values())[:1]:
        keep &= np.isfinite(_matrix(values)).any(1)
    return y[keep] == 1, keep


def _tried_on(
    good: np.ndarray,
    keep: np.ndarray,
    prompts: Sequence[object] | np.ndarray,
    tasks: Sequence[object] | np.ndarray,
    structures: Sequence[object] | np.ndarray | None,
    seed: int,
) -> PredictionRuns:
    prompt, task = (pd.factorize(np.asarray(v)[keep])[0] for v in (prompts, tasks))
    structure = np.zeros(len(good), int) if structures is None else pd.factorize(np.asarray(structures)[keep])[0]
    return PredictionRuns(good, prompt, task, task * (structure.max(initial=0) + 1) + structure, structure, seed)


def _matrix(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, float)
    return values[:, None] if values.ndim == 1 else values.reshape(len(values), -1)


def _row(
    name: str,
    kind: str,
    values: np.ndarray,
    tried: PredictionRuns,
    fold: np.ndarray,
    base: tuple[Area, Area],
    grid: Sequence[float],
    resamples: int,
) -> dict[str, object]:
    chosen: list[float] = []
    way = ""
    if name == BASE:
        whole, inside = base
    elif kind == "feature":
        tell = partial(learned_auroc, values[:, 0], tried.good, tried.prompts, resamples=resamples, seed=tried.seed)
        whole, signs = tell(np.zeros(len(fold), int), fold[None])
        inside, _ = tell(tried.strata, fold[None])
        way = learned_direction(signs)
    else:
        if name == OTHER:
            donors = _donors(tried, fold)
            values = np.where(donors[:, None] < 0, np.nan, values[donors])
        scores, chosen = regression_scores(values, tried, fold, grid)
        whole, inside = _areas(scores, tried, fold, resamples)
    over = percentile_interval(whole.draws - base[0].draws)
    return {
        **{"auroc": whole.auroc, "low": whole.low, "high": whole.high},
        **{"within": inside.auroc, "within_low": inside.low, "within_high": inside.high},
        **{"over_base": whole.auroc - base[0].auroc, "over_low": over[0], "over_high": over[1]},
        **{"direction": way, "c": float(np.median(chosen)) if chosen else np.nan},
    }


def _areas(scores: np.ndarray, tried: PredictionRuns, fold: np.ndarray, resamples: int) -> tuple[Area, Area]:
    """Returns (the area over all pairs of runs left out together, over those of the same task and structure)."""
    args = (scores, tried.good, tried.prompts)
    inside = tried.strata * (fold.max(initial=0) + 1) + fold
    return tuple(auroc_area(*args, b, resamples=resamples, seed=tried.seed) for b in (fold, inside))  # type: ignore[return-value]


def _base_rates(tried: PredictionRuns, fold: np.ndarray) -> np.ndarray:
    """Returns float [R]: share of good runs of the same task and structure in other folds, with shrinkage.

    Shrunk towards the structure's share, and that towards the overall one.
    """
    out = np.full(len(fold), np.nan)
    for f in np.unique(fold):
        train, test = fold != f, fold == f
        if not train.any():
            continue
        overall = tried.good[train].mean()
        of_structure = _rates(tried.structures, tried.good, train, np.full(len(fold), overall))
        out[test] = _rates(tried.strata, tried.good, train, of_structure)[test]
    return out


def _rates(group: np.ndarray, good: np.ndarray, train: np.ndarray, prior: np.ndarray) -> np.ndarray:
    size = group.max(initial=0) + 1
    total = np.bincount(group[train], minlength=size)
    won = np.bincount(group[train], weights=good[train], minlength=size)
    return (won[group] + prior) / (total[group] + 1)


def _donors(tried: PredictionRuns, fold: np.ndarray) -> np.ndarray:
    """Returns int [R]: a run of another prompt of the same task, structure and fold, as a control; -1: none."""
    donors, rng = np.full(len(fold), -1), np.random.default_rng([tried.seed, 7])
    for rows in pd.DataFrame({"s": tried.strata, "f": fold}).groupby(["s", "f"]).indices.values():
        names = rng.permutation(np.unique(tried.prompts[rows]))
        if len(names) < 2:
            continue
        after = dict(zip(names, np.roll(names, -1), strict=True))
        of_prompt = {p: rows[tried.prompts[rows] == p] for p in names}
        seen = dict.fromkeys(names, 0)
        for row in rows:
            p = tried.prompts[row]
            others = of_prompt[after[p]]
            donors[row] = others[seen[p] % len(others)]
            seen[p] += 1
    return donors


def regression_scores(
    values: np.ndarray, tried: PredictionRuns, fold: np.ndarray, grid: Sequence[float] = GRID
) -> tuple[np.ndarray, list[float]]:
    """Returns (log-odds [R] of each run from a regression on the other folds, the C of each fold)."""
    scores, chosen = np.zeros(len(fold)), []
    for f in np.unique(fold):
        train, test = fold != f, fold == f
        if len(np.unique(tried.good[train])) < 2:
            continue
        c = _choose(values[train], tried.good[train], tried.prompts[train], grid, tried.seed)
        ((_, scores[test]),) = _fits(values[train], tried.good[train], values[test], [c])
        chosen.append(c)
    return scores, chosen


def _choose(x: np.ndarray, good: np.ndarray, prompts: np.ndarray, grid: Sequence[float], seed: int) -> float:
    """Returns the C with the least log loss over inner folds of prompts."""
    loss = dict.fromkeys(grid, 0.0)
    fold = prompt_folds(prompts, INNER, seed)
    for f in np.unique(fold):
        train, test = fold != f, fold == f
        if len(np.unique(good[train])) < 2:
            continue
        for c, odds in _fits(x[train], good[train], x[test], grid):
            loss[c] += float(np.logaddexp(0, np.where(good[test], -odds, odds)).sum())
    return min(grid, key=lambda c: loss[c])


def _fits(x: np.ndarray, good: np.ndarray, new: np.ndarray, grid: Sequence[float]) -> list[tuple[float, np.ndarray]]:
    """Returns (C, log-odds of the ``new`` rows) for each C, standardised on ``x``; NaN counts as the mean of ``x``."""
    from sklearn import config_context
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    known = np.isfinite(x).any(0)
    if not known.any():
        return [(c, np.zeros(len(new))) for c in grid]
    scaler = StandardScaler().fit(x[:, known])
    a, b = (np.nan_to_num(scaler.transform(v[:, known]), posinf=0, neginf=0) for v in (x, new))
    model = LogisticRegression(solver="lbfgs", max_iter=300, tol=1e-3, warm_start=True)
    out = []
    with warnings.catch_warnings(), config_context(assume_finite=True, skip_parameter_validation=True):
        warnings.simplefilter("ignore")
        for c in sorted(grid):
            out.append((c, model.set_params(C=c).fit(a, good).decision_function(b)))
    return out


def _verdict(kind: str, row: Mapping[str, object], gate: SampleGate) -> dict[str, str]:
    if not gate:
        return {"verdict": "too few prompts", "why": gate.why}
    low, over, inside = (float(row[k]) for k in ("low", "over_low", "within_low"))  # type: ignore[arg-type]
    if kind == "baseline":
        return {"verdict": "separates" if low > 0.5 else "no separation found", "why": ""}
    if over > 0 and low > 0.5:
        return {"verdict": "above the base rates", "why": ""}
    if inside > 0.5:
        why = "It tells runs of one task and structure apart, but task and structure alone tell as much over all runs."
        return {"verdict": "within task and structure only", "why": why}
    if low > 0.5:
        return {"verdict": "not above the base rates", "why": "Task and structure alone tell as much."}
    return {"verdict": "no separation found", "why": "The interval of the AUROC holds 0.5."}
