"""Computes AUROC with bootstrap intervals: how well a number separates runs with a good outcome from the others.

The area under the ROC curve is the share of (good, bad) pairs of runs that the number puts in the right order. Three
sources of bias are excluded:

- *Direction.* Taking max(a, 1 - a) makes every number look better than a coin. Here the direction is learned on some
  prompts and tested on others; an uninformative number then comes out at 0.5.
- *Base rates.* Pairs are compared only inside a fold, and inside a stratum (task, model, structure) where strata are
  named: a number that merely reflects the task separates nothing there.
- *Runs for prompts.* Folds and the bootstrap move whole prompts.

The interval resamples prompts, and learns the direction again in every draw. That is one quadratic form per draw
(weights of the good x who is above whom x weights of the bad), not a new sort. Guarded by
tests/core/test_statistics_auroc_interval.py: scikit-learn's AUROC, planted and null features, both directions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...errors import StudyError
from .power import SampleGate, judge_sample
from .prompt_means import draw_prompts

AUROC_RESAMPLES = 999
FOLDS = 3
REPEATS = 5
"""Ways to divide the prompts into folds: a pair counts where one fold holds both, a third of the time. One bit, the
direction, is all that is learned, so two thirds of the prompts are plenty to learn it from."""


@dataclass(frozen=True, eq=False)
class Area:
    """AUROC, its 95 % interval, and the value of every draw (the same draws for the same prompts: differences pair)."""

    auroc: float
    low: float
    high: float
    draws: np.ndarray
    """float64 [resample]; NaN where a draw had no pair."""


def auroc_area(
    scores: np.ndarray,
    good: np.ndarray,
    prompts: np.ndarray,
    blocks: np.ndarray,
    *,
    resamples: int = AUROC_RESAMPLES,
    seed: int = 0,
) -> Area:
    """Returns the AUROC of ``scores`` [run] for ``good`` (bool [run]) over pairs of runs within ``blocks`` [run].

    ``prompts`` [run] are the clusters of the bootstrap. A score that is NaN is in no pair. NaN without any pair.
    """
    prompt, weights = _weights(prompts, resamples, seed)
    right, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for a, z in _blocks(good & np.isfinite(scores), ~good & np.isfinite(scores), blocks):
        of_good, of_bad = weights[:, prompt[a]], weights[:, prompt[z]]
        right += ((of_good @ _above(scores, a, z)) * of_bad).sum(1)
        pairs += of_good.sum(1) * of_bad.sum(1)
    return _area(right, pairs)


def learned_auroc(
    x: np.ndarray,
    good: np.ndarray,
    prompts: np.ndarray,
    inside: np.ndarray,
    folds: np.ndarray,
    *,
    resamples: int = AUROC_RESAMPLES,
    seed: int = 0,
) -> tuple[Area, list[int]]:
    """Returns the AUROC of ``x`` with its direction learned on the other folds, and the directions (1 or -1 per fold).

    ``folds`` int [repeat, run]; directions are listed per fold of each repeat. Pairs count inside ``inside`` [run], and
    where one fold holds both runs. Every draw of the bootstrap learns its directions anew, else the interval would be
    too narrow where there is little to learn. A tie, or no pair to learn from, counts as "higher is better". The
    interval is the value and 1.96 times the draws' spread on each side: near 0.5 the draws are skewed, as their
    directions change.
    """
    prompt, weights = _weights(prompts, resamples, seed)
    count = int(folds.max(initial=0)) + 1
    right = np.zeros((len(folds), len(weights), count, count))
    pairs = np.zeros_like(right)
    for a, z in _blocks(good & np.isfinite(x), ~good & np.isfinite(x), inside):
        of_good, of_bad, above = weights[:, prompt[a]], weights[:, prompt[z]], _above(x, a, z)
        for r, fold in enumerate(folds):
            into = np.eye(count)[fold[z]]
            pairs[r] += _by_fold(of_good, fold[a], count)[:, :, None] * (of_bad @ into)[:, None, :]
            for g in np.unique(fold[a]):
                mine = fold[a] == g
                right[r, :, g] += ((of_good[:, mine] @ above[mine]) * of_bad) @ into
    return _tried(right, pairs)


def _tried(right: np.ndarray, pairs: np.ndarray) -> tuple[Area, list[int]]:
    """Learns outside a fold and tests inside it, from counts [repeat, draw, fold of good run, fold of bad run]."""
    total, won, met = np.zeros(right.shape[1]), np.zeros(right.shape[1]), []
    for fold in range(right.shape[2]):
        other = np.arange(right.shape[2]) != fold
        lower = (right - pairs / 2)[:, :, other][:, :, :, other].sum((2, 3)) < 0
        here, all_here = right[:, :, fold, fold], pairs[:, :, fold, fold]
        won += np.where(lower, all_here - here, here).sum(0)
        total += all_here.sum(0)
        met += [-1 if low else 1 for low, some in zip(lower[:, 0], all_here[:, 0], strict=True) if some]
    got = _area(won, total)
    half = 1.96 * float(np.nanstd(got.draws)) if np.isfinite(got.low) else np.nan
    low, high = np.clip([got.auroc - half, got.auroc + half], 0, 1)
    return Area(got.auroc, float(low), float(high), got.draws), met


def _weights(prompts: np.ndarray, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns (prompt number [run], weights [1 + resample, prompt]: first all ones, then each draw)."""
    prompt = pd.factorize(np.asarray(prompts))[0]
    count = int(prompt.max(initial=-1)) + 1
    return prompt, np.vstack(
        [np.ones((1, count)), draw_prompts(count, resamples, seed) if count else np.ones((resamples, 0))]
    )


