"""The record of a knock-out: how likely the same answer was with parts of the prompt hidden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from .arrays import check_shape, frozen_array, set_fields
from .importance import Units

MODE_NAMES = {"mask": "Hidden", "remove": "Removed"}
"""{mode: what becomes of the words of a variant}"""


@dataclass(frozen=True, eq=False)
class Probe:
    """One answer, scored once for every way of hiding parts of the prompt."""

    trace_id: str
    units: Units
    """What can be hidden: the prompt's units, the same columns as ``explain`` gives at this granularity."""
    masks: np.ndarray
    """bool [variant, unit] True: hidden. Knocking out each unit alone makes this the identity."""
    logprobs: np.ndarray
    """float32 [variant, step] natural log-probability of each output token; NaN where a variant cannot be made."""
    base: np.ndarray
    """float32 [step] the same with nothing hidden."""
    mode: Literal["mask", "remove"]
    """``mask``: attention mask 0, positions kept. ``remove``: taken out of the prompt, which is rendered anew."""
    model: str = ""
    """The model's caption."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    answer: tuple[str, ...] = field(default=(), metadata={"added": "0.4.0"})
    """[step] the answer's tokens as labels; empty in probes of older versions."""

    def __post_init__(self) -> None:
        set_fields(
            self,
            masks=frozen_array(self.masks, bool, 2, "masks"),
            logprobs=frozen_array(self.logprobs, np.float32, 2, "logprobs"),
            base=frozen_array(self.base, np.float32, 1, "base"),
            notes=tuple(self.notes),
            answer=tuple(self.answer),
        )
        if self.answer:
            check_shape("answer", (len(self.answer),), self.base.shape)
        check_shape("masks", self.masks.shape[1:], (len(self.units),))
        check_shape("logprobs", self.logprobs.shape, (len(self.masks), len(self.base)))
        if self.mode not in ("mask", "remove"):
            raise ValueError(f"mode must be mask or remove, not {self.mode!r}.")

    @property
    def effect(self) -> np.ndarray:
        """float32 [variant, step] log-probability lost, in nats: above 0 the hidden part made the token likelier.

        From ``knock_out`` a variant is a unit: ``effect[unit, step]``.
        """
        return self.base - self.logprobs

    def __repr__(self) -> str:
        return f"Probe({self.mode}, {len(self.masks)} variants x {len(self.base)} steps, run {self.trace_id[:8]})"

    def _repr_html_(self) -> str:
        """Draws itself in a notebook."""
        from ..charts.notebook_html import probe_html

        return probe_html(self)


@dataclass(frozen=True, eq=False)
class NextTokens:
    """The next-token distributions of several prompts, over the same tokens: the union of each prompt's best."""

    request_ids: tuple[str, ...]
    ids: np.ndarray
    """int64 [token] most probable on average first."""
    texts: tuple[str, ...]
    """[token] as labels: a space can be seen."""
    logprobs: np.ndarray
    """float32 [request, token] natural log-probability right behind the prompt."""
    model: str = ""
    """The model's caption."""

    def __post_init__(self) -> None:
        set_fields(
            self,
            request_ids=tuple(self.request_ids),
            ids=frozen_array(self.ids, np.int64, 1, "ids"),
            texts=tuple(self.texts),
            logprobs=frozen_array(self.logprobs, np.float32, 2, "logprobs"),
        )
        check_shape("texts", (len(self.texts),), self.ids.shape)
        check_shape("logprobs", self.logprobs.shape, (len(self.request_ids), len(self.ids)))
