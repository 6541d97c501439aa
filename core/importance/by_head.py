"""Computes each head's share of attention on picked words: the one view that keeps every head apart.

Guarded by tests/core/test_importance.py.
"""

from __future__ import annotations

import numpy as np

from ..errors import MethodError
from ..records import Trace
from .methods import keeps_heads
from .uniform import uniform_keys


def read_by_head(trace: Trace, keys: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (share [layer, head], uniform [layer]) of attention on the tokens ``keys``, mean over ``steps``.

    ``keys`` float [K]: the part of each token that belongs to the picked words (0..1). Layers by ``layer_idx``;
    NaN where a layer has no attention or fewer heads. Raises MethodError when single heads were not kept.
    """
    rows = trace.rows
    if rows is None or not keeps_heads(trace):
        raise MethodError("This run does not keep single heads: run it again with every head kept.")
    if len(steps) == 0 or not keys.any():
        raise MethodError("Pick at least one output word and one input word.")
    picked = np.flatnonzero(keys)
    weights = rows.weights(slice(None), steps, picked) @ keys[picked].astype(np.float32)
    share = np.full((trace.model.layers, trace.model.heads), np.nan, np.float32)
    share[rows.layers, rows.heads] = weights.mean(1)
    uniform = np.full(trace.model.layers, np.nan, np.float32)
    for layer in np.unique(rows.layers):
        uniform[layer] = (uniform_keys(trace, np.array([layer]))[steps] @ keys).mean()
    return share, uniform
