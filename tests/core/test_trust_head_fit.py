"""Tests weights of heads where the answer is known: planted heads are found, on prompts that were not fitted too."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import MethodError
from core.records import HeadWeights
from core.trust.head_fit import fit_heads, solve, weighted_score
from core.trust.measurement import PromptMeasurement, read_measurement, save_measurement, top_masks, with_learned
from core.trust.trust_prompts import TrustPrompt

HEADS, UNITS = 24, 10
TRUE = {3: 0.6, 11: 0.3, 17: 0.1}


def planted(seed: int, noise: float = 0.3, split: str = "fit", kind: str = "needle") -> PromptMeasurement:
    """A prompt whose answer needs what heads 3, 11 and 17 read."""
    rng = np.random.default_rng(seed)
    read = rng.gamma(0.5, size=(HEADS, UNITS)).astype(np.float32)
    read /= read.sum(1, keepdims=True)
    able = np.ones(UNITS, bool)
    able[-1] = False
    true = sum(weight * read[head] for head, weight in TRUE.items())
    prompt = TrustPrompt(f"Prompt {seed}. It has evidence.", kind, split, right="yes")
    found = PromptMeasurement(
        prompt, "f" * 64, np.arange(40), 30, "yes", np.arange(9), tuple(f"s{i}" for i in range(UNITS)), able,
        np.arange(UNITS) == int(np.argmax(true[:-1])), ~able, np.zeros((0, UNITS), bool), np.zeros(0, bool),
        np.zeros(0), 0.0,
        {"mean-attention": read.mean(0).astype(float), "length": rng.random(UNITS), "recency": np.arange(UNITS) * 1.0,
         "rarity": rng.random(UNITS), "random": rng.random(UNITS),
         "leave-one-out": true.astype(float), "excess": -true.astype(float)},
        np.arange(HEADS) // 8, np.arange(HEADS) % 8, read, np.zeros((0, UNITS), np.float32),
        {"run": 1.0, "variant": 0.1},
    )  # fmt: skip
    masks = [found.halves, found.alone, np.concatenate([top_masks(v, able) for v in found.values.values()])]
    every = np.unique(np.concatenate(masks), axis=0)
    lost = 20 * (every @ true) + noise * rng.normal(size=len(every))
    both = np.concatenate([every, every])
    return PromptMeasurement(
        **{**vars(found), "masks": both, "removed": np.arange(len(both)) >= len(every), "logprob": np.tile(-lost, 2)}
    )


def test_planted_heads_are_found_and_predict_other_prompts() -> None:
    weights = fit_heads([planted(seed) for seed in range(40)], "a model")
    assert weights.reads == "attention" and weights.weights.sum() == pytest.approx(1) and (weights.weights >= 0).all()
    found = np.array([weights.weights[head] for head in TRUE])
    np.testing.assert_allclose(found, list(TRUE.values()), atol=0.08)
    assert np.delete(weights.weights, list(TRUE)).sum() < 0.15
    others = [planted(seed) for seed in range(100, 110)]
    mean = np.full(HEADS, 1 / HEADS)
    learned = np.mean([weighted_score(weights.weights, one, "attention") for one in others])
    assert learned > 0.95 > np.mean([weighted_score(mean, one, "attention") for one in others]) + 0.1
    assert weights.scores["cross-validated"] == pytest.approx(learned, abs=0.05)
    named = with_learned(others[0], weights).values["learned-heads"]
    np.testing.assert_allclose(named, weights.weights @ others[0].read, rtol=1e-5)


def test_least_squares_without_a_ridge_are_exact_and_never_negative() -> None:
    rng = np.random.default_rng(0)
    x, true = rng.normal(size=(200, 6)), np.array([0, 2.0, 0, 0.5, 0, 1])
    np.testing.assert_allclose(solve([(x[:90], x[:90] @ true), (x[90:], x[90:] @ true)], 0.0), true, atol=1e-3)
    assert (solve([(x, x @ np.array([1, -1, 0, 0, 0, 0.0]))], 0.0) >= 0).all()


def test_too_few_prompts_or_nothing_to_learn_is_told() -> None:
    with pytest.raises(MethodError, match="at least 10 prompts; 3"):
        fit_heads([planted(seed) for seed in range(3)])


def test_weights_come_back_from_json_and_bad_ones_are_refused() -> None:
    weights = fit_heads([planted(seed) for seed in range(12)], "a model")
    again = HeadWeights.from_json(weights.to_json())
    ids = weights.layers, weights.heads
    np.testing.assert_allclose(again.of(*ids), weights.of(*ids), atol=1e-7)
    assert again.prompts == 12 and again.scores == weights.scores and again.fingerprint == weights.fingerprint
    assert not again.of(np.array([99]), np.array([0])).any()
    for text in ("{}", "[]", "3", "nonsense", '{"heads": [[0, 0, -1]]}'):
        with pytest.raises(ValueError):
            HeadWeights.from_json(text)


def test_a_measurement_comes_back_from_its_file(tmp_path) -> None:
    made = planted(5)
    save_measurement(made, tmp_path / "x" / "m.npz")
    again = read_measurement(tmp_path / "x" / "m.npz")
    assert again.prompt == made.prompt and again.labels == made.labels and again.seconds == made.seconds
    for name in ("masks", "removed", "logprob", "able", "evidence", "question", "read", "written"):
        np.testing.assert_array_equal(getattr(again, name), getattr(made, name))
    assert set(again.values) == set(made.values) and again.right is True
    np.testing.assert_array_equal(again.logprob_of(made.halves), made.logprob_of(made.halves))


def test_the_first_units_are_hidden_and_kept_alone() -> None:
    able = np.array([True, True, False, True, True, True, True])
    masks = top_masks(np.array([1, 5, 99, 3, 4, 2, 0.0]), able)
    assert [np.flatnonzero(m).tolist() for m in masks[:3]] == [[1], [1, 3, 4], [0, 1, 3, 4, 5]]
    assert [np.flatnonzero(m).tolist() for m in masks[3:]] == [[0, 3, 4, 5, 6], [0, 5, 6], [6]]
