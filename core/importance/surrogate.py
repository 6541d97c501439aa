"""Fits a sparse linear model of what an answer loses when parts of the prompt are hidden at random.

After ContextCite (Cohen-Wang et al. 2024): each part is hidden with probability one half, the same answer is scored
behind each of these prompts, and a Lasso predicts the score from what was left. Its weights are the importance of the
parts. As there, what was left is standardised, the score is taken per answer token, and the penalty is 0.01; other than
there, the score is the log-probability and not its logit, in nats like every other number of Heed.

Pure numpy and scikit-learn. Guarded by tests/core/test_importance.py: an exactly linear model is found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import MethodError

PENALTY = 0.01
FEWEST_MASKS = 8
FOLDS = 5


@dataclass(frozen=True, eq=False)
class Surrogate:
    """The linear model of one answer."""

    weights: np.ndarray
    """float64 [unit]: nats that the whole answer loses without the unit, by the linear model."""
    intercept: float
    """Log-probability of the answer with nothing left, by the linear model."""
    fit: float
    """R² on the masks it was fitted to."""
    held_out: float
    """R² on masks that were left out of the fit, a fifth at a time; 0 is what the mean score alone would reach."""
    masks: int
    """Number of masks."""


def random_masks(able: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Returns bool [count, unit]: masks that hide (True) each of the units ``able`` (bool) with probability 1/2."""
    rng = np.random.default_rng([seed, int(able.sum()), count, 2])
    return np.asarray(able & (rng.random((count, len(able))) < 0.5))


def fit_surrogate(masks: np.ndarray, logprob: np.ndarray, steps: int, penalty: float = PENALTY) -> Surrogate:
    """Fits the Lasso: ``masks`` bool [variant, unit] (True hidden), ``logprob`` float [variant] of ``steps`` tokens.

    Variants without a value are left out. Raises MethodError with fewer than ``FEWEST_MASKS`` others.
    """
    fine = np.isfinite(logprob)
    if fine.sum() < FEWEST_MASKS:
        raise MethodError(f"A surrogate needs at least {FEWEST_MASKS} random masks; this one has {int(fine.sum())}.")
    steps = max(steps, 1)
    left, score = (~masks[fine]).astype(float), logprob[fine] / steps
    weights, intercept = _lasso(left, score, penalty)
    folds = np.arange(len(score)) % FOLDS
    guessed = np.zeros(len(score))
    for fold in range(FOLDS):
        some, level = _lasso(left[folds != fold], score[folds != fold], penalty)
        guessed[folds == fold] = level + left[folds == fold] @ some
    fit, held_out = (_explained(score, guess) for guess in (intercept + left @ weights, guessed))
    return Surrogate(weights * steps, intercept * steps, fit, held_out, len(score))


def _lasso(left: np.ndarray, score: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Returns (float64 [unit] weights, intercept) of the scores, fitted to standardised columns."""
    from sklearn.linear_model import Lasso

    centre, spread, level = left.mean(0), left.std(0), float(score.mean())
    x = np.divide(left - centre, spread, out=np.zeros_like(left), where=spread > 0)
    model = Lasso(alpha=penalty, fit_intercept=False, max_iter=10_000).fit(x, score - level)
    weights = np.divide(model.coef_, spread, out=np.zeros(len(spread)), where=spread > 0)
    return weights, level - float(centre @ weights)


def _explained(score: np.ndarray, guess: np.ndarray) -> float:
    """Returns R²; 0 where all scores are the same."""
    total = float(np.square(score - score.mean()).sum())
    return 1 - float(np.square(score - guess).sum()) / total if total > 0 else 0.0


def surrogate_sentence(found: Surrogate) -> str:
    """Returns how well the linear model fits, in words."""
    shown = f"{found.held_out:.2f}".replace("-", "−")
    return (
        f"The linear model was fitted to {found.masks} random masks: R² {found.fit:.2f} on these, {shown} on masks "
        "left out of the fit. 1 is perfect; near 0 it predicts no better than the mean, and its weights say little."
    )