def _blocks(good: np.ndarray, bad: np.ndarray, blocks: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields (rows of good runs, rows of bad runs) of each block that has both."""
    number = pd.factorize(np.asarray(blocks))[0]
    for b in range(int(number.max(initial=-1)) + 1):
        a, z = np.flatnonzero((number == b) & good), np.flatnonzero((number == b) & bad)
        if a.size and z.size:
            yield a, z


def _above(x: np.ndarray, a: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Returns [good, bad]: 1 where the good run has the higher number, 0.5 for a tie."""
    return (x[a, None] > x[z]) + 0.5 * (x[a, None] == x[z])


def _by_fold(weights: np.ndarray, fold: np.ndarray, count: int) -> np.ndarray:
    return weights @ np.eye(count)[fold]


def _area(right: np.ndarray, pairs: np.ndarray) -> Area:
    values = np.divide(right, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    low, high = percentile_interval(values[1:])
    return Area(float(values[0]), low, high, values[1:])


def percentile_interval(draws: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Returns the percentile interval of bootstrap draws; NaN where fewer than 9 of 10 draws could be computed."""
    fine = draws[np.isfinite(draws)]
    if not len(draws) or len(fine) < 0.9 * len(draws):
        return np.nan, np.nan
    low, high = np.quantile(fine, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def prompt_folds(prompts: np.ndarray, folds: int = 5, seed: int = 0) -> np.ndarray:
    """Returns int [run]: the fold of each run; all runs of a prompt share one. Fewer prompts than folds: one each."""
    prompt = pd.factorize(np.asarray(prompts))[0]
    count = int(prompt.max(initial=-1)) + 1
    return (np.random.default_rng([seed, count]).permutation(count) % folds)[prompt]


def auroc(
    table: pd.DataFrame,
    feature: str | Sequence[str],
    outcome: str,
    cluster: str = "prompt_id",
    *,
    strata: Sequence[str] | None = None,
    folds: int = FOLDS,
    resamples: int = AUROC_RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Returns how well each feature separates runs with ``outcome`` 1 from those with 0, direction learned in folds.

    ``table`` has one row per run; rows with a true ``control`` are left out. ``strata``: columns inside which runs are
    compared; default: those of task, model, structure that the table has. Returns a row per feature: feature, outcome,
    auroc, low, high (95 %, bootstrap over prompts), direction ("higher", "lower": what goes with outcome 1; "mixed":
    folds disagree), agreement (share of folds with the more frequent direction), n (prompts), runs, positives and
    negatives (prompts with such a run), verdict, why. Raises StudyError where the outcome is not 0 / 1, or for an
    unknown column.
    """
    features = [feature] if isinstance(feature, str) else list(feature)
    if strata is None:
        strata = [c for c in ("task", "model", "structure") if c in table.columns]
    for name in [*features, outcome, cluster, *strata]:
        if name not in table.columns:
            raise StudyError(f"The table has no column {name!r}: name one of {', '.join(map(str, table.columns))}.")
    if "control" in table.columns:
        table = table[~table["control"].fillna(False).astype(bool)]
    rows = [_one(table, f, outcome, cluster, list(strata), folds, resamples, seed) for f in features]
    return pd.DataFrame(rows, columns=AUROC_COLUMNS)


AUROC_COLUMNS = (
    *("feature", "outcome", "auroc", "low", "high", "direction", "agreement"),
    *("n", "runs", "positives", "negatives", "verdict", "why"),
)


def _one(
    table: pd.DataFrame,
    feature: str,
    outcome: str,
    cluster: str,
    strata: list[str],
    folds: int,
    resamples: int,
    seed: int,
) -> dict[str, object]:
    x = pd.to_numeric(table[feature], errors="coerce").to_numpy(float)
    y = pd.to_numeric(table[outcome], errors="coerce").to_numpy(float)
    seen = np.isfinite(x) & np.isfinite(y)
    x, y, used = x[seen], y[seen], table[seen]
    if not np.isin(y, (0.0, 1.0)).all():
        raise StudyError(f"{outcome!r} has values other than 0 and 1: choose an outcome that is met or not met.")
    good, prompts = y == 1, used[cluster].to_numpy()
    inside = column_codes(used, strata)
    fold = np.array([prompt_folds(prompts, folds, seed + r) for r in range(REPEATS)])
    got, signs = learned_auroc(x, good, prompts, inside, fold, resamples=resamples, seed=seed)
    gate = judge_sample(y, pd.factorize(prompts)[0])
    return {
        **{"feature": feature, "outcome": outcome, "auroc": got.auroc, "low": got.low, "high": got.high},
        **{
            "direction": learned_direction(signs),
            "agreement": max(signs.count(1), signs.count(-1)) / max(len(signs), 1),
        },
        **{"n": gate.prompts, "runs": len(used), **outcome_sides(good, prompts)},
        **{"verdict": auroc_verdict(got.low, gate), "why": gate.why},
    }


def column_codes(table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Returns int [row]: the number of the row's combination of ``columns``."""
    if not columns:
        return np.zeros(len(table), int)
    return table.groupby(list(columns), observed=True, dropna=False, sort=False).ngroup().to_numpy()


def outcome_sides(good: np.ndarray, prompts: np.ndarray) -> dict[str, int]:
    """Counts the prompts with at least one good run (positives), and with at least one bad run (negatives)."""
    return {"positives": len(pd.unique(prompts[good])), "negatives": len(pd.unique(prompts[~good]))}


def learned_direction(signs: Sequence[int]) -> str:
    """Returns the direction that all folds learned to go with the good outcome, "mixed" where they disagree."""
    return {(1,): "higher", (-1,): "lower", (): ""}.get(tuple(sorted(set(signs))), "mixed")


def auroc_verdict(low: float, gate: SampleGate) -> str:
    """Returns the verdict for an AUROC whose interval begins at ``low``, in plain words."""
    if not gate:
        return "too few prompts"
    return "separates" if low > 0.5 else "no separation found"
