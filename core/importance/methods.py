"""``METHODS``: from the attention rows of a run to one weight per step and key.

A method is one pure function ``(rows, maps) -> float32 [step, key]``: ``maps`` are the positions in
``rows.packed`` that the caller's layers and heads picked. It never looks at sinks, units or charts. To add one:
a function here, a line in ``METHODS``, a row in the golden table of tests/core/test_importance.py.

Averaging heads is the common baseline (Abnar & Zuidema 2020 call it raw attention); the last layer and the
maximum over heads are the two other reductions that published tools draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import numpy as np

from ..checks import as_list, short_repr
from ..errors import MethodError
from ..records import MAX, MEAN, Rows, Trace

CHUNK = 16
"""Maps decoded together: keeps memory at a few MB whatever the model."""

Heads = Sequence[int] | Sequence[tuple[int, int]]


def mean_maps(rows: Rows, maps: np.ndarray) -> np.ndarray:
    """float32 [step, key]: the plain mean over the picked maps."""
    total = np.zeros(rows.packed.shape[1:], np.float32)
    for first in range(0, len(maps), CHUNK):
        total += rows.weights(maps[first : first + CHUNK]).sum(0)
    return total / np.float32(len(maps))


def max_maps(rows: Rows, maps: np.ndarray) -> np.ndarray:
    """float32 [step, key]: for every key the strongest head; does not sum to 1."""
    best = np.zeros(rows.packed.shape[1:], np.float32)
    for first in range(0, len(maps), CHUNK):
        np.maximum(best, rows.weights(maps[first : first + CHUNK]).max(0), out=best)
    return best


@dataclass(frozen=True)
class Method:
    """A way to read attention rows; ``reduction`` is which stored reduction can stand in for single heads."""

    label: str
    function: Callable[[Rows, np.ndarray], np.ndarray]
    unit: Literal["share", "score"]
    reduction: int
    about: str
    layers: Literal["any", "last"] = "any"
    must_pick: bool = False

    @property
    def linear(self) -> bool:
        """Linear methods give shares that sum to one."""
        return self.unit == "share"


METHODS: dict[str, Method] = {
    "mean-attention": Method(
        "Mean of all heads", mean_maps, "share", MEAN, "The average over every head of every layer."
    ),
    "last-layer": Method(
        "Last layer",
        mean_maps,
        "share",
        MEAN,
        "The average over the heads of the last layer that has attention.",
        "last",
    ),
    "max-heads": Method(
        "Strongest head", max_maps, "score", MAX, "For each token the largest weight that any head gives it: a score."
    ),
    "picked-heads": Method(
        "Picked heads", mean_maps, "share", MEAN, "The average over the layers and heads that you pick.", must_pick=True
    ),
}


def get_method(name: str) -> Method:
    """The method called ``name``; MethodError lists the known ones."""
    if not isinstance(name, str) or name not in METHODS:
        raise MethodError(f"There is no method {name!r}: the methods are {', '.join(METHODS)}.")
    return METHODS[name]


def pick_maps(trace: Trace, name: str, layers: Sequence[int] | None, heads: Heads | None) -> np.ndarray:
    """int [maps] positions in ``trace.rows`` for a method's layers and heads.

    ``layers``: layer indices; ``heads``: head indices (of each picked layer) or (layer, head) pairs.
    Raises MethodError for what the model does not have or the trace did not keep.
    """
    method = get_method(name)
    rows = _rows(trace)
    layers, heads = _listed("layers", layers), _listed("heads", heads)
    if method.must_pick and layers is None and heads is None:
        raise MethodError("picked-heads needs layers=[...], heads=[...] or both, e.g. heads=[(3, 1), (7, 5)].")
    if method.layers == "last":
        if layers is not None:
            raise MethodError("last-layer reads the last layer only: use picked-heads to choose layers.")
        layers = [int(rows.layers.max())]
    reduced = bool((rows.heads < 0).any())
    if reduced and heads is not None:
        raise MethodError("This run keeps only each layer's mean and maximum: run it with keep='all' to pick heads.")
    wanted = np.isin(rows.layers, _known("layer", layers, rows.layers)) & _head_mask(rows, heads)
    if reduced:
        wanted &= rows.heads == method.reduction
    if not wanted.any():
        raise MethodError("None of the model's heads match the picked layers and heads: pick at least one that exists.")
    return np.flatnonzero(wanted)


def _rows(trace: Trace) -> Rows:
    if trace.model.attention == "none":
        raise MethodError(f"{trace.model.label} has no attention, so there is no share of it to show.")
    if trace.rows is None and trace.request.keep == "none":
        raise MethodError("This run was asked to keep no attention rows: run it again with keep='all' to read them.")
    if trace.rows is None:
        raise MethodError("The attention rows of this run are not stored any more: press Run to compute them again.")
    if trace.rows.packed.shape[0] == 0:
        raise MethodError("No attention was captured in this run: try another model.")
    return trace.rows


def _known(what: str, asked: Sequence[int] | None, have: np.ndarray) -> np.ndarray:
    if asked is None:
        return np.unique(have)
    missing = [a for a in asked if not _is_whole(a) or a not in have]
    if missing:
        raise MethodError(f"There is no attention {what} {missing[0]!r}: it has {np.unique(have).tolist()}.")
    return np.asarray(list(asked))


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _listed(what: str, asked: Any) -> list[Any] | None:
    """What was asked for as a list of integers and pairs, arrays taken apart. Raises MethodError."""
    plain = as_list(asked)
    if plain is None:
        return None
    if isinstance(plain, (str, bytes)) or not isinstance(plain, Iterable):
        raise MethodError(f"{what} must be a list such as [0, 2], not {short_repr(asked)}.")
    return list(plain)


def _head_mask(rows: Rows, heads: Heads | None) -> np.ndarray:
    if heads is None:
        return np.ones(len(rows.heads), bool)
    if any(isinstance(h, (tuple, list)) for h in heads):
        if not all(isinstance(h, (tuple, list)) and len(h) == 2 and all(map(_is_whole, h)) for h in heads):
            raise MethodError(f"heads must be all head numbers or all (layer, head) pairs, not {short_repr(heads)}.")
        pairs = {(int(layer), int(head)) for layer, head in heads}  # type: ignore[misc]
        have = set(zip(rows.layers.tolist(), rows.heads.tolist(), strict=True))
        if pairs - have:
            raise MethodError(f"There is no head {sorted(pairs - have)[0]} (layer, head) in this model.")
        return np.array([(a, b) in pairs for a, b in zip(rows.layers.tolist(), rows.heads.tolist(), strict=True)])
    return np.isin(rows.heads, _known("head", heads, rows.heads))  # type: ignore[arg-type]
