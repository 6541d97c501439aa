"""Simulates tables of runs whose true correlation is known, for the calibration of the statistics.

A prompt has a true feature and a true quality; each run adds noise of its own, so that runs of a prompt are alike.
Strata (task x model) may shift and stretch both columns, which makes a strong correlation over all runs where none
exists within a stratum. On request columns are as awkward as real ones: yes/no, few levels, long tails, undefined.

Guarded by tests/core/test_statistics_calibration.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class SimulatedStudy:
    """The parameters of a simulated study."""

    prompts: int = 60
    runs: int = 3
    """Per prompt, under one model and structure."""
    features: int = 1
    metrics: int = 1
    rho: float = 0.0
    """Of the first feature with the first metric: Pearson's, between prompts, or of changes within one."""
    noise: float = 0.5
    """Standard deviation of runs around their prompt, whose own is 1."""
    tasks: int = 1
    models: int = 1
    structures: int = 1
    shift: float = 0.0
    """Standard deviation of the strata's means, the same in features and metrics."""
    tilt: float = 0.0
    """How far structures move the features."""
    awkward: bool = False
    """Metrics with ties, long tails and undefined values."""


def spearman_of_pearson(pearson: float) -> float:
    """Returns Spearman's rho of two normal variables with this Pearson correlation (Pearson 1907)."""
    return float(6 / np.pi * np.arcsin(pearson / 2))


def planted_correlation(study: SimulatedStudy) -> float:
    """Returns the rho that ``correlate_table`` should find: noise left in the means of runs weakens the planted one."""
    return spearman_of_pearson(study.rho / (1 + study.noise**2 / study.runs))


def column_names(study: SimulatedStudy) -> tuple[list[str], list[str]]:
    """Returns the names of the columns of features and of metrics."""
    return [f"feature_{i}" for i in range(study.features)], [f"metric_{i}" for i in range(study.metrics)]


def simulate_runs(study: SimulatedStudy, rng: np.random.Generator) -> pd.DataFrame:
    """Returns one row per run: prompt_id, task, model, structure and the columns of ``column_names``."""
    shape = (study.prompts, study.models, study.structures, study.runs)
    prompt, model, structure, _ = (i.ravel() for i in np.indices(shape))
    task = prompt % study.tasks
    x, y = _true(study, rng)
    if study.structures > 1:
        # Prompts go the other way than their structures: the two estimands must not be mixed up.
        own = rng.standard_normal((study.prompts, 1))[prompt]
        x, y = x + own + study.tilt * structure[:, None], y - own
    else:
        x, y = x[prompt], y[prompt]
    x = x + study.noise * rng.standard_normal(x.shape)
    y = y + study.noise * rng.standard_normal(y.shape)
    stratum = task * study.models + model
    away = study.shift * rng.standard_normal((study.tasks * study.models, 1))[stratum]
    stretch = np.exp(0.5 * study.shift * rng.standard_normal((study.tasks * study.models, 1)))[stratum]
    x, y = x * stretch + away, y * stretch + away
    if study.awkward:
        y = _awkward(y, rng)
    table = pd.DataFrame(np.hstack([x, y]), columns=[name for group in column_names(study) for name in group])
    for name, numbers in (("structure", structure), ("model", model), ("task", task), ("prompt_id", prompt)):
        table.insert(0, name, np.array([f"{name[0]}{i}" for i in range(numbers.max() + 1)], object)[numbers])
    return table


def _true(study: SimulatedStudy, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns features [n, F] and metrics [n, M] that all correlate a little.

    n counts prompts, or runs if there are structures.
    """
    n = study.prompts * (study.models * study.structures * study.runs if study.structures > 1 else 1)
    x, y = (_alike(rng, n, k) for k in (study.features, study.metrics))
    y[:, 0] = study.rho * x[:, 0] + np.sqrt(1 - study.rho**2) * y[:, 0]
    return x, y


def _alike(rng: np.random.Generator, n: int, columns: int) -> np.ndarray:
    """Returns columns that correlate with 0.3, as features do among themselves; standard deviation 1."""
    common = rng.standard_normal((n, 1)) if columns > 1 else np.zeros((n, 1))
    share = 0.3 if columns > 1 else 0.0
    return np.sqrt(share) * common + np.sqrt(1 - share) * rng.standard_normal((n, columns))


def _awkward(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    y = y.copy()
    y[:, 0] = y[:, 0] > np.median(y[:, 0])
    if y.shape[1] > 1:
        y[:, 1] = np.round(y[:, 1])
    if y.shape[1] > 2:
        y[:, 2] = np.exp(2 * y[:, 2])
    if y.shape[1] > 3:
        y[rng.random(len(y)) < 0.2, 3] = np.nan
    return y
