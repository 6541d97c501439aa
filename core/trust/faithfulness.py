"""Measures how well an importance predicts what happens when parts of the prompt are hidden.

The linear datamodelling score (Park et al. 2023; for contexts Cohen-Wang et al. 2024): hide random halves of the
prompt's units, read the log-probability of the same answer each time, and rank-correlate it with the sum of the
importance that was left. 1: the importance orders all these prompts as the model does; 0: it says nothing. Only the
difference to what needs no model counts: how long a unit is (which is what uniform reading gives), how late it stands,
how rare its words are, and chance.

Pure numpy: the model has run before (``core.probe.hide_units``). Guarded by tests/core/test_trust_faithfulness.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import MethodError
from ..importance import answer_mean, answer_rows, own_units
from ..records import Importance, Probe, Tokens, Units


@dataclass(frozen=True, eq=False)
class RankScore:
    """A rank correlation, and what it is in each resample of the variants (the same resamples for every method)."""

    score: float
    draws: np.ndarray
    """float64 [resample]"""

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval (percentiles); NaN without resamples."""
        return _middle(self.draws)

    def beyond(self, other: RankScore) -> tuple[float, float]:
        """Returns the 95 % interval of the difference to another score on the same variants."""
        return _middle(self.draws - other.draws)


def _middle(draws: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(draws, (0.025, 0.975)) if len(draws) else (np.nan, np.nan)
    return float(low), float(high)


BASELINES = ("length", "recency", "rarity", "random")
MASKS = 32
"""Random halves by which one run is checked."""
FEWEST_UNITS = 4
"""With fewer there are not enough different halves."""


def half_masks(able: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Returns bool [count, unit]: masks that hide exactly half (rounded down) of the units ``able`` (indices ``int``).

    ``able`` bool [unit]. Drawn with ``seed``; each unit is hidden about equally often. Raises MethodError below
    ``FEWEST_UNITS`` units.
    """
    places = np.flatnonzero(able)
    if len(places) < FEWEST_UNITS:
        raise MethodError(
            f"The prompt has {len(places)} parts that can be hidden, and at least {FEWEST_UNITS} are needed: take a "
            "longer prompt, or smaller parts of it."
        )
    rng = np.random.default_rng([seed, len(places), count])
    masks = np.zeros((count, len(able)), bool)
    for mask in masks:
        mask[rng.choice(places, len(places) // 2, replace=False)] = True
    return masks


def unit_values(importance: Importance) -> np.ndarray:
    """Returns float64 [unit]: the importance of each column for the answer, mean over its steps."""
    return np.asarray(answer_mean(importance, answer_rows(importance))[0], np.float64)


def baseline_values(importance: Importance, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns {name of BASELINES: float64 [unit]}: what needs no model.

    ``length``: the number of tokens. ``recency``: the place in the text. ``rarity``: mean over tokens of log(1 + id),
    as the ids of byte-pair vocabularies are in order of how common a piece is. ``random``: numbers drawn with ``seed``.
    """
    units = importance.columns
    length = np.bincount(units.unit, units.weight, len(units))
    rare = np.log1p(importance.known_tokens.ids[units.token].astype(float))
    rarity = np.bincount(units.unit, units.weight * rare, len(units)) / np.maximum(length, 1e-12)
    rng = np.random.default_rng([seed, len(units)])
    drawn = rng.random(len(units))
    return {"length": length, "recency": np.arange(len(units), dtype=float), "rarity": rarity, "random": drawn}


def check_masks(tokens: Tokens, units: Units) -> np.ndarray:
    """Returns the masks by which one run is checked, bool [``MASKS``, unit]: the same for every method and visit.

    They hide halves of the ``units`` that stand in the user's own text.
    """
    able = np.zeros(len(units), bool)
    able[own_units(tokens, units)] = True
    return half_masks(able, MASKS)


def run_scores(importances: Mapping[str, Importance], probe: Probe, steps: np.ndarray) -> dict[str, RankScore]:
    """Returns the score of each importance (by its name) and of each of BASELINES on one run.

    ``importances``: of the probe's run, with its units as columns. ``steps``: those that wrote the answer.
    """
    values = {name: unit_values(one) for name, one in importances.items()}
    first = next(iter(importances.values()))
    return datamodelling_scores(values | baseline_values(first), probe.masks, answer_logprob(probe, steps))


def answer_logprob(probe: Probe, steps: np.ndarray) -> np.ndarray:
    """Returns float64 [variant]: log-probability of the answer (``steps`` of it) under each mask, in nats."""
    return np.asarray(probe.logprobs[:, steps].sum(1, dtype=np.float64))


def datamodelling_scores(
    values: Mapping[str, np.ndarray], masks: np.ndarray, logprob: np.ndarray, *, resamples: int = 999, seed: int = 0
) -> dict[str, RankScore]:
    """Returns {name: Spearman of (sum of the values left) with the answer's log-probability}, each with its interval.

    ``values`` {name: float [unit]}, ``masks`` bool [variant, unit] (True hidden), ``logprob`` float [variant]; variants
    without a value are left out. The interval is a percentile bootstrap over variants, the same draws for every name.
    Values that are all alike predict nothing: 0.
    """
    fine = np.isfinite(logprob)
    kept, logprob = (~masks[fine]).astype(float), logprob[fine]
    draws = np.random.default_rng(seed).integers(len(logprob), size=(resamples, len(logprob)))
    found = {}
    for name, value in values.items():
        predicted = np.round(kept @ value, 12)  # sums in another order are ties, not differences
        score = _spearman(predicted[None], logprob[None])[0]
        spread = _spearman(predicted[draws], logprob[draws])
        found[name] = RankScore(float(score), spread)
    return found


def _spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the rank correlation of each row of ``x`` and ``y`` [row, n]; 0 where either is all alike."""
    from scipy.stats import rankdata  # slow to import, and every page imports this file

    x, y = (rankdata(v, axis=1) - (v.shape[1] + 1) / 2 for v in (x, y))
    size = np.sqrt((x**2).sum(1) * (y**2).sum(1))
    return np.asarray(np.divide((x * y).sum(1), size, out=np.zeros(len(x)), where=size > 0))
