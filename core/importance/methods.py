"""The methods that give importance per step and key: ``METHODS``, one entry per method.

Every page, every study and the shell take them from here. A method declares what it *needs* and what it *gives* and is
one pure function ``(MethodInput) -> float32 [step, key]`` (attention_methods.py, record_methods.py). It does not deal
with sinks, units or charts: ``explain`` does. To add one: a function, a line in ``METHODS``, a row in the golden table
of tests/core/test_importance.py; docs/extending.md has a complete example.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import numpy as np

from ..checks import as_list, short_repr
from ..errors import MethodError
from ..records import MAX, MEAN, WRITTEN, Rows, Trace
from .attention_methods import excess, learned_heads, mean_attention, strongest_head, value_weighted, written_lengths
from .method_input import MethodInput
from .record_methods import attributed, leave_one_out, surrogate

Heads = Sequence[int] | Sequence[tuple[int, int]]

NEEDS = {
    "rows": "the attention rows of the run",
    "values": "how much each head writes for a token",
    "weights": "weights of heads learned for this model",
    "probe": "every word of this run hidden alone",
    "masks": "parts of this run hidden at random",
    "input-x-gradient": "a backward pass",
    "attention-x-gradient": "a backward pass",
    "integrated-gradients": "a backward pass at each of 16 points",
    "rollout": "a pass that reads the attention of every token",
}
"""What a method may need, in words. Rows and values lie in the Trace; the rest comes as ``explain(..., given=...)``:
HeadWeights, a Probe of each unit alone, a Probe of random masks, Attributions."""
NEED_COSTS = {
    "probe": "one pass for each part",
    "masks": "32 passes",
    "input-x-gradient": "one backward pass",
    "attention-x-gradient": "one backward pass",
    "integrated-gradients": "16 backward passes",
    "rollout": "one pass",
}
"""What a need costs beyond the run, in words; all others nothing."""
IN_RUN = ("rows", "values")
"""Needs that a run itself holds."""
IN_STUDY = (*IN_RUN, "weights")
"""Needs that a study has of every run: weights of heads belong to the model."""


@dataclass(frozen=True)
class Method:
    """One method: its function and what people and programs must know to use it."""

    label: str
    function: Callable[[MethodInput], np.ndarray]
    gives: Literal["share", "score", "nats"]
    """``share``: linear, each step's row sums to 1 over all keys (less what a learned sink took). ``score``: not
    linear, at least 0. ``nats``: log-probability; above 0 the key made the step's token likelier."""
    about: str
    """One sentence of description."""
    needs: tuple[str, ...] = ("rows",)
    """Keys of NEEDS."""
    reduction: int | None = None
    """The stored reduction over a layer's heads (MEAN, MAX or WRITTEN) from which the very same numbers come; None:
    there is none, and a run that keeps only reductions is refused."""
    layers: Literal["any", "last"] = "any"
    """``last``: only the last layer that has attention; no layers can be picked."""
    picks: bool = False
    """Whether layers and heads must be picked."""
    noun: str = "attention"
    """What a share is a share of, in sentences."""
    in_studies: bool = False
    """Whether studies use it unless the plan names other methods."""

    def __post_init__(self) -> None:
        unknown = [need for need in self.needs if need not in NEEDS]
        if unknown:
            raise MethodError(f"{self.label} needs {short_repr(unknown[0])}: a method needs {', '.join(NEEDS)}.")
        if self.picks and "rows" not in self.needs:
            raise MethodError(f"{self.label} picks layers and heads, so it needs rows: name them in needs.")

    @property
    def linear(self) -> bool:
        """Whether values are shares, which add up: over tokens to words, over all keys to one."""
        return self.gives == "share"

    @property
    def cost(self) -> str:
        """What it costs beyond the run, in words; "" for nothing."""
        return ", ".join(NEED_COSTS[need] for need in self.needs if need in NEED_COSTS)

    @property
    def from_run(self) -> bool:
        """Whether a stored run is enough: nothing else has to be computed or supplied."""
        return set(self.needs) <= set(IN_RUN)


