"""Measures how widely each layer reads: the entropy of its heads' attention at every query.

Guarded by tests/core/test_maps_attention_entropy.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..records import AttentionMaps


def attention_entropy(maps: AttentionMaps, *, relative: bool = False, windows: Sequence[int | None] = ()) -> np.ndarray:
    """Returns float32 [layer, query]: entropy in nats of what a head reads at a query, mean over the layer's heads.

    The entropy of each head is taken first and then averaged (Clark et al. 2019, section 3.1), so that heads that read
    different single tokens count as narrow. Rows are scaled to 1 before: where a learned sink takes a part, it is the
    entropy of the rest. ``relative``: divided by the entropy of reading every readable token equally, 0 to 1; NaN where
    a query could read one token only. ``windows``: tokens that each layer can read back, None for all (none given: all
    of them). NaN where a layer has no attention.
    """
    out = np.full((len(maps.layers), len(maps.queries)), np.nan, np.float32)
    for at, layer in enumerate(maps.values):
        there = layer[np.isfinite(layer).all((1, 2))]
        if not len(there):
            continue
        total = there.sum(-1, keepdims=True, dtype=np.float64)
        shares = np.divide(there, total, out=np.full(there.shape, np.nan), where=total > 0)
        logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
        out[at] = -(shares * logs).sum(-1).mean(0)
    if relative:
        most = np.log(readable_counts(maps, windows))
        out = np.divide(out, most, out=np.full(out.shape, np.nan), where=most > 0)
    return np.maximum(out, 0, out=out.astype(np.float32))


def readable_counts(maps: AttentionMaps, windows: Sequence[int | None] = ()) -> np.ndarray:
    """Returns int [layer, query]: how many keys each query could read."""
    queries, keys = maps.values.shape[2:]
    reach = np.minimum(np.arange(queries) + maps.offset + 1, keys) if maps.causal else np.full(queries, keys)
    each = [reach if window is None else np.minimum(reach, window) for window in windows or [None] * len(maps.layers)]
    return np.stack(each) if each else np.zeros((0, queries), int)
