"""The methods that read attention rows: functions ``(MethodInput) -> float32 [step, key]``, named in ``METHODS``.

Averaging heads is the common baseline (Abnar & Zuidema 2020 call it raw attention); the last layer and the maximum over
heads are the two other reductions that published tools draw. Weighting by what is written (Kobayashi et al. 2020) takes
out sinks: tokens that are read with large weights because next to nothing stands in them. The products are summed over
heads and layers first and each step is scaled to one after: scaled head by head, heads that write nothing would count
as much as the rest, and the sinks come back. Learned weights of heads (after AT2, Cohen-Wang et al. 2025) come from
``core/trust/head_fit.py``. Guarded by tests/core/test_importance.py.
"""

from __future__ import annotations

import numpy as np

from ..records import WRITTEN
from .method_input import MAPS_AT_ONCE, MethodInput


def mean_attention(source: MethodInput) -> np.ndarray:
    """Returns float32 [step, key]: the mean over the picked maps."""
    rows, maps = source.rows, source.maps
    total = np.zeros_like(rows.packed[0][source.steps], np.float32)
    for first in range(0, len(maps), MAPS_AT_ONCE):
        total += rows.weights(maps[first : first + MAPS_AT_ONCE], source.steps).sum(0)
    return total / np.float32(len(maps))


def strongest_head(source: MethodInput) -> np.ndarray:
    """Returns float32 [step, key]: for every key the largest weight of any picked map; does not sum to 1."""
    rows, maps = source.rows, source.maps
    best = np.zeros(rows.packed.shape[1:], np.float32)
    for first in range(0, len(maps), MAPS_AT_ONCE):
        np.maximum(best, rows.weights(maps[first : first + MAPS_AT_ONCE]).max(0), out=best)
    return best


def written_lengths(source: MethodInput) -> np.ndarray:
    """Returns float32 [step, key]: weight times the length of what is written, mean over the picked maps."""
    rows, maps = source.rows, source.maps
    total = np.zeros_like(rows.packed[0][source.steps], np.float32)
    for first in range(0, len(maps), MAPS_AT_ONCE):
        part = maps[first : first + MAPS_AT_ONCE]
        if (rows.heads[part] == WRITTEN).all():
            total += rows.weights(part, source.steps).sum(0)
        else:
            total += np.einsum("msk,mk->sk", rows.weights(part, source.steps), source.norms(part))
    return total / np.float32(len(maps))


def value_weighted(source: MethodInput) -> np.ndarray:
    """Returns float32 [step, key]: ``written_lengths``, each step scaled to one."""
    total = written_lengths(source)
    return total / np.maximum(total.sum(1, keepdims=True), np.float32(1e-30))


def excess(source: MethodInput) -> np.ndarray:
    """Returns float32 [step, key]: what a head reads above its own median over the answer's steps, mean over maps.

    A key of the answer itself has its median over the steps that could read it.
    """
    trace, rows, maps = source.trace, source.rows, source.maps
    usual = trace.answer_steps if len(trace.answer_steps) else np.arange(trace.steps)
    p, own = trace.prompt_length, np.arange(trace.prompt_length, len(trace.tokens) - 1)
    total = np.zeros(rows.packed.shape[1:], np.float32)
    for first in range(0, len(maps), MAPS_AT_ONCE):
        weights = rows.weights(maps[first : first + MAPS_AT_ONCE])
        median = np.zeros((len(weights), weights.shape[2]), np.float32)
        median[:, :p] = np.median(weights[:, usual, :p], axis=1)
        for key in own:
            able = usual[usual > key - p]
            if len(able):
                median[:, key] = np.median(weights[:, able, key], axis=1)
        total += np.maximum(weights - median[:, None], 0).sum(0)
    return total / np.float32(len(maps))


def learned_heads(source: MethodInput) -> np.ndarray:
    """Returns float32 [step, key]: attention of each head times its learned weight, each step scaled to one.

    Where the weights were learned for it, each weight of attention is also times the length of what is written.
    """
    rows, learned = source.rows, source.given["weights"]
    share = learned.of(rows.layers[source.maps], rows.heads[source.maps])
    used = source.maps[share > 0]
    share = share[share > 0]
    total = np.zeros_like(rows.packed[0][source.steps], np.float32)
    for first in range(0, len(used), MAPS_AT_ONCE):
        part, by = used[first : first + MAPS_AT_ONCE], share[first : first + MAPS_AT_ONCE]
        if learned.reads == "written":
            total += np.einsum("msk,mk->sk", rows.weights(part, source.steps), source.norms(part) * by[:, None])
        else:
            total += np.einsum("msk,m->sk", rows.weights(part, source.steps), by)
    return total / np.maximum(total.sum(1, keepdims=True), np.float32(1e-30))