METHODS: dict[str, Method] = {
    "mean-attention": Method(
        "Mean of all heads",
        mean_attention,
        "share",
        "The average over every head of every layer.",
        reduction=MEAN,
        in_studies=True,
    ),
    "value-weighted": Method(
        "Value-weighted",
        value_weighted,
        "share",
        "The average over every head, each weight times the length of what the head writes for that token.",
        needs=("rows", "values"),
        reduction=WRITTEN,
        noun="value-weighted attention",
    ),
    "excess": Method(
        "Above the usual",
        excess,
        "score",
        "What each head reads more than at its median step of this answer: what is special about a word, as a score.",
    ),
    "last-layer": Method(
        "Last layer",
        mean_attention,
        "share",
        "The average over the heads of the last layer that has attention.",
        reduction=MEAN,
        layers="last",
        in_studies=True,
    ),
    "max-heads": Method(
        "Strongest head",
        strongest_head,
        "score",
        "For each token the largest weight that any head gives it: a score.",
        reduction=MAX,
    ),
    "value-written": Method(
        "Value-weighted, not scaled",
        written_lengths,
        "score",
        "Each weight times the length of what the head writes, before each step is scaled to one: a score.",
        needs=("rows", "values"),
    ),
    "learned-heads": Method(
        "Learned heads",
        learned_heads,
        "share",
        "Attention of the heads that predict, on other prompts, what answers lose when sentences are hidden.",
        needs=("rows", "values", "weights"),
        noun="attention in learned heads",
    ),
    "leave-one-out": Method(
        "Leaving out",
        leave_one_out,
        "nats",
        "What the answer loses without each word alone (What if hides them).",
        needs=("probe",),
    ),
    "surrogate": Method(
        "Linear surrogate",
        surrogate,
        "nats",
        "A sparse linear model of what the answer loses when sentences are hidden at random (after ContextCite).",
        needs=("masks",),
    ),
    "input-x-gradient": Method(
        "Input × gradient",
        attributed("input-x-gradient"),
        "nats",
        "How the answer's log-probability changes with each word's embedding, to first order, for the whole answer.",
        needs=("input-x-gradient",),
    ),
    "attention-x-gradient": Method(
        "Attention × gradient",
        attributed("attention-x-gradient"),
        "nats",
        "Each weight of attention times the slope of the answer's log-probability by it, for the whole answer.",
        needs=("attention-x-gradient",),
    ),
    "integrated-gradients": Method(
        "Integrated gradients",
        attributed("integrated-gradients"),
        "nats",
        "Slopes collected on the way from your words at zero to your words as they are, for the whole answer.",
        needs=("integrated-gradients",),
    ),
    "rollout": Method(
        "Rollout",
        attributed("rollout"),
        "share",
        "Mean attention followed back through all layers; it takes every head to write as much as it reads.",
        needs=("rollout",),
        noun="rolled-out attention",
    ),
    "picked-heads": Method(
        "Picked heads",
        mean_attention,
        "share",
        "The average over the layers and heads that you pick.",
        reduction=MEAN,
        picks=True,
    ),
}
DEFAULT_METHOD = next(iter(METHODS))
"""Used where no method is named."""
PICKED_METHOD = next(name for name, method in METHODS.items() if method.picks)
"""The method for looking at single layers and heads."""


def get_method(name: str) -> Method:
    """Returns the method called ``name``. Raises MethodError, which lists the known ones."""
    if not isinstance(name, str) or name not in METHODS:
        raise MethodError(f"There is no method {name!r}: the methods are {', '.join(METHODS)}.")
    return METHODS[name]


def share_noun(name: str) -> str:
    """Returns what the shares of a method are shares of, such as "attention"; also for a method not known here."""
    return METHODS[name].noun if name in METHODS else "attention"


def keeps_heads(trace: Trace) -> bool:
    """Returns whether the run keeps the rows of every single head, so that any can be picked."""
    rows = trace.rows
    if rows is None or (rows.heads < 0).any():
        return False
    there = (~np.isnan(trace.mass[:, :, :1]).all(axis=(2, 3))).sum() if trace.mass.size else 0
    return len(rows.heads) >= int(there)


def method_problem(trace: Trace, name: str, have: Collection[str] = ()) -> str:
    """Returns why a method cannot read ``trace``, as a sentence; "" where it can. ``have``: needs that are brought."""
    method = get_method(name)
    missing = [need for need in method.needs if need not in IN_RUN and need not in have]
    if missing:
        what = NEEDS.get(missing[0], missing[0])
        return f"{method.label} needs {what}: make it first, or choose another method."
    if "rows" not in method.needs:
        return ""
    if trace.model.attention == "none":
        return f"{trace.model.label} has no attention, so there is no share of it to show."
    if trace.rows is None and trace.request.keep == "none":
        return "This run was asked to keep no attention rows: run it again with every head kept to read them."
    if trace.rows is None:
        return "The attention rows of this run are not stored any more: run it again to compute them."
    if trace.rows.packed.shape[0] == 0:
        return "No attention was captured in this run: try another model."
    kept = trace.rows.heads
    if not keeps_heads(trace) and method.reduction not in kept and not (method.picks and (kept >= 0).any()):
        return (
            f"{method.label} needs every head, and this run keeps only each layer's mean and maximum: run it again "
            "with every head kept, or choose another method."
        )
    return _norms_problem(trace, method) if "values" in method.needs else ""


def _norms_problem(trace: Trace, method: Method) -> str:
    assert trace.rows is not None
    if method.reduction == WRITTEN and (trace.rows.heads == WRITTEN).any():
        return ""
    if trace.norms is None and trace.model.attention == "dispatch":
        return f"This run was made before Heed kept how much each head writes: run it again to use {method.label}."
    if trace.norms is None or not trace.norms.shape[2]:
        return (
            f"How much each head of {trace.model.label} writes is not known (it runs on the slow path, or something "
            "stands between its heads and what they write): choose another method."
        )
    return ""


