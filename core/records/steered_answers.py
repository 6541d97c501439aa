"""The record of one run whose prompt was read more or less, a row for each way: what it did to the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import check_shape, frozen_array, set_fields
from .steering import Steering


@dataclass(frozen=True, eq=False)
class SteeredAnswers:
    """One run, steered in R ways: its answer scored under each, and (where asked for) the answers written then.

    All else is kept: prompt, positions, model, settings. So a difference between rows is what changing the reading
    changed, in this prompt and this model.
    """

    trace_id: str
    steerings: tuple[Steering, ...]
    """[R]; the factor 1 is the run as it was."""
    logprobs: np.ndarray
    """float32 [R, T] natural log-probability of each token of the original answer, while steered."""
    base: np.ndarray
    """float32 [T] the same without steering."""
    shares: np.ndarray
    """float32 [R] share of attention that the part really got: mean over the rows that write the original answer, and
    over the layers and heads in question; NaN where it was not measured."""
    answers: tuple[str, ...] = ()
    """[R] what was written while steered; () where the same answer was only scored."""
    answer_shares: np.ndarray | None = None
    """float32 [R] share of attention that the part got while the new answer was written, as above."""
    answer_tokens: np.ndarray | None = None
    """int64 [R] tokens of each new answer, without thinking and end token."""
    plain_logprobs: np.ndarray | None = None
    """float32 [R] mean log-probability per token (nats, the end token included) that the plain model gives to each new
    answer: how much it would have to be pushed. NaN for an empty answer."""
    finishes: tuple[str, ...] = ()
    """[R] why each new answer ended: end, length or stop."""
    run_ids: tuple[str, ...] = ()
    """[R] ids of the new runs, as they are stored."""
    model: str = ""
    """The model's caption."""
    answer: tuple[str, ...] = ()
    """[T] the original answer's tokens as labels."""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        rows = len(self.steerings)
        set_fields(
            self,
            steerings=tuple(self.steerings),
            logprobs=frozen_array(self.logprobs, np.float32, 2, "logprobs"),
            base=frozen_array(self.base, np.float32, 1, "base"),
            shares=frozen_array(self.shares, np.float32, 1, "shares"),
            **{name: tuple(getattr(self, name)) for name in ("answers", "finishes", "run_ids", "answer")},
        )
        check_shape("logprobs", self.logprobs.shape, (rows, len(self.base)))
        check_shape("shares", self.shares.shape, (rows,))
        for name in ("answers", "finishes", "run_ids"):
            if getattr(self, name):
                check_shape(name, (len(getattr(self, name)),), (rows,))
        for name, dtype in (("answer_shares", np.float32), ("answer_tokens", np.int64), ("plain_logprobs", np.float32)):
            value = getattr(self, name)
            if value is not None:
                set_fields(self, **{name: frozen_array(value, dtype, 1, name)})
                check_shape(name, getattr(self, name).shape, (rows,))

    @property
    def factors(self) -> np.ndarray:
        """float64 [R]: each row's factor; NaN for a target share."""
        return np.array([np.nan if s.target is not None else s.factor for s in self.steerings])

    def change(self, steps: Sequence[int] | np.ndarray | slice = slice(None)) -> np.ndarray:
        """Returns float32 [R]: nats by which these steps of the original answer became likelier (below 0: less so)."""
        return (self.logprobs - self.base)[:, steps].sum(1)
