"""Finds a model's layers, what attention and MLP of each add to the residual stream, and enters it at any layer.

Families differ in names, in norms behind a block (Gemma 2), in scales (Granite) and in order (GPT-NeoX reads one input
with both). So the parts are found by observation, not by name: in a pass over a few tokens the children of a layer are
looked for whose outputs, each times one number, add up to what the layer adds to its input. Where no children do
(BLOOM adds inside them, OPT 350M applies a norm behind the sum) nothing is known of that layer, and nothing is said.

A model is entered at a layer by letting the layers before it pass on what it is given: what comes after, with the last
norm, the output layer, its scale and soft cap, is then the model's own code (``entering``).

Guarded by tests/core/test_models_layer_parts.py: families against hidden states of transformers, and against hooks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import torch

from ..errors import is_out_of_memory
from .per_model import once_per_model
from .placement import input_width
from .self_check import probe_ids
from .upcasting import HALF_PRECISION, Float32
from .value_norms import PROBE_TOKENS, find_projections

EXACT = 1e-4
"""Relative length of what the children of a layer may leave unexplained of what it adds."""
ROUNDING = 1e-6
"""The same, relative to the stream itself: its float32 is rounded."""
MOST_TERMS = 3
SAME_LOGITS = 1e-3
"""Largest difference, relative to the largest logit, of a model that was entered at a layer."""

_ATTENTION = re.compile(r"atte?n(tion)?", re.IGNORECASE)
_MLP = re.compile(r"mlp|feed_?forward|ffn|ff_|moe|fc2|expert", re.IGNORECASE)


@dataclass(frozen=True)
class Added:
    """A module whose output, times ``factor``, is added to the residual stream."""

    module: torch.nn.Module
    factor: float


@dataclass(frozen=True)
class LayerParts:
    """One layer: what its attention and its MLP add; None where it has none or it is not known."""

    module: torch.nn.Module
    attention: Added | None = None
    mlp: Added | None = None
    others: tuple[Added, ...] = ()
    """What else is added, e.g. by a convolution in place of attention."""
    down: torch.nn.Module | None = None
    """The linear layer that is the MLP's last: its inputs are the MLP's units."""
    entries: int = 0
    """Length of the tuple that the layer returns; 0 where it returns a tensor."""

    @property
    def added(self) -> tuple[Added, ...]:
        """All that is added; empty where it is not known."""
        return tuple(a for a in (self.attention, self.mlp) if a is not None) + self.others


@dataclass(frozen=True)
class ModelParts:
    """The layers of a model in order (empty where they cannot be told), and whether they can be read by a lens."""

    layers: tuple[LayerParts, ...] = ()
    has_lens: bool = False
    """The output layer applied to what the last layer returned gives the model's own logits."""

    @property
    def modules(self) -> tuple[torch.nn.Module, ...]:
        """The layers themselves."""
        return tuple(part.module for part in self.layers)


def model_parts(model: Any) -> ModelParts:
    """Returns the parts of a loaded ``Model``, found once by running six tokens; its lock must be held."""
    return _parts_of(model.hf)


def head_projections(model: Any) -> dict[int, tuple[torch.nn.Module, int]]:
    """Returns {layer_idx: (output projection, heads)} of a loaded ``Model``; {} where it is not known of each layer."""
    if model.ref.attention != "dispatch":
        return {}
    return _projections_of(model.hf)


@once_per_model
def _parts_of(hf: Any) -> ModelParts:
    return find_parts(hf)


@once_per_model
def _projections_of(hf: Any) -> dict[int, tuple[torch.nn.Module, int]]:
    return find_projections(hf)


def find_parts(hf: Any) -> ModelParts:
    """Returns the parts of a transformers model; none where it cannot be run or its layers cannot be told."""
    modules = _layers(hf)
    if not modules:
        return ModelParts()
    try:
        if hf.dtype in HALF_PRECISION:
            with Float32():
                seen, logits = _observed(hf, modules)
                layers = tuple(_layer_parts(one) for one in seen)
        else:
            seen, logits = _observed(hf, modules)
            layers = tuple(_layer_parts(one) for one in seen)
        return ModelParts(layers, _has_lens(hf, layers, seen[-1].after, logits))
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError) as error:
        if is_out_of_memory(error):
            raise
        return ModelParts()


def enterable(model: Any) -> bool:
    """Returns whether a loaded ``Model`` entered at any layer gives its own logits, tried once; needs its lock."""
    return _enters_everywhere(model.hf)


