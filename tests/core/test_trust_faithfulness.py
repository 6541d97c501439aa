"""Tests the datamodelling score where the answer is known: a linear toy, its inverse, and numbers that say nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.errors import MethodError
from core.importance import explain_by
from core.trust.faithfulness import (
    BASELINES,
    baseline_values,
    check_masks,
    datamodelling_scores,
    half_masks,
    unit_values,
)
from tests.core import traces_made_up as made_up

UNITS = 12


def toy(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(weights [unit], masks, log-probability): each unit that is left adds its weight."""
    weights = np.random.default_rng(seed).gamma(0.5, size=UNITS)
    masks = half_masks(np.ones(UNITS, bool), 64, seed)
    return weights, masks, (~masks) @ weights


def scores(values: dict[str, np.ndarray], masks: np.ndarray, logprob: np.ndarray) -> dict[str, float]:
    return {name: found.score for name, found in datamodelling_scores(values, masks, logprob, resamples=0).items()}


@pytest.mark.parametrize("seed", range(5))
def test_the_right_order_scores_one_the_inverse_minus_one_and_chance_about_nothing(seed: int) -> None:
    weights, masks, logprob = toy(seed)
    chance = {str(i): np.random.default_rng([seed, i]).random(UNITS) for i in range(200)}
    got = scores({"true": weights, "scaled": weights * 7 + 3, "inverse": -weights} | chance, masks, logprob)
    assert got["true"] == pytest.approx(1) and got["scaled"] == pytest.approx(1) and got["inverse"] == pytest.approx(-1)
    rest = np.array([got[name] for name in chance])
    assert abs(rest.mean()) < 0.1 and rest.max() < got["true"]


def test_it_is_spearman_of_what_is_left_and_leaves_out_variants_without_a_value() -> None:
    weights, masks, logprob = toy()
    noisy = logprob + np.random.default_rng(1).normal(size=64)
    noisy[:5] = np.nan
    values = np.arange(UNITS, dtype=float)
    want = stats.spearmanr([values[~m].sum() for m in masks[5:]], noisy[5:]).statistic
    assert scores({"x": values}, masks, noisy)["x"] == pytest.approx(want)


def test_values_that_are_all_alike_say_nothing() -> None:
    _, masks, logprob = toy()
    assert scores({"same": np.full(UNITS, 0.3)}, masks, logprob) == {"same": 0.0}


def test_half_of_what_can_be_hidden_is_hidden() -> None:
    able = np.arange(15) % 3 != 0
    masks = half_masks(able, 400, 3)
    assert masks.shape == (400, 15) and (masks.sum(1) == 5).all() and not masks[:, ~able].any()
    assert np.allclose(masks[:, able].mean(0), 0.5, atol=0.1), "each about equally often"
    assert (half_masks(able, 400, 3) == masks).all() and (half_masks(able, 400, 4) != masks).any()
    with pytest.raises(MethodError, match="3 parts that can be hidden, and at least 4 are needed"):
        half_masks(np.arange(15) < 3, 8)


def test_units_are_the_columns_of_the_picture() -> None:
    trace = made_up.trace("One is red. Two is blue. Three is green. Which one is blue?")
    found = explain_by(trace, columns="sentence", sink="separate")
    values, able = unit_values(found), check_masks(trace.tokens, found.columns).any(0)
    assert values == pytest.approx(found.values[trace.answer_steps].mean(0))
    assert able.sum() == 4 and all("<|" not in found.columns.labels[c] for c in np.flatnonzero(able))
    base = baseline_values(found)
    assert tuple(base) == BASELINES and base["length"].sum() == pytest.approx(trace.prompt_length)
    assert (np.diff(base["recency"]) > 0).all()


def test_the_interval_holds_the_score_of_many_masks() -> None:
    """Nine of ten intervals at least from 32 masks hold what 4,000 masks say."""
    held = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        weights = rng.gamma(0.5, size=UNITS)
        guess = {"x": weights + rng.normal(0, 0.7, UNITS)}
        many, few = half_masks(np.ones(UNITS, bool), 4000, seed), half_masks(np.ones(UNITS, bool), 32, seed + 100)
        true = scores(guess, many, ~many @ weights)["x"]
        found = datamodelling_scores(guess, few, ~few @ weights)["x"]
        low, high = found.interval
        assert low <= found.score <= high and found.beyond(found) == (0.0, 0.0)
        held.append(low <= true <= high)
    assert np.mean(held) >= 0.85
