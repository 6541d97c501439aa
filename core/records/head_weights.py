"""The record of learned weights of heads: how much of what an answer needs shows in the attention of each head."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from .arrays import check_shape, frozen_array, set_fields


@dataclass(frozen=True, eq=False)
class HeadWeights:
    """One weight a head, at least 0 and together 1, for one model."""

    fingerprint: str
    """Of the model's weights."""
    layers: np.ndarray
    """int32 [head]"""
    heads: np.ndarray
    """int32 [head]"""
    weights: np.ndarray
    """float64 [head]"""
    reads: Literal["attention", "written"]
    """What is weighted: shares of attention, or each times the length of what the head writes."""
    model: str = ""
    """The model's caption."""
    prompts: int = 0
    """Number of prompts that they were fitted to."""
    operator: str = "mask"
    """How parts of these prompts were hidden."""
    scores: Mapping[str, Any] = field(default_factory=dict)
    """{name: number} of how well they do on prompts that they were not fitted to."""
    created: str = ""

    def __post_init__(self) -> None:
        set_fields(
            self,
            layers=frozen_array(self.layers, np.int32, 1, "layers"),
            heads=frozen_array(self.heads, np.int32, 1, "heads"),
            weights=frozen_array(self.weights, np.float64, 1, "weights"),
        )
        check_shape("heads", self.heads.shape, self.layers.shape)
        check_shape("weights", self.weights.shape, self.layers.shape)
        if self.reads not in ("attention", "written"):
            raise ValueError(f"reads must be attention or written, not {self.reads!r}.")
        if not np.isfinite(self.weights).all() or (self.weights < 0).any() or abs(self.weights.sum() - 1) > 1e-6:
            raise ValueError("The weights of heads must be at least 0 and add up to 1.")

    @property
    def id(self) -> str:
        """Hash (12 hex digits) of what decides their result: model, heads, weights to six digits, what they weigh."""
        used = np.flatnonzero(self.weights)
        each = [f"{self.layers[i]}.{self.heads[i]}={self.weights[i]:.6g}" for i in used]
        return hashlib.sha256(" ".join([self.fingerprint, self.reads, *each]).encode()).hexdigest()[:12]

    def of(self, layers: np.ndarray, heads: np.ndarray) -> np.ndarray:
        """Returns float32 [map]: the weight of each (layer, head); 0 where none was learned."""
        known = {(a, b): w for a, b, w in zip(self.layers.tolist(), self.heads.tolist(), self.weights, strict=True)}
        return np.array(
            [known.get(pair, 0.0) for pair in zip(layers.tolist(), heads.tolist(), strict=True)], np.float32
        )

    def to_json(self) -> str:
        """Returns the record as JSON; heads of weight 0 are left out."""
        used = np.flatnonzero(self.weights)
        plain = {
            name: getattr(self, name) for name in ("fingerprint", "reads", "model", "prompts", "operator", "created")
        }
        plain["scores"] = dict(self.scores)
        plain["heads"] = [[int(self.layers[i]), int(self.heads[i]), float(f"{self.weights[i]:.9g}")] for i in used]
        return json.dumps(plain, indent=1)

    @classmethod
    def from_json(cls, text: str) -> HeadWeights:
        """Reads what ``to_json`` wrote. Raises ValueError for anything else."""
        try:
            plain = json.loads(text)
            layers, heads, weights = np.array(plain.pop("heads"), float).reshape(-1, 3).T
            return cls(layers=layers.astype(int), heads=heads.astype(int), weights=weights / weights.sum(), **plain)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"These are no weights of heads ({error}).") from error

    def __repr__(self) -> str:
        return f"HeadWeights({int((self.weights > 0).sum())} of {len(self.weights)} heads, {self.prompts} prompts)"
