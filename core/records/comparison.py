"""The record of several runs compared word by word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import check_shape, frozen_array, set_fields

if TYPE_CHECKING:
    import pandas as pd

STATUS = ("matched", "replaced", "inserted", "deleted")
"""Of a word in one run, seen from the others: the same word stands there; another word stands there; only this run
has it; this run lacks it."""


@dataclass(frozen=True, eq=False)
class Aligned:
    """Words (or sentences, segments, tokens) of several prompts, side by side: one unit is one place."""

    labels: tuple[str, ...]
    """[U] the word of the first run that has one there."""
    texts: tuple[tuple[str, ...], ...]
    """``[run][unit]`` the word of each run as it stands in its prompt, empty where it has none."""
    column: np.ndarray
    """int32 [run, unit] column of that run's importance, -1 where it has none."""

    def __post_init__(self) -> None:
        set_fields(
            self,
            labels=tuple(self.labels),
            texts=tuple(tuple(t) for t in self.texts),
            column=frozen_array(self.column, np.int32, 2, "column"),
        )
        check_shape("column", self.column.shape, (len(self.texts), len(self.labels)))
        check_shape("texts", tuple(len(t) for t in self.texts), (len(self.labels),) * len(self.texts))

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[str]:
        return iter(self.labels)

    def __getitem__(self, unit: int) -> str:
        return self.labels[unit]


@dataclass(frozen=True)
class Agreement:
    """One measure for one pair of runs (``a`` < ``b``, columns of the comparison), beside its baselines."""

    a: int
    b: int
    measure: str
    """spearman, kendall, cosine, jensen-shannon, top-3, top-5, top-10."""
    value: float
    """NaN where undefined."""
    position: float
    """The same measure when the place of a word alone decides what it gets in one of the two runs."""
    pieces: float
    """The same measure when the number of tokens of a word alone decides."""
    units: int
    """Words that both runs have."""
    why: str = ""
    """Why ``value`` is undefined, as a sentence; empty where it is defined."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs by aligned units. Shares are means over each answer's steps, so that answers of any length compare.

    For methods that sum to one, ``nansum(values[run]) + unaligned[run]`` and the run's ``groups`` make 1.
    """

    trace_ids: tuple[str, ...]
    models: tuple[str, ...]
    """[R] captions of the models."""
    method: str
    granularity: str
    units: Aligned
    values: np.ndarray
    """float64 [run, unit] mean over the answer's steps of each step's share; NaN where there is no partner."""
    uniform: np.ndarray
    """float64 [run, unit] what reading every readable token equally would give, NaN as in ``values``."""
    pieces: np.ndarray
    """int32 [run, unit] tokens that stand in the unit; 0 where the run has none."""
    alone: np.ndarray
    """float64 [run, unit] the share of a unit that no other run has (``values`` is NaN there); NaN elsewhere."""
    unaligned: np.ndarray
    """float64 [run] sum of ``alone``: the share on words without partner."""
    status: np.ndarray
    """str [run, unit] one of STATUS."""
    shares: Mapping[str, np.ndarray]
    """{group: float64 [run]} what stands beside the words: sink, markup, own output, ..."""
    agreements: tuple[Agreement, ...]
    sums_to_one: bool
    parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        set_fields(
            self,
            values=frozen_array(self.values, np.float64, 2, "values"),
            uniform=frozen_array(self.uniform, np.float64, 2, "uniform"),
            pieces=frozen_array(self.pieces, np.int32, 2, "pieces"),
            alone=frozen_array(self.alone, np.float64, 2, "alone"),
            unaligned=frozen_array(self.unaligned, np.float64, 1, "unaligned"),
            status=frozen_array(self.status, np.str_, 2, "status"),
            shares={k: frozen_array(v, np.float64, 1, k) for k, v in self.shares.items()},
            agreements=tuple(self.agreements),
            notes=tuple(self.notes),
        )
        shape = (len(self.trace_ids), len(self.units))
        for name in ("values", "uniform", "pieces", "alone", "status"):
            check_shape(name, getattr(self, name).shape, shape)
        for name, share in {**self.shares, "unaligned": self.unaligned}.items():
            check_shape(name, share.shape, shape[:1])
        if set(np.unique(self.status)) - set(STATUS):
            raise ValueError(f"status must be one of {STATUS}.")

    @property
    def groups(self) -> pd.DataFrame:
        """One row a run and group: ``run`` (number), ``group``, ``share``."""
        import pandas as pd

        rows = [(run, name, float(v)) for name, share in self.shares.items() for run, v in enumerate(share)]
        return pd.DataFrame(sorted(rows, key=lambda r: r[0]), columns=["run", "group", "share"])

    @property
    def agreement(self) -> pd.DataFrame:
        """One row a pair and measure: the fields of ``Agreement``."""
        import pandas as pd

        return pd.DataFrame([vars(a) for a in self.agreements], columns=list(Agreement.__dataclass_fields__))

    def __repr__(self) -> str:
        return f"Comparison({self.method}, {len(self.trace_ids)} runs x {len(self.units)} {self.granularity}s)"

    def _repr_html_(self) -> str:
        """Draws itself in a notebook."""
        from ..charts.notebook_html import comparison_html

        return comparison_html(self)
