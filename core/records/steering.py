"""The record of a part of the prompt that is read more or less than the model would: what a run was steered by.

Two modes. With a ``factor`` a, ln a is added to the attention logits of the part's keys before the softmax: the odds of
reading the part are multiplied by exactly a, at every query, layer and head in question. 0 hides the part. With a
``target``, just as much is added at each query, layer and head that the part gets at least (or at most) that share;
where it already does, nothing is touched.

The constant factor is InstABoost (arXiv 2506.13734), the target Spotlight (2505.12025). PASTA (2311.02262) multiplies
the weights of all that is *not* the part by alpha, on chosen heads, and scales to one: the same as the factor 1 / alpha
on these heads, see ``pasta``. Selective Prompt Anchoring (2408.09121) does not touch attention: it adds, to the logits
of the next token, a multiple of their difference to those with the part hidden, see ``core.probe.anchored``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..checks import check_choice, check_number, check_text, check_whole
from ..errors import PromptError
from .arrays import set_fields

LARGEST_FACTOR = 64.0
LADDER = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""The factors that pages offer first."""
LONGEST_NAME = 40
"""Characters of a part's name on figures."""
READERS = ("all", "answer")
BOUNDS = ("least", "most")


@dataclass(frozen=True)
class Steering:
    """A part of the prompt and how much more (or less) of it is read. Raises PromptError for what makes no sense."""

    spans: tuple[tuple[int, int, int], ...]
    """(message, start, end): the part, in characters of the request's messages (message 0 in raw text)."""
    factor: float = 1.0
    """The odds of reading the part are multiplied by this, 0 to 64; 1 changes nothing, 0 hides it."""
    target: float | None = None
    """Share that the part gets, above 0 and below 1; None: the factor applies."""
    bound: Literal["least", "most"] = "least"
    """Whether ``target`` is the least or the most that the part gets."""
    layers: tuple[int, ...] = ()
    """Layers in which it applies, counted from 0; () all."""
    heads: tuple[int, ...] = ()
    """Heads of those layers, counted from 0; () all."""
    readers: Literal["all", "answer"] = "all"
    """Who reads the part otherwise: every later token, or only the rows that write the answer."""
    name: str = ""
    """What the part is called, for people; not part of a run's id."""

    def __post_init__(self) -> None:
        factor = check_number("The factor", self.factor, f"lie between 0 (hidden) and {LARGEST_FACTOR:g}")
        if not 0 <= factor <= LARGEST_FACTOR:
            raise PromptError(f"The factor must lie between 0 (hidden) and {LARGEST_FACTOR:g}, not {factor:g}.")
        if self.target is not None:
            share = check_number("The target share", self.target, "lie above 0 and below 1")
            if not 0 < share < 1:
                raise PromptError(f"The target share must lie above 0 and below 1, not {share:g}.")
            if factor != 1:
                raise PromptError("A part is steered by a factor or to a target share: give only one of them.")
            set_fields(self, target=share)
        set_fields(
            self,
            spans=joined_spans(self.spans),
            factor=factor,
            bound=check_choice("The bound of a target", self.bound, BOUNDS) if self.target is not None else "least",
            layers=_indices("A layer to steer", self.layers),
            heads=_indices("A head to steer", self.heads),
            readers=check_choice("Who reads (readers)", self.readers, READERS),
            name=check_text("The part's name", self.name),
        )

    @property
    def changes(self) -> bool:
        """False for the factor 1, which is the plain run."""
        return self.target is not None or self.factor != 1

    @property
    def label(self) -> str:
        """For figures and captions: ``instruction × 4``, ``instruction hidden``, ``instruction ≥ 30 %, layer 3``."""
        if self.target is not None:
            how = f"{'≥' if self.bound == 'least' else '≤'} {100 * self.target:.3g} %"
        else:
            how = "hidden" if self.factor == 0 else f"× {factor_text(self.factor)}"
        where = [_listed("layer", self.layers), _listed("head", self.heads)]
        where += ["in the answer's rows"] if self.readers == "answer" else []
        words = " ".join(self.name.split())
        words = words if len(words) <= LONGEST_NAME else f"{words[: LONGEST_NAME - 1]}…"
        return ", ".join([f"{words or 'a part of the prompt'} {how}", *filter(None, where)])


def factor_text(factor: float) -> str:
    """Returns a factor for display: ``4``, ``1/4`` for 0.25, ``0.3``."""
    over = 1 / factor if 0 < factor < 1 else 0.0
    return f"1/{over:.0f}" if over and abs(over - round(over)) < 1e-6 * over else f"{factor:.3g}"


def steering_label(several: Sequence[Steering]) -> str:
    """Returns what a run was steered by in words; "" for a plain run."""
    return "; ".join(one.label for one in several)


def pasta(
    spans: Sequence[tuple[int, int, int]], heads: Mapping[int, Sequence[int]], alpha: float = 0.01, name: str = ""
) -> tuple[Steering, ...]:
    """Returns the steering of PASTA (arXiv 2311.02262): all but the part is read ``alpha`` times, on chosen heads.

    ``heads``: {layer: its heads}. PASTA scales weights after the softmax, which is the factor 1 / alpha before it.
    Raises PromptError for an alpha whose factor is out of range.
    """
    least = 1 / LARGEST_FACTOR
    if not least <= alpha <= 1:
        raise PromptError(f"alpha must lie between {least:.3g} and 1, not {alpha:g}.")
    return tuple(
        Steering(tuple(spans), 1 / alpha, layers=(layer,), heads=tuple(some), name=name)
        for layer, some in heads.items()
    )


def joined_spans(spans: Sequence[tuple[int, int, int]]) -> tuple[tuple[int, int, int], ...]:
    """Returns the spans in order, those that touch or overlap as one. Raises PromptError where there is none."""
    found: list[tuple[int, int, int]] = []
    for one in sorted(tuple(int(i) for i in span) for span in spans):
        if len(one) != 3 or one[0] < 0 or not 0 <= one[1] < one[2]:
            raise PromptError(f"A part to steer is (message, start, end) with start before end, not {one}.")
        message, start, end = one
        if found and found[-1][0] == message and start <= found[-1][2]:
            start, end = found[-1][1], max(end, found[-1][2])
            found.pop()
        found.append((message, start, end))
    if not found:
        raise PromptError("No part of the prompt is given to steer: name a segment, or mark some words.")
    return tuple(found)


def _indices(what: str, values: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted({check_whole(what, value, 0, 100_000) for value in values}))


def _listed(what: str, values: Sequence[int]) -> str:
    if not values:
        return ""
    first, last = values[0], values[-1]
    run = len(values) > 2 and values == tuple(range(first, last + 1))
    return f"{what}{'s' * (len(values) > 1)} " + (f"{first} to {last}" if run else ", ".join(map(str, values)))


def log_factor(factor: float) -> float:
    """Returns ln of a factor, what is added to attention logits; minus infinity for 0."""
    return math.log(factor) if factor > 0 else -math.inf
