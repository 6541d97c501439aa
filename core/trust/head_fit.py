"""Learns weights of heads: with them, attention predicts what an answer loses when parts of its prompt are hidden.

After AT2 (Cohen-Wang et al. 2025): one weight a head, the same for every prompt, fitted to measured effects. Here they
are at least 0 and add up to 1, so that weighted attention is still a share of attention: linear, and conserved. For
each prompt the log-probability under random halves is regressed on what each head read of the half that was left; both
are centred for each prompt and the log-probability is scaled to one, so that every prompt counts alike. A small ridge,
chosen with whole prompts left out, spreads weight over heads that read alike.

Whether plain or value-weighted attention is weighted is chosen the same way. Pure numpy and scipy.
Guarded by tests/core/test_trust_head_fit.py: planted heads are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from ..errors import MethodError
from ..records import HeadWeights
from .faithfulness import datamodelling_scores
from .measurement import PromptMeasurement

RIDGES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
FOLDS = 5
FEWEST_PROMPTS = 10


def head_readings(found: PromptMeasurement, reads: str) -> np.ndarray:
    """Returns float64 [head, unit]: what each head read ("attention"), or that times what it writes ("written")."""
    return np.asarray(found.read if reads == "attention" else found.written, np.float64)


def _equations(found: PromptMeasurement, reads: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns (X [variant, head], y [variant]) of one prompt, centred; y of unit variance."""
    masks = found.halves
    logprob = found.logprob_of(masks)
    fine = np.isfinite(logprob)
    x = (~masks[fine]).astype(float) @ np.where(found.able, head_readings(found, reads), 0).T
    y = logprob[fine]
    return x - x.mean(0), (y - y.mean()) / max(float(y.std()), 1e-9)


def solve(equations: Sequence[tuple[np.ndarray, np.ndarray]], ridge: float) -> np.ndarray:
    """Returns float64 [head] >= 0: least squares over all prompts plus ``ridge`` times the squared weights."""
    gram = sum((x.T @ x for x, _ in equations), start=np.zeros((equations[0][0].shape[1],) * 2))
    cross = sum((x.T @ y for x, y in equations), start=np.zeros(len(gram)))
    scale = np.sqrt(np.maximum(np.diag(gram), 1e-12 * max(gram.max(), 1e-30)))  # the ridge must not prefer large heads
    gram, cross = gram / scale / scale[:, None], cross / scale
    values, vectors = np.linalg.eigh(gram + ridge * np.eye(len(gram)))
    root = np.sqrt(np.maximum(values, 1e-9 * values.max()))
    from scipy.optimize import nnls  # slow to import

    return np.asarray(nnls(root[:, None] * vectors.T, (vectors.T @ cross) / root, maxiter=20 * len(gram))[0] / scale)


def held_out_score(weights: np.ndarray, measured: Sequence[PromptMeasurement], reads: str) -> float:
    """Returns the mean linear datamodelling score of weighted attention on ``measured``."""
    return float(np.mean([weighted_score(weights, one, reads) for one in measured]))


def weighted_score(weights: np.ndarray, found: PromptMeasurement, reads: str, mode: str = "mask") -> float:
    """Returns the linear datamodelling score of one prompt by attention weighted with ``weights`` [head]."""
    values = np.where(found.able, weights @ head_readings(found, reads), 0)
    masks = found.halves
    return datamodelling_scores({"": values}, masks, found.logprob_of(masks, mode), resamples=0)[""].score


def fit_heads(measured: Sequence[PromptMeasurement], model: str = "", seed: int = 0) -> HeadWeights:
    """Learns weights of heads from measured prompts of one model; ``model``: its caption.

    ``scores["cross-validated"]`` is the mean score of prompts left out of the fit. Raises MethodError with fewer than
    ``FEWEST_PROMPTS`` prompts.
    """
    if len(measured) < FEWEST_PROMPTS:
        raise MethodError(
            f"Weights of heads need at least {FEWEST_PROMPTS} prompts; {len(measured)} could be measured."
        )
    folds = np.random.default_rng(seed).permutation(len(measured)) % FOLDS
    tried = {}
    able = [reads for reads in ("attention", "written") if all(len(head_readings(m, reads)) for m in measured)]
    for reads in able:
        equations = [_equations(one, reads) for one in measured]
        for ridge in RIDGES:
            scores = np.zeros(len(measured))
            for fold in range(FOLDS):
                weights = solve([e for e, f in zip(equations, folds, strict=True) if f != fold], ridge)
                for i in np.flatnonzero(folds == fold).tolist():
                    scores[i] = weighted_score(weights, measured[i], reads)
            tried[reads, ridge] = float(scores.mean())
    reads, ridge = max(tried, key=lambda key: tried[key])
    weights = solve([_equations(one, reads) for one in measured], ridge)
    if not weights.any():
        raise MethodError("No head's attention goes with what these answers need: nothing was learned.")
    return HeadWeights(
        fingerprint=measured[0].model,
        layers=measured[0].layers,
        heads=measured[0].heads,
        weights=weights / weights.sum(),
        reads=reads,  # type: ignore[arg-type]
        model=model,
        prompts=len(measured),
        scores={"cross-validated": round(tried[reads, ridge], 4), "ridge": ridge},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
