"""Switches off parts of a model and measures how much less likely the same answer becomes, token by token.

A part is set to zero at every token: a head where its vector enters the output projection (the projection's bias, which
belongs to no head, stays), a layer's attention or MLP where it is added to the stream, one unit of an MLP where it
enters the down projection. The parts are found as core/models/layer_parts.py and value_norms.py find them, by
observation; where a model has none that could be named, MethodError says so.

All variants score the answer in one teacher-forced pass; a variant is a row of a batch. What a variant's layer is given
is the same for all, so the layers below it run once: their hidden states are kept and the model is entered at the
lowest layer of a batch (``entering``), where a trial shows that this changes nothing (``enterable``).

Guarded by tests/core/test_probe_switched_parts.py: batched equals one pass each with hooks; known answers.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

from ..capture.run_model import capture_errors
from ..capture.steering_rules import steered_run
from ..checks import short_repr
from ..errors import Cancelled, MethodError
from ..models.layer_parts import (
    LayerParts,
    ModelParts,
    enterable,
    entering,
    first_tensor,
    head_projections,
    model_parts,
)
from ..models.placement import input_width
from ..models.stoppable import stopping
from ..progress import IsCancelled, Progress, never_cancelled, no_progress
from ..records import ModelRef, Part, SwitchedOff, Trace, all_heads
from .ablation import check_run
from .variant_scoring import MANY, TOKENS, WASTE, batch_room

MOST_STATES = 1 << 30
"""Bytes of hidden states kept between layers; where they would be more, every pass begins at the first layer."""
FEWER_HEADS = "Some layers have fewer heads than others: heads that are not there have no value."


def switch_off(
    model: Any,
    trace: Trace,
    parts: Sequence[Part] = (),
    *,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
) -> SwitchedOff:
    """Scores the answer of ``trace`` without each of ``parts`` alone: ``effect[part, step]`` is what it lost, in nats.

    ``parts``: every head where none are given, or e.g. ``[Part("mlp", 3), Part("unit", 3, 17)]``. ``model`` must be the
    one that made ``trace``. Raises MethodError (a part that the model does not have or that cannot be told in it),
    CaptureError, Cancelled.
    """
    began = time.monotonic()
    check_run(model, trace, "Switching off parts")
    asked = _checked(model.ref, trace, parts or all_heads(trace.model))
    with model.lock, capture_errors(model.ref.label), steered_run(model.hf, trace), stopping(model.hf, cancelled):
        switches = _Switches(model, asked)
        progress(None, "Scoring the answer as it is", None)
        passes = _Passes(model, trace, asked, cancelled)
        logprobs = np.full((len(asked), trace.steps), np.nan, np.float32)
        able = [i for i in range(len(asked)) if i in switches.places]
        done = 0
        for batch in passes.batches(able):
            progress(done / len(able), f"Without part {done + 1} of {len(able)}", None)
            logprobs[batch] = passes.score(batch, switches)
            done += len(batch)
    return SwitchedOff(
        trace_id=trace.id,
        parts=asked,
        effect=passes.base - logprobs,
        base=passes.base,
        model=model.ref.caption,
        notes=(FEWER_HEADS,) if len(able) < len(asked) else (),
        seconds=round(time.monotonic() - began, 3),
        answer=trace.output_tokens,
    )


def _checked(ref: ModelRef, trace: Trace, parts: Sequence[Part]) -> tuple[Part, ...]:
    if isinstance(parts, Part):
        parts = (parts,)
    asked = tuple(parts)
    if not asked or not all(isinstance(part, Part) for part in asked):
        raise MethodError(
            f'Parts to switch off are given as a list like [Part("head", 3, 1)], not {short_repr(parts)}.'
        )
    if trace.steps == 0:
        raise MethodError("This run has no output to score: run it again with more new tokens.")
    for part in asked:
        if part.layer >= ref.layers:
            raise MethodError(f"There is no layer {part.layer}: {ref.label} has layers 0 to {ref.layers - 1}.")
        if part.kind in ("head", "attention") and part.layer not in ref.attention_layers:
            raise MethodError(f"Layer {part.layer} of {ref.label} has no attention: pick another layer.")
        if part.kind == "head" and part.index >= ref.heads:
            raise MethodError(f"There is no head {part.index}: {ref.label} has heads 0 to {ref.heads - 1}.")
    return asked


class _Switches:
    """Where each part is zeroed: a module, whether its input or its output, and which of its numbers."""

    def __init__(self, model: Any, parts: Sequence[Part]) -> None:
        self._ref, self._model = model.ref, model
        self._layers = model_parts(model).layers
        self.places: dict[int, tuple[torch.nn.Module, bool, slice]] = {}
        """{part: (module, at its input, columns)}; without heads that a layer does not have."""
        for i, part in enumerate(parts):
            place = self._place(part)
            if place is not None:
                self.places[i] = place

    def _place(self, part: Part) -> tuple[torch.nn.Module, bool, slice] | None:
        if part.kind == "head":
            found = head_projections(self._model).get(part.layer)
            if found is None:
                raise MethodError(self._unknown("single heads", "switch off the attention of whole layers instead"))
            module, heads = found
            width = (input_width(module) or 0) // heads
            return (module, True, slice(part.index * width, (part.index + 1) * width)) if part.index < heads else None
        known = self._layers[part.layer] if self._layers else None
        if part.kind == "unit":
            if known is None or known.down is None:
                raise MethodError(
                    self._unknown(f"the MLP units of layer {part.layer}", "switch off the whole MLP instead")
                )
            count = input_width(known.down) or 0
            if part.index >= count:
                told = f"the MLP of layer {part.layer} has units 0 to {count - 1}"
                raise MethodError(f"There is no unit {part.index}: {told}.")
            return known.down, True, slice(part.index, part.index + 1)
        added = None if known is None else getattr(known, part.kind)
        if added is None:
            what = "attention" if part.kind == "attention" else "MLP"
            raise MethodError(
                self._unknown(f"what the {what} of layer {part.layer} adds", "choose another layer or model")
            )
        return added.module, False, slice(None)

    def _unknown(self, what: str, remedy: str) -> str:
        return f"It is not known where {self._ref.label} computes {what}, so it cannot be switched off: {remedy}."

    @contextmanager
    def off(self, batch: Sequence[int]) -> Iterator[None]:
        """Zeroes part ``batch[row]`` in each row of the passes inside the block."""
        wanted: dict[torch.nn.Module, list[tuple[int, bool, slice]]] = {}
        for row, i in enumerate(batch):
            module, at_input, columns = self.places[i]
            wanted.setdefault(module, []).append((row, at_input, columns))
        hooks = []
        for module, places in wanted.items():
            hooks.append(module.register_forward_pre_hook(_zero_input(places, len(batch)), with_kwargs=True))
            hooks.append(module.register_forward_hook(_zero_output(places, len(batch))))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def _zeroed(values: torch.Tensor, rows: Sequence[tuple[int, slice]], size: int) -> torch.Tensor:
    """Returns a copy of ``values`` [B, Q, n] (or [B x Q, n]) with these columns of these rows at 0."""
    out = values.clone()
    by_row = out.view(size, -1, out.shape[-1])
    for row, columns in rows:
        by_row[row, :, columns] = 0
    return out


def _zero_input(places: Sequence[tuple[int, bool, slice]], size: int) -> Any:
    rows = [(row, columns) for row, at_input, columns in places if at_input]

    def hook(module: Any, args: Any, kwargs: Any) -> Any:
        return ((_zeroed(args[0], rows, size), *args[1:]), kwargs) if rows else None

    return hook


def _zero_output(places: Sequence[tuple[int, bool, slice]], size: int) -> Any:
    rows = [(row, columns) for row, at_input, columns in places if not at_input]

    def hook(module: Any, args: Any, out: Any) -> Any:
        found = first_tensor(out)
        if not rows or found is None:
            return None
        zeroed = _zeroed(found, rows, size)
        return (zeroed, *out[1:]) if isinstance(out, (tuple, list)) else zeroed

    return hook


class _Passes:
    """Scores the answer in teacher-forced passes that begin at the lowest layer of a batch. The lock must be held."""

    def __init__(self, model: Any, trace: Trace, parts: Sequence[Part], cancelled: IsCancelled) -> None:
        self._hf, self._ref, self._parts, self._cancelled = model.hf, model.ref, parts, cancelled
        ids = torch.from_numpy(np.array(trace.token_ids)).to(self._hf.device)
        self._ids, self._answer = ids[None, :-1], ids[trace.prompt_length :]
        self._keeps = "logits_to_keep" in inspect.signature(self._hf.forward).parameters
        self._states: dict[int, torch.Tensor] = {}
        known = model_parts(model)
        self._layers = self._entered(known) if known.layers and enterable(model) else ()
        self.base = self._first()
        """float32 [T]: log-probabilities with everything."""

    def batches(self, places: Sequence[int]) -> Iterator[list[int]]:
        """Yields batches of parts of like layers, the lowest first: those pass through the most layers."""
        batch: list[int] = []
        for place in sorted(places, key=lambda i: self._start(i)):
            if batch and not self._fits([*batch, place]):
                yield batch
                batch = []
            batch.append(place)
        if batch:
            yield batch

    def score(self, batch: Sequence[int], switches: _Switches) -> np.ndarray:
        """Returns float32 [len(batch), T]."""
        if self._cancelled():
            raise Cancelled("Stopped.")
        start = min(self._start(i) for i in batch)
        state = self._states[start].expand(len(batch), -1, -1) if start else None
        enter = nullcontext() if state is None else entering(self._layers, start, state)
        with enter, switches.off(batch):
            return self._forward(len(batch))

    def _start(self, place: int) -> int:
        """Returns the layer at which the model is entered for a part; 0 is the whole model."""
        return self._parts[place].layer if self._layers else 0

    def _entered(self, known: ModelParts) -> tuple[LayerParts, ...]:
        """Returns the layers, where what stands before each that is asked for can be kept."""
        starts = {part.layer for part in self._parts}
        each = self._ids.shape[1] * int(getattr(self._hf.config.get_text_config(), "hidden_size", 1024)) * 4
        return known.layers if len(starts) * each <= MOST_STATES else ()

    def _first(self) -> np.ndarray:
        """Scores with everything, and keeps what stands before the layers at which passes will begin."""
        hooks = []
        for layer in {part.layer for part in self._parts} - {0} if self._layers else ():

            def keep(module: Any, args: Any, kwargs: Any, layer: int = layer) -> None:
                found = first_tensor(args if args else kwargs.get("hidden_states"))
                if found is not None:
                    self._states[layer] = found.clone()

            hooks.append(self._layers[layer].module.register_forward_pre_hook(keep, with_kwargs=True))
        try:
            return self._forward(1)[0]
        finally:
            for hook in hooks:
                hook.remove()

    def _forward(self, size: int) -> np.ndarray:
        """Returns float32 [size, T] of one pass over ``size`` equal rows."""
        steps, ids = len(self._answer), self._ids.expand(size, -1)
        settings: dict[str, Any] = {}
        if self._keeps:  # places, not a number: see variant_scoring
            settings["logits_to_keep"] = torch.arange(ids.shape[1] - steps, ids.shape[1], device=ids.device)
        with torch.no_grad():
            out = self._hf(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, **settings)
        found = []
        for logits in out.logits[:, -steps:]:  # a row at a time: float32 of all would double the memory
            row = logits.float()
            found.append(row.gather(-1, self._answer[:, None])[:, 0] - torch.logsumexp(row, dim=-1))
        return torch.stack(found).cpu().numpy()

    def _fits(self, batch: Sequence[int]) -> bool:
        tokens, starts = self._ids.shape[1], [self._start(i) for i in batch]
        through = self._ref.layers - np.array(starts)
        limit = TOKENS.get(self._hf.device.type, MANY)
        small = len(batch) * tokens <= limit and through.max() * len(batch) <= WASTE * through.sum()
        return bool(small) and len(batch) * self._bytes(tokens) <= batch_room(self._hf.device)

    def _bytes(self, tokens: int) -> int:
        """Estimates the bytes that one row takes."""
        config = self._hf.config.get_text_config()
        logits = 8 * int(config.vocab_size) * (len(self._answer) if self._keeps else tokens)
        inner = 4 * 16 * tokens * int(getattr(config, "hidden_size", 0) or 1024)
        return logits + inner + (16 * self._ref.heads * tokens**2 if self._ref.attention == "eager" else 0)