def first_tensor(value: Any) -> torch.Tensor | None:
    """Returns a tensor, or the first of a tuple that a module returned or was given; else None."""
    if isinstance(value, (tuple, list)):
        value = value[0] if value else None
    return value if torch.is_tensor(value) else None


@contextmanager
def entering(layers: Sequence[LayerParts], at: int, hidden: torch.Tensor) -> Iterator[None]:
    """Gives ``hidden`` [B, Q, d] to layer ``at`` (len(layers): to the last norm), in place of what comes from before.

    The layers before it are not run. A pass inside the block must be given B x Q token ids, whatever they are.
    """
    before = layers[:at]
    kept = [part.module.__dict__.get("forward") for part in before]

    def passes(part: LayerParts, first: bool) -> Any:
        def forward(*args: Any, **kwargs: Any) -> Any:
            out = hidden if first else _given(args, kwargs)
            return (out, *(None,) * (part.entries - 1)) if part.entries else out

        return forward

    for i, part in enumerate(before):
        part.module.forward = passes(part, i == 0)
    try:
        yield
    finally:
        for part, own in zip(before, kept, strict=True):
            del part.module.forward
            if own is not None:
                part.module.forward = own


def logits_of(hf: Any, layers: Sequence[LayerParts], hidden: torch.Tensor) -> torch.Tensor:
    """Returns the logits [R, V] that the model's last norm and output layer give for ``hidden`` [R, d]."""
    ids = torch.zeros((len(hidden), 1), dtype=torch.long, device=hf.device)
    with torch.no_grad(), entering(layers, len(layers), hidden[:, None]):
        return hf(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits[:, -1]


def _given(args: Any, kwargs: Any) -> torch.Tensor:
    """Returns the hidden states that a layer was called with."""
    found = first_tensor(args) if args else kwargs.get("hidden_states")
    if found is None:
        raise TypeError("A layer was called without hidden states.")
    return found


def _layers(hf: Any) -> list[torch.nn.Module]:
    """Returns the modules of the first list of modules that has as many as the configuration says there are layers."""
    count = getattr(hf.config.get_text_config(), "num_hidden_layers", None)
    lists = (m for m in hf.modules() if isinstance(m, torch.nn.ModuleList))
    return next((list(m) for m in lists if len(m) == count), [])


@dataclass
class _Seen:
    """What one layer and its children were given and returned."""

    module: torch.nn.Module
    before: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    after: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    entries: int = 0
    size: int = 0
    """Numbers in the stream that it is given."""
    children: dict[str, tuple[torch.nn.Module, torch.Tensor | None, torch.Tensor]] = field(default_factory=dict)
    """{name: (module, what it was given, what it returned)} in the order of their last calls."""
    linear: list[tuple[torch.nn.Module, torch.Tensor]] = field(default_factory=list)


def _observed(hf: Any, modules: Sequence[torch.nn.Module]) -> tuple[list[_Seen], torch.Tensor]:
    """Runs a few tokens and returns what each layer did, and the logits [1, PROBE_TOKENS, V]."""
    seen = [_Seen(module) for module in modules]
    hooks = [hook for one in seen for hook in _hooks(one)]
    ids = probe_ids(hf, PROBE_TOKENS)
    try:
        with torch.no_grad():
            logits = hf(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
    finally:
        for hook in hooks:
            hook.remove()
    if any(one.before.ndim != 3 or one.before.shape != one.after.shape for one in seen):
        raise ValueError("these layers do not hand on one stream")
    return seen, logits


def _hooks(one: _Seen) -> list[Any]:
    def layer(module: Any, args: Any, kwargs: Any, out: Any) -> None:
        one.before, one.entries = _given(args, kwargs), len(out) if isinstance(out, (tuple, list)) else 0
        found = first_tensor(out)
        one.after = one.after if found is None else found

    def child(name: str) -> Any:
        def look(module: Any, args: Any, kwargs: Any, out: Any) -> None:
            found = first_tensor(out)
            if found is not None and found.numel() == one.size:
                given = first_tensor(args) if args else kwargs.get("hidden_states")
                one.children.pop(name, None)
                one.children[name] = module, given, found

        return look

    def linear(module: Any, args: Any, out: Any) -> None:
        one.linear.append((module, out))

    def size(module: Any, args: Any, kwargs: Any) -> None:
        one.size = _given(args, kwargs).numel()

    hooks = [
        one.module.register_forward_pre_hook(size, with_kwargs=True),
        one.module.register_forward_hook(layer, with_kwargs=True),
    ]
    hooks += [m.register_forward_hook(child(name), with_kwargs=True) for name, m in one.module.named_children()]
    return hooks + [m.register_forward_hook(linear) for m in one.module.modules() if input_width(m) is not None]


def _layer_parts(one: _Seen) -> LayerParts:
    """Returns what a layer's children add; without parts where they do not add up to what the layer adds."""
    terms = _terms(one)
    if not terms:
        return LayerParts(one.module, entries=one.entries)
    from_attention = _from_attention(one)
    attention = [name for name in terms if name in from_attention]
    rest = [name for name in terms if name not in from_attention]
    named = [name for name in rest if _is_mlp(one, name)]
    mlp = rest if attention and len(rest) == 1 else named
    both = [*attention[:1], *mlp[:1]] if max(len(attention), len(mlp)) < 2 else []

    def added(name: str) -> Added:
        return Added(one.children[name][0], terms[name])

    return LayerParts(
        one.module,
        attention=added(attention[0]) if attention and both else None,
        mlp=added(mlp[0]) if mlp and both else None,
        others=tuple(added(name) for name in terms if name not in both),
        down=_down(one, mlp[0]) if mlp and both else None,
        entries=one.entries,
    )


def _terms(one: _Seen) -> dict[str, float]:
    """Returns {child: factor} of the fewest children whose outputs add up to what the layer adds; {} where none do.

    An MLP that wrote nothing (weights of 0) counts as added once.
    """
    target = (one.after - one.before.to(one.after.device)).double().flatten()
    columns = {name: out.double().flatten() for name, (_, _, out) in one.children.items()}
    allowed = EXACT * target.norm() + ROUNDING * one.after.double().norm()
    for count in range(1, MOST_TERMS + 1):
        for names in combinations(columns, count):
            matrix = torch.stack([columns[name] for name in names], 1)
            gram = matrix.T @ matrix
            if bool((gram.diagonal() == 0).any()) or torch.linalg.matrix_rank(gram) < count:
                continue
            factors = torch.linalg.solve(gram, matrix.T @ target)
            if (factors > 0).all() and (matrix @ factors - target).norm() <= allowed:
                near = [1.0 if abs(f - 1) < EXACT else f for f in factors.tolist()]
                silent = [name for name, out in columns.items() if not bool(out.any()) and _is_mlp(one, name)]
                return dict(zip(names, near, strict=True)) | dict.fromkeys(silent, 1.0)
    return {}


def _is_mlp(one: _Seen, name: str) -> bool:
    return bool(_MLP.search(name) or _MLP.search(type(one.children[name][0]).__name__))


def _from_attention(one: _Seen) -> set[str]:
    """Returns the names of the children that are attention, or a norm or dropout right behind it."""
    found = {name for name, (module, _, _) in one.children.items() if _ATTENTION.search(type(module).__name__)}
    found = {name for name in found if any(True for _ in one.children[name][0].children())}  # no norm of that name
    for name, (module, given, _) in one.children.items():
        behind = any(_equal(given, one.children[known][2]) for known in tuple(found) if known != name)
        if behind and not any(input_width(m) is not None for m in module.modules()):
            found.add(name)
    return found


def _down(one: _Seen, mlp: str) -> torch.nn.Module | None:
    """Returns the linear layer whose output is what the MLP returns (or what the norm behind it is given)."""
    _, given, out = one.children[mlp]
    same = [m for m, found in one.linear if _equal(found, out)] or [
        m for m, found in one.linear if _equal(found, given)
    ]
    return same[-1] if same else None


def _equal(first: torch.Tensor | None, second: torch.Tensor | None) -> bool:
    if first is None or second is None or first.numel() != second.numel():
        return False
    return torch.equal(first.reshape(-1), second.reshape(-1).to(first.device))


def _near(found: torch.Tensor, own: torch.Tensor, hf: Any) -> bool:
    allowed = SAME_LOGITS if hf.dtype == torch.float32 else 5e-2
    return bool((found.float() - own.float()).abs().max() <= allowed * max(1.0, float(own.float().abs().max())))


def _has_lens(hf: Any, layers: Sequence[LayerParts], last: torch.Tensor, logits: torch.Tensor) -> bool:
    return _near(logits_of(hf, layers, last[0].to(hf.dtype)), logits[0], hf)


@once_per_model
def _enters_everywhere(hf: Any) -> bool:
    """Enters at each layer with what stood before it, and compares the logits."""
    parts = _parts_of(hf)
    if not parts.has_lens:
        return False
    seen, logits = _observed(hf, parts.modules)
    ids = probe_ids(hf, PROBE_TOKENS)
    for at in range(1, len(seen)):
        with torch.no_grad(), entering(parts.layers, at, seen[at].before):
            found = hf(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
        if not _near(found, logits, hf):
            return False
    return True
