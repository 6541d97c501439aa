"""The record of one method's values for each output row and input column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from .arrays import check_shape, frozen_array, set_fields
from .trace import Tokens


def sum_entries(entries: np.ndarray, unit: np.ndarray, count: int) -> np.ndarray:
    """Returns float64 [unit, ...]: the sum of ``entries[i]`` over all i of each unit, in their order.

    ``np.add.at`` gives the same numbers in twenty times the time.
    """
    order = np.argsort(unit, kind="stable")
    entries, unit = np.asarray(entries, np.float64)[order], unit[order]
    out = np.zeros((count, *entries.shape[1:]), np.float64)
    starts = np.flatnonzero(np.diff(unit, prepend=-1))
    if len(starts):
        out[unit[starts]] = np.add.reduceat(entries, starts, axis=0)
    return out


@dataclass(frozen=True, eq=False)
class Units:
    """How tokens make up what a reader sees: words, sentences, paragraphs, segments, roles or the tokens themselves.

    ``token[i]`` belongs to ``unit[i]`` with ``weight[i]``; the weights of a token sum to 1, so going up
    sums and loses nothing.
    """

    granularity: str
    labels: tuple[str, ...]
    """[U]"""
    message: np.ndarray
    """int32 [U] index into ``Tokens.sources``; -1 is markup."""
    start: np.ndarray
    """int32 [U] span in that source; -1 where it has none."""
    end: np.ndarray
    roles: tuple[str, ...]
    """[U] one of ROLES."""
    token: np.ndarray
    """int32 [E] position of a token."""
    unit: np.ndarray
    """int32 [E]"""
    weight: np.ndarray
    """float32 [E]"""

    def __post_init__(self) -> None:
        u = len(self.labels)
        set_fields(
            self,
            labels=tuple(self.labels),
            roles=tuple(self.roles),
            message=frozen_array(self.message, np.int32, 1, "message"),
            start=frozen_array(self.start, np.int32, 1, "start"),
            end=frozen_array(self.end, np.int32, 1, "end"),
            token=frozen_array(self.token, np.int32, 1, "token"),
            unit=frozen_array(self.unit, np.int32, 1, "unit"),
            weight=frozen_array(self.weight, np.float32, 1, "weight"),
        )
        for name in ("roles", "message", "start", "end"):
            check_shape(f"Units.{name}", (len(getattr(self, name)),), (u,))
        for name in ("unit", "weight"):
            check_shape(f"Units.{name}", getattr(self, name).shape, self.token.shape)
        if len(self.unit) and (self.unit.min() < 0 or self.unit.max() >= u):
            raise ValueError(f"Units.unit must lie in 0 .. {u - 1}.")
        if len(self.token):
            total = np.bincount(self.token, self.weight)
            if not np.allclose(total[np.unique(self.token)], 1, atol=1e-5):
                raise ValueError("The weights of a token over its units must sum to 1.")

    def __len__(self) -> int:
        return len(self.labels)

    def sum(self, values: np.ndarray, first: int = 0) -> np.ndarray:
        """``values[..., token]`` (tokens from position ``first`` on) summed to ``[..., unit]`` (in float64)."""
        picked = (values[..., self.token - first] * self.weight).reshape(-1, len(self.token))
        out = sum_entries(picked.T, self.unit, len(self))
        return out.T.reshape(*values.shape[:-1], len(self)).astype(values.dtype)

    def tokens_of(self, unit: int) -> np.ndarray:
        """Positions of the tokens that have a part in this unit."""
        return self.token[self.unit == unit]


@dataclass(frozen=True, eq=False)
class Importance:
    """What one method says every output row read of every input column. Every method returns this."""

    trace_id: str
    method: str
    values: np.ndarray
    """float32 [row, column]"""
    columns: Units
    rows: Units
    """Units of the output; ``token`` are positions in the whole run."""
    unit: Literal["share", "score", "nats"]
    """``share``: of the attention of that step. ``score``: not linear, does not sum to one. ``nats``:
    log-probability."""
    sums_to_one: bool
    removed: np.ndarray
    """float32 [row]: what of the row's whole (1 for shares) does not stand in ``values``: earlier output
    when only the prompt is shown, the sink when separated or dropped, the part that a learned sink took."""
    uniform: np.ndarray
    """float32 [row, column] what reading every readable token equally would give."""
    shares: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Always beside: float32 [row] share on ``sink``, ``template`` (markup), ``system``, ``user``, ``assistant``,
    ``query`` (the query token itself) and ``output`` (earlier output)."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    row_axis: Literal["step", "query", "layer", "checkpoint"] = "step"
    model: str = ""
    """The model's caption."""
    notes: tuple[str, ...] = ()
    tokens: Tokens | None = field(default=None, metadata={"added": "0.4.0"})
    """Tokens and texts of the run, in which the units stand; None: only the units' labels are known."""

    sinks: tuple[int, ...] = field(default=(0,), metadata={"added": "0.5.0"})
    """Positions of the run's sinks in the prompt; the first token is always one, but in cross-attention."""

    def __post_init__(self) -> None:
        set_fields(
            self,
            sinks=tuple(self.sinks),
            values=frozen_array(self.values, np.float32, 2, "values"),
            removed=frozen_array(self.removed, np.float32, 1, "removed"),
            uniform=frozen_array(self.uniform, np.float32, 2, "uniform"),
            shares={k: frozen_array(v, np.float32, 1, k) for k, v in self.shares.items()},
        )
        shape = (len(self.rows), len(self.columns))
        check_shape("values", self.values.shape, shape)
        check_shape("uniform", self.uniform.shape, shape)
        check_shape("removed", self.removed.shape, shape[:1])
        for name, share in self.shares.items():
            check_shape(name, share.shape, shape[:1])

    @property
    def known_tokens(self) -> Tokens:
        """``tokens``. Raises ValueError where they are not known."""
        if self.tokens is None:
            raise ValueError("This importance does not know the texts of its run: take it from explain(trace, ...).")
        return self.tokens

    def __repr__(self) -> str:
        shape = f"{len(self.rows)} rows x {len(self.columns)} columns"
        return f"Importance({self.method}, {shape}, {self.unit}, run {self.trace_id[:8]})"

    def _repr_html_(self) -> str | None:
        """Draws itself in a notebook."""
        from ..charts.notebook_html import importance_html

        return importance_html(self) if self.tokens is not None else None
