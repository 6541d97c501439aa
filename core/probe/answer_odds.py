"""Scores each answer under each prompt and returns log-odds: which prompt makes it likelier, by how much. numpy only.

``odds[i, j]`` is log P(answer i | prompt j) - log P(answer i | its own prompt i), in nats, over the answer's steps
(no thinking, no end token). Taking both prompts as equally likely beforehand, it is the log-odds that answer i was
written for prompt j and not for its own: 0 on the diagonal, below 0 where the own prompt fits better.
Guarded by tests/core/test_probe_answer_odds.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import MethodError
from ..records import Trace


@dataclass(frozen=True, eq=False)
class Odds:
    """Scores and log-odds of answers under prompts, each float64 [answer, prompt].

    Prompt i is the one that answer i was written for.
    """

    sums: np.ndarray
    """Log-probability of the whole answer, in nats."""
    means: np.ndarray
    """Mean log-probability per token, in nats: for answers of different length."""
    odds: np.ndarray
    """``sums`` less the own prompt's: 0 on the diagonal."""
    answers: tuple[str, ...]


def log_odds(traces: Sequence[Sequence[Trace]]) -> Odds:
    """Returns the scores of ``traces[answer i][prompt j]``: the run that scores (or wrote) answer i under prompt j.

    Raises MethodError when the runs are not a square, or a row holds different answers.
    """
    count = len(traces)
    if not count or any(len(row) != count for row in traces):
        raise MethodError("Log-odds need every answer scored under every prompt: as many prompts as answers.")
    for row in traces:
        if len({t.answer for t in row}) > 1:
            raise MethodError("Log-odds compare one and the same answer under each prompt, but a row holds several.")
        if any(not len(t.answer_steps) for t in row):
            raise MethodError("Log-odds need answers of at least one token: score an answer with some text.")
    steps = [[t.logprobs[t.answer_steps].astype(np.float64) for t in row] for row in traces]
    sums = np.array([[s.sum() for s in row] for row in steps])
    means = np.array([[s.mean() for s in row] for row in steps])
    own = np.diagonal(sums)[:, None]
    return Odds(sums, means, sums - own, tuple(row[0].answer for row in traces))
