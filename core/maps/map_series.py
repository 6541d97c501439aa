"""Lines attention maps up as a series: over layers, steps of an answer, checkpoints, or sentences.

Guarded by tests/core/test_maps_map_series.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..records import AttentionMap, AttentionMaps, MapSeries, MapTokens, map_tokens

HeadScore = Callable[[AttentionMaps], np.ndarray]
"""From maps to one number a head: float [layer, head]."""


def series_over_layers(maps: AttentionMaps, heads: Sequence[int] = ()) -> MapSeries:
    """Returns how each cell changes from layer to layer: the mean over the picked heads (none picked: all)."""
    each = [_known(maps.map([layer], heads)) for layer in maps.layers]
    what = f"head {heads[0]}" if len(heads) == 1 else f"mean of {len(heads) or maps.heads} heads"
    names = tuple(str(layer) for layer in maps.layers)
    return MapSeries(np.stack(each), "layer", names, maps.queries, maps.keys, what=what, source=maps.source)


def series_over_heads(maps: AttentionMaps, layers: Sequence[int] = ()) -> MapSeries:
    """Returns the map of each head, mean over the picked layers (none picked: all); points are heads.

    Heads that no picked layer has are left out. Raises MethodError where a picked layer is not there.
    """
    maps.map(layers)  # raises where a layer is not there
    rows = [maps.layers.index(layer) for layer in layers] or list(range(len(maps.layers)))
    there = [h for h in range(maps.heads) if np.isfinite(maps.values[rows, h]).any()]
    each = [_known(maps.map(layers, [head])) for head in there]
    what = f"layer {layers[0]}" if len(layers) == 1 else f"mean of {len(layers) or len(maps.layers)} layers"
    return MapSeries(
        np.stack(each), "head", tuple(map(str, there)), maps.queries, maps.keys, what=what, source=maps.source
    )


def series_of_maps(
    points: Sequence[tuple[str, AttentionMaps]],
    axis: str = "checkpoint",
    layers: Sequence[int] = (),
    heads: Sequence[int] = (),
) -> MapSeries:
    """Returns how each cell changes over maps of the same tokens, e.g. the checkpoints of one model in training.

    ``points``: (name, maps) in order. Raises ValueError where their tokens differ, or there are none.
    """
    first = _first(points)
    for name, maps in points:
        if (maps.queries.texts, maps.keys.texts) != (first.queries.texts, first.keys.texts):
            raise ValueError(f"{name} has other tokens than {points[0][0]}: cells of a series must be the same.")
    each = [maps.map(layers, heads) for _, maps in points]
    names = tuple(name for name, _ in points)
    values = np.stack([_known(one) for one in each])
    return MapSeries(values, axis, names, first.queries, first.keys, what=each[0].what, source=first.source)


def series_over_steps(maps: AttentionMaps, heads: Sequence[int] = ()) -> MapSeries:
    """Returns what each layer read of each key at every step: rows are layers, columns keys, points the queries.

    The mean over the picked heads (none picked: all); what could not be read yet is NaN.
    """
    each = [maps.map([layer], heads) for layer in maps.layers]
    values = np.stack([_known(one) for one in each], axis=1)
    points = tuple(f"{i + 1} {text}" for i, text in enumerate(maps.queries.texts))
    what = f"head {heads[0]}" if len(heads) == 1 else f"mean of {len(heads) or maps.heads} heads"
    return MapSeries(values, "step", points, _layer_names(maps), maps.keys, what=what, source=maps.source)


def head_series(
    points: Sequence[tuple[str, AttentionMaps]], score: HeadScore, axis: str = "checkpoint", unit: str = "score"
) -> MapSeries:
    """Returns a number of each head over checkpoints, sentences or other points: rows are layers, columns heads.

    ``score`` gives one number a head, so the points may be of different texts. Raises ValueError where layers or heads
    differ, or there are no points.
    """
    first = _first(points)
    each = []
    for name, maps in points:
        found = np.asarray(score(maps), np.float32)
        if found.shape != (len(first.layers), first.heads):
            raise ValueError(
                f"The score of {name} has the shape {found.shape}, expected {(len(first.layers), first.heads)}: one "
                f"number a head, with the layers and heads of {points[0][0]}."
            )
        each.append(found)
    heads = map_tokens([str(h) for h in range(first.heads)])
    names = tuple(name for name, _ in points)
    return MapSeries(np.stack(each), axis, names, _layer_names(first), heads, unit=unit, source=first.source)


def _first(points: Sequence[tuple[str, AttentionMaps]]) -> AttentionMaps:
    """Returns the maps of the first point."""
    if not points:
        raise ValueError("A series needs at least one point: give pairs of a name and maps.")
    return points[0][1]


def _known(one: AttentionMap) -> np.ndarray:
    """Returns the map's values, NaN where the query could not read the key."""
    return np.where(one.readable, one.values, np.float32(np.nan))


def _layer_names(maps: AttentionMaps) -> MapTokens:
    return map_tokens([f"layer {layer}" for layer in maps.layers])
