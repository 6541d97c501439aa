"""The methods that read a record beside the run: words hidden, a surrogate, a backward pass, attention rolled out.

Functions ``(MethodInput) -> float32 [step, key]``, named in ``METHODS``. Guarded by tests/core/test_importance.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import MethodError
from ..records import Probe, Trace, Units
from .method_input import MethodInput
from .surrogate import Surrogate, fit_surrogate


def leave_one_out(source: MethodInput) -> np.ndarray:
    """Returns float32 [step, key]: nats that a step loses without the unit of a key, split evenly over its tokens.

    What cannot be hidden has 0. Raises MethodError for a Probe that hides several units at once.
    """
    probe = source.given["probe"]
    if probe.masks.shape[0] != probe.masks.shape[1] or not np.array_equal(probe.masks, np.eye(len(probe.masks))):
        raise MethodError("Leaving out needs a Probe that hides each part alone: call knock_out, not hide_units.")
    return _over_tokens(np.nan_to_num(probe.effect), probe.units, source)


def surrogate(source: MethodInput) -> np.ndarray:
    """Returns float32 [step, key]: nats of the whole answer by a sparse linear model, evenly over its steps and tokens.

    Raises MethodError for a Probe with too few random masks.
    """
    probe, steps = source.given["masks"], source.trace.answer_steps
    able = probe.masks.any(0)
    weights = np.zeros((len(probe.units), source.trace.steps))
    fitted = surrogate_of(probe, source.trace)
    weights[np.ix_(able, steps)] = fitted.weights[:, None] / max(len(steps), 1)
    return _over_tokens(weights, probe.units, source)


def surrogate_of(probe: Probe, trace: Trace) -> Surrogate:
    """Returns the linear model of a run's answer, fitted to a Probe of random masks; its units are those it hides."""
    steps = trace.answer_steps
    scores = probe.logprobs[:, steps].sum(1, dtype=np.float64)
    return fit_surrogate(probe.masks[:, probe.masks.any(0)], scores, len(steps))


def _over_tokens(effect: np.ndarray, units: Units, source: MethodInput) -> np.ndarray:
    """Returns float32 [step, key] of ``effect`` [unit, step], each unit's split evenly over its tokens."""
    size = np.bincount(units.unit, units.weight, len(units))
    each = effect / np.maximum(size, 1e-12)[:, None]
    out = np.zeros((len(source.trace.tokens) - 1, source.trace.steps), np.float32)
    np.add.at(out, units.token, (each[units.unit] * units.weight[:, None]).astype(np.float32))
    return out.T


def attributed(kind: str) -> Callable[[MethodInput], np.ndarray]:
    """Returns the method that reads an Attribution of ``kind``, a span's values spread evenly over its steps."""

    def by_step(source: MethodInput) -> np.ndarray:
        """Returns float32 [step, key]."""
        return np.asarray(source.given[kind].by_step(source.trace.steps))

    return by_step
