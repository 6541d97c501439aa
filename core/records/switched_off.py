"""The record of parts of a model switched off: how likely the same answer was without each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .arrays import check_shape, frozen_array, set_fields
from .request import ModelRef

PART_KINDS = ("head", "attention", "mlp", "unit")
SWITCHED_HOW = "zeroed"


@dataclass(frozen=True)
class Part:
    """A part of a model: a head, the whole attention or MLP of a layer, or a single unit of its MLP."""

    kind: Literal["head", "attention", "mlp", "unit"]
    layer: int
    """Counted from 0."""
    index: int = 0
    """Of the head or the unit; 0 for a whole attention or MLP."""

    def __post_init__(self) -> None:
        if self.kind not in PART_KINDS:
            raise ValueError(f"A part is one of {', '.join(PART_KINDS)}, not {self.kind!r}.")
        for name in ("layer", "index"):
            value = getattr(self, name)
            if isinstance(value, bool) or int(value) != value or value < 0:
                raise ValueError(f"The {name} of a part is a whole number from 0 on, not {value!r}.")
            set_fields(self, **{name: int(value)})
        if self.kind in ("attention", "mlp") and self.index:
            raise ValueError(f"A layer has one {self.kind}: its index is 0, not {self.index}.")

    @property
    def label(self) -> str:
        """In words: ``layer 3, head 1``, ``layer 3, MLP``."""
        names = {"head": f"head {self.index}", "attention": "attention", "mlp": "MLP", "unit": f"MLP unit {self.index}"}
        return f"layer {self.layer}, {names[self.kind]}"


@dataclass(frozen=True, eq=False)
class SwitchedOff:
    """One answer, scored once without each of several parts of the model that wrote it.

    A zeroed part adds nothing at any token of prompt and answer. That is a state that training never saw, so an effect
    says what this answer lost without the part here, not what the part is for; parts that stand in for each other have
    small effects, each alone.
    """

    trace_id: str
    parts: tuple[Part, ...]
    """[part]"""
    effect: np.ndarray
    """float32 [part, step] log-probability with everything less that without the part, in nats: above 0 it made the
    token likelier. NaN where a layer has fewer heads."""
    base: np.ndarray
    """float32 [step] natural log-probability of each output token with everything."""
    how: Literal["zeroed"] = "zeroed"
    """What becomes of a part: a head's vector before the output projection, what a block adds, or a unit is set to 0.
    """
    model: str = ""
    """The model's caption."""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    answer: tuple[str, ...] = field(default=())
    """[step] the answer's tokens as labels."""

    def __post_init__(self) -> None:
        set_fields(
            self,
            parts=tuple(self.parts),
            effect=frozen_array(self.effect, np.float32, 2, "effect"),
            base=frozen_array(self.base, np.float32, 1, "base"),
            notes=tuple(self.notes),
            answer=tuple(self.answer),
        )
        check_shape("effect", self.effect.shape, (len(self.parts), len(self.base)))
        if self.answer:
            check_shape("answer", (len(self.answer),), self.base.shape)
        if self.how != SWITCHED_HOW:
            raise ValueError(f"how must be {SWITCHED_HOW}, not {self.how!r}.")

    def total(self, steps: Sequence[int] | np.ndarray | slice = slice(None)) -> np.ndarray:
        """Returns float32 [part]: nats that these steps of the answer (all of them) lose without each part."""
        return self.effect[:, steps].sum(1)

    def by_head(self, steps: Sequence[int] | np.ndarray | slice = slice(None)) -> np.ndarray:
        """Returns float32 [layer, head] of ``total`` for the picture of layers x heads; NaN where no head is switched.

        As many layers and heads as the parts name.
        """
        heads = [(i, part) for i, part in enumerate(self.parts) if part.kind == "head"]
        shape = (max((p.layer for _, p in heads), default=-1) + 1, max((p.index for _, p in heads), default=-1) + 1)
        out, total = np.full(shape, np.nan, np.float32), self.total(steps)
        for i, part in heads:
            out[part.layer, part.index] = total[i]
        return out


def all_heads(ref: ModelRef) -> tuple[Part, ...]:
    """Returns every head of every layer that has attention, for the picture of layers x heads."""
    return tuple(Part("head", layer, head) for layer in ref.attention_layers for head in range(ref.heads))


def all_blocks(ref: ModelRef) -> tuple[Part, ...]:
    """Returns the attention of every layer that has one, and the MLP of every layer."""
    attention = tuple(Part("attention", layer) for layer in ref.attention_layers)
    return attention + tuple(Part("mlp", layer) for layer in range(ref.layers))
