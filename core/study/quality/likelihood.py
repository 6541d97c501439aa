"""Metrics of the answer's likelihood under the model that read it, from the answer's own tokens, in nats.

Not a measure of quality: a model finds its own loops very likely. Perplexity is exp of minus the mean log-probability,
the same information on another scale. Guarded by tests/core/test_quality_metrics.py.
"""

from __future__ import annotations

import math

import numpy as np

from ...records import Answered
from .metric_value import EMPTY, MetricValue, defined_value, undefined_value

UNREAD = "no model has read the answer"


def mean_logprob(answered: Answered) -> MetricValue:
    """Returns the mean natural log-probability per token of the answer, at most 0."""
    return _mean(answered, answered.logprobs)


def perplexity(answered: Answered) -> MetricValue:
    """Returns exp(- mean log-probability), at least 1."""
    mean = _mean(answered, answered.logprobs)
    return mean if mean.value is None else defined_value(math.exp(min(-mean.value, 700.0)))


def mean_entropy(answered: Answered) -> MetricValue:
    """Returns the mean entropy (nats) of the next-token distributions at the answer's steps."""
    return _mean(answered, answered.entropy)


def _mean(answered: Answered, values: np.ndarray) -> MetricValue:
    if not len(values):
        return undefined_value(UNREAD if answered.answer else EMPTY)
    return defined_value(float(np.mean(values, dtype=np.float64)))
