"""The record of an attribution: what a backward pass, or attention through all layers, says about an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .arrays import check_shape, frozen_array, set_fields

POINTS = 16
"""Points of integrated gradients between zero and the embeddings (Gauss-Legendre)."""
ATTRIBUTIONS = ("input-x-gradient", "integrated-gradients", "attention-x-gradient", "rollout")


@dataclass(frozen=True, eq=False)
class Attribution:
    """One array of a kind in ATTRIBUTIONS: for each span of output tokens a value for every token before the last."""

    trace_id: str
    kind: str
    spans: np.ndarray
    """int32 [span, 2]: first step of each span, and one past its last."""
    values: np.ndarray
    """float32 [span, key]: nats of the span's log-probability (or of a log-odds, see ``parameters``); for ``rollout``
    shares of the span's steps, mean over them."""
    model: str = ""
    """The model's caption."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def __post_init__(self) -> None:
        set_fields(
            self,
            spans=frozen_array(self.spans, np.int32, 2, "spans"),
            values=frozen_array(self.values, np.float32, 2, "values"),
            notes=tuple(self.notes),
        )
        check_shape("values", self.values.shape[:1], self.spans.shape[:1])
        if self.kind not in ATTRIBUTIONS:
            raise ValueError(f"kind must be one of {ATTRIBUTIONS}, not {self.kind!r}.")

    def by_step(self, steps: int) -> np.ndarray:
        """Returns float32 [step, key]: a span's nats are spread evenly over its steps, its shares repeated."""
        out = np.zeros((steps, self.values.shape[1]), np.float32)
        for (first, last), row in zip(self.spans, self.values, strict=True):
            out[first:last] = row if self.kind == "rollout" else row / max(last - first, 1)
        return out

    def __repr__(self) -> str:
        return (
            f"Attribution({self.kind}, {len(self.spans)} spans x {self.values.shape[1]} keys, run {self.trace_id[:8]})"
        )
