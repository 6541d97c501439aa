"""Reads the attention of single heads of a run again, where the run kept only what its layers do together.

One pass over prompt and answer gives the rows of any heads exactly as the run had them, up to rounding: each step's row
is computed from the same keys, a block of rows at a time. Guarded by tests/core/test_probe_head_rows.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..capture.decode import last_logits
from ..capture.packed_rows import pack_weights, zero_rows
from ..capture.run_model import capture_errors
from ..capture.steering_rules import steered_run
from ..checks import short_repr
from ..errors import MethodError
from ..models.attention import ROW_CELLS, Recorder, recording
from ..progress import IsCancelled, Progress, never_cancelled, no_progress
from ..records import Rows, Trace
from .ablation import check_run


def read_heads(
    model: Any,
    trace: Trace,
    heads: Iterable[tuple[int, int]],
    *,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
) -> Trace:
    """Returns the run with the rows of these heads, (layer, head) pairs, added to those that it keeps.

    ``model`` must be the one that made it. Raises MethodError, CaptureError, Cancelled.
    """
    check_run(model, trace, "Reading heads again")
    asked = _checked(model, trace, heads)
    have = set() if trace.rows is None else set(_pairs(trace.rows))
    wanted = sorted(set(asked) - have)
    if not wanted:
        return trace
    steps, keys = trace.steps, len(trace.tokens) - 1
    packed, sums = zero_rows((len(wanted), steps, keys))[0], np.zeros((len(wanted), steps), np.float32)
    place = {pair: i for i, pair in enumerate(wanted)}
    seen: set[int] = set()

    def emit(layers: list[int], first: int, start: int, weights: torch.Tensor) -> None:
        for layer, found in zip(layers, weights[:, 0], strict=True):
            seen.add(layer)
            progress(len(seen) / len(trace.model.attention_layers), f"Layer {len(seen)} of {trace.model.layers}", None)
            for head in range(len(found)):
                at = place.get((layer, head))
                if at is not None:
                    one = found[head].cpu()
                    rows, width = one.shape
                    sums[at, first : first + rows] = one.sum(-1).numpy()
                    pack_weights(one, packed[at, first : first + rows, start : start + width])

    hf = model.hf
    ids = torch.from_numpy(trace.token_ids[:-1].copy())[None].to(hf.device)
    recorder = Recorder(emit, steps, cancelled, at_once=True, together=ROW_CELLS)
    with model.lock, capture_errors(model.ref.label), steered_run(hf, trace), torch.no_grad(), recording(recorder):
        hf(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, **last_logits(hf, 1))
    return replace(trace, rows=_joined(trace, wanted, packed.numpy(), sums))


def _pairs(rows: Rows) -> list[tuple[int, int]]:
    return list(zip(rows.layers.tolist(), rows.heads.tolist(), strict=True))


def _checked(model: Any, trace: Trace, heads: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    asked = [tuple(pair) for pair in heads]
    layers, count = trace.model.attention_layers, trace.model.heads
    for pair in asked:
        if len(pair) != 2 or pair[0] not in layers or not 0 <= pair[1] < count:
            raise MethodError(
                f"{trace.model.label} has no head {short_repr(pair)} (layer, head): its layers with attention are "
                f"{layers[0]} to {layers[-1]}, with {count} heads each."
            )
    if model.ref.attention != "dispatch" or model.ref.kind != "decoder":
        raise MethodError(
            f"The heads of {model.ref.label} cannot be read again by themselves: run it again with keep='all'."
        )
    if trace.steps == 0:
        raise MethodError("This run has no output, so there are no rows to read: run it again with more new tokens.")
    return asked  # type: ignore[return-value]


def _joined(trace: Trace, wanted: list[tuple[int, int]], packed: np.ndarray, sums: np.ndarray) -> Rows:
    """Returns the rows that the run keeps, then those of ``wanted``."""
    layers, heads = np.array(wanted).T
    queries = np.arange(trace.steps) + trace.prompt_length - 1
    new = Rows(queries=queries, layers=layers, heads=heads, packed=packed, sums=sums)
    old = trace.rows
    if old is None:
        return new
    both = zero_rows((len(old.packed) + len(packed), *packed.shape[1:]))[0].numpy()
    both[: len(old.packed)] = old.packed
    both[len(old.packed) :] = packed
    return Rows(
        queries=queries,
        layers=np.concatenate([old.layers, layers]),
        heads=np.concatenate([old.heads, heads]),
        packed=both,
        sums=np.concatenate([old.sums, sums]),
    )
