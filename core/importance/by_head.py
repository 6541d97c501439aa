"""Computes each head's share of attention on picked words: the one view that keeps every head apart.

Guarded by tests/core/test_importance.py.
"""

from __future__ import annotations

import numpy as np

from ..errors import MethodError
from ..records import Trace
from .uniform import uniform_keys


def read_by_head(trace: Trace, keys: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (share [layer, head], uniform [layer]) of attention on the tokens ``keys``, mean over ``steps``.

    ``keys`` float [K]: the part of each token that belongs to the picked words (0..1). Layers by ``layer_idx``;
    NaN where a layer has no attention, fewer heads, or heads that were not kept. Raises MethodError when none were.
    """
    rows = trace.rows
    heads = np.zeros(0, int) if rows is None else np.flatnonzero(rows.heads >= 0)
    if rows is None or not len(heads):
        raise MethodError(
            "This run does not keep single heads: read them again (core.probe.read_heads), or run it with every head "
            "kept."
        )
    if len(steps) == 0 or not keys.any():
        raise MethodError("Pick at least one output word and one input word.")
    picked = np.flatnonzero(keys)
    weights = rows.weights(heads, steps, picked) @ keys[picked].astype(np.float32)
    share = np.full((trace.model.layers, trace.model.heads), np.nan, np.float32)
    share[rows.layers[heads], rows.heads[heads]] = weights.mean(1)
    uniform = np.full(trace.model.layers, np.nan, np.float32)
    for layer in np.unique(rows.layers[heads]):
        uniform[layer] = (uniform_keys(trace, np.array([layer]))[steps] @ keys).mean()
    return share, uniform
