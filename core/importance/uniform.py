"""Computes uniform attention (every readable token equally): the baseline for every share.

At step t a layer without a window can read P + t tokens, so a token's uniform share is 1 / (P + t); a layer with a
window of w tokens reads the last w (its own query included). A method over several layers gets the mean of their
expectations. Cross-attention reads the P tokens of the input at every step, so there it is 1 / P. Guarded by
tests/core/test_importance.py.
"""

from __future__ import annotations

import numpy as np

from ..records import Trace


def uniform_keys(trace: Trace, layers: np.ndarray) -> np.ndarray:
    """Returns float32 [step, key]: uniform attention, mean over ``layers`` (layer_idx, one entry per map)."""
    if trace.reads_prompt_only:
        even = np.zeros((trace.steps, len(trace.tokens) - 1), np.float32)
        even[:, : trace.prompt_length] = 1 / trace.prompt_length
        return even
    queries = np.arange(trace.steps)[:, None] + trace.prompt_length - 1
    keys = np.arange(len(trace.tokens) - 1)[None, :]
    windows = dict(zip(trace.model.attention_layers, trace.model.windows, strict=True))
    counts: dict[int | None, int] = {}
    for layer in layers.tolist():
        counts[windows.get(layer)] = counts.get(windows.get(layer), 0) + 1
    out = np.zeros((trace.steps, len(trace.tokens) - 1), np.float64)
    for window, count in counts.items():
        reach = queries + 1 if window is None else np.minimum(queries + 1, window)
        readable = (keys <= queries) & (keys > queries - reach)
        out += count / len(layers) * readable / reach
    return out.astype(np.float32)


def uniform_of(trace: Trace, maps: np.ndarray) -> np.ndarray:
    """Returns float32 [step, key]: uniform attention by the layers of ``maps`` (indices in ``trace.rows``).

    Empty ``maps``: by all layers that have attention.
    """
    layers = trace.rows.layers[maps] if trace.rows is not None and len(maps) else trace.model.attention_layers
    return uniform_keys(trace, np.asarray(layers, int))