def offered_methods(trace: Trace | None = None, have: Collection[str] = ()) -> tuple[str, ...]:
    """Returns the names of the methods that can read ``trace``, in the order of METHODS.

    ``have``: needs whose records are there beside it. Without a trace, the methods for which any run with every head
    is enough.
    """
    if trace is None:
        return tuple(name for name, method in METHODS.items() if method.from_run)
    return tuple(name for name in METHODS if not method_problem(trace, name, have))


def study_methods() -> tuple[str, ...]:
    """Returns the names of the methods available to studies: all whose needs are IN_STUDY and that pick no heads."""
    return tuple(name for name, method in METHODS.items() if set(method.needs) <= set(IN_STUDY) and not method.picks)


def default_study_methods() -> tuple[str, ...]:
    """Returns the names of the methods that studies use unless the plan names others."""
    return tuple(name for name in study_methods() if METHODS[name].in_studies)


def pick_maps(trace: Trace, name: str, layers: Sequence[int] | None, heads: Heads | None) -> np.ndarray:
    """Returns int [maps]: indices in ``trace.rows`` for a method's layers and heads; empty where it needs no rows.

    ``layers``: layer indices; ``heads``: head indices (of each picked layer) or (layer, head) pairs.
    Raises MethodError for what the model does not have or the trace did not keep.
    """
    method = get_method(name)
    layers, heads = _listed("layers", layers), _listed("heads", heads)
    if method.picks and layers is None and heads is None:
        raise MethodError(f"{name} needs layers, heads or both, such as layers 3 and 7 or head 1 of layer 3.")
    if "rows" not in method.needs:
        if layers is not None or heads is not None:
            raise MethodError(f"{name} reads no layers or heads: call it without layers and heads.")
        return np.zeros(0, int)
    problem = method_problem(trace, name, method.needs)
    if problem or trace.rows is None:
        raise MethodError(problem)
    rows, reduced = trace.rows, not keeps_heads(trace)
    if method.layers == "last":
        if layers is not None:
            raise MethodError(f"{name} reads the last layer only: use {PICKED_METHOD} to choose layers.")
        layers = [int(rows.layers.max())]
    known = _known("layer", layers, rows.layers)
    if reduced and heads is not None:
        _check_kept(trace, known, heads)
    wanted = np.isin(rows.layers, known) & _head_mask(rows, heads)
    if reduced and heads is None:
        wanted &= rows.heads == method.reduction
    if not wanted.any():
        raise MethodError("None of the model's heads match the picked layers and heads: pick at least one that exists.")
    return np.flatnonzero(wanted)


def method_weights(
    trace: Trace,
    name: str,
    layers: Sequence[int] | None = None,
    heads: Heads | None = None,
    given: Mapping[str, Any] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (float32 [step, key], int [maps]): a method's values before sinks and units, and the maps that it read.

    Raises MethodError as ``pick_maps`` and where something that the method needs was not ``given``.
    """
    method, brought = get_method(name), dict(given or {})
    problem = method_problem(trace, name, brought)
    if problem:
        raise MethodError(problem)
    maps = pick_maps(trace, name, layers, heads)
    weights = np.asarray(method.function(MethodInput(trace, maps, brought)), np.float32)
    expected = (trace.steps, max(len(trace.tokens) - 1, 0))
    if weights.shape != expected:
        raise MethodError(f"{method.label} gave an array of shape {weights.shape}, expected {expected} [step, key].")
    if not np.isfinite(weights).all():
        raise MethodError(f"{method.label} gave values that are no finite numbers: give 0 where there is nothing.")
    return weights, maps


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
    """Returns picked layers or heads as a list of integers and pairs, also from arrays. Raises MethodError."""
    plain = as_list(asked)
    if plain is None:
        return None
    if isinstance(plain, (str, bytes)) or not isinstance(plain, Iterable):
        raise MethodError(f"{what} must be a list such as [0, 2], not {short_repr(asked)}.")
    return list(plain)


def _check_kept(trace: Trace, layers: Iterable[int], heads: Heads) -> None:
    """Raises MethodError where a run that keeps reductions was not read again for one of the picked heads."""
    assert trace.rows is not None
    pairs = any(isinstance(head, (tuple, list)) for head in heads)
    asked = {tuple(h) for h in heads} if pairs else {(layer, h) for layer in layers for h in heads}  # type: ignore[arg-type]
    have = {(a, b) for a, b in zip(trace.rows.layers.tolist(), trace.rows.heads.tolist(), strict=True) if b >= 0}
    missing = sorted(asked - have)
    if missing:
        raise MethodError(
            f"This run keeps only each layer's mean and maximum, and not head {missing[0][-1]} of layer "
            f"{missing[0][0]}: read it again first (core.probe.read_heads, or Layers and heads on Explore)."
        )


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
