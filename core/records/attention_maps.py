"""The records of attention maps: queries x keys of every layer and head, wherever the attention comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np

from ..errors import MethodError
from .arrays import check_shape, frozen_array, set_fields
from .text_request import TextRequest

MapKind = Literal["self", "encoder", "cross"]
"""``self``: a decoder reads its own text, ``encoder``: an encoder reads its text, ``cross``: a decoder reads the
encoder's text."""


@dataclass(frozen=True, eq=False)
class MapTokens:
    """The tokens on one side of an attention map: their texts, which are markup, and which part each belongs to."""

    texts: tuple[str, ...]
    """[N]"""
    special: np.ndarray
    """bool [N]: markup or a special token, nothing that the user wrote."""
    parts: tuple[str, ...] = ()
    """[N] the part of each token, e.g. ``question`` and ``context``; "" where it belongs to none. Empty: no parts."""

    def __post_init__(self) -> None:
        set_fields(
            self,
            texts=tuple(self.texts),
            special=frozen_array(self.special, bool, 1, "special"),
            parts=tuple(self.parts) or ("",) * len(self.texts),
        )
        check_shape("special", self.special.shape, (len(self.texts),))
        check_shape("parts", (len(self.parts),), (len(self.texts),))

    def __len__(self) -> int:
        return len(self.texts)


def _picked(tokens: MapTokens, which: slice | np.ndarray) -> MapTokens:
    """Returns the tokens of these places."""
    places = np.arange(len(tokens))[which]
    texts, parts = ([values[i] for i in places] for values in (tokens.texts, tokens.parts))
    return MapTokens(tuple(texts), tokens.special[places], tuple(parts))


def _check_unreadable(maps: Any) -> None:
    if maps.unreadable is not None:
        set_fields(maps, unreadable=frozen_array(maps.unreadable, bool, 2, "unreadable"))
        check_shape("unreadable", maps.unreadable.shape, maps.values.shape[-2:])


def map_tokens(labels: Sequence[Any] | int, special: Any = None, parts: Sequence[str] = ()) -> MapTokens:
    """Returns MapTokens of labels, or of ``labels`` numbered tokens; ``special``: bool [N], none where not given."""
    texts = tuple(str(i) for i in range(labels)) if isinstance(labels, int) else tuple(map(str, labels))
    return MapTokens(texts, np.zeros(len(texts), bool) if special is None else special, tuple(parts))


@dataclass(frozen=True, eq=False)
class _QueriesKeys:
    """What one map and the maps of all layers and heads have in common: values [..., query, key] and both sides."""

    values: np.ndarray
    queries: MapTokens
    keys: MapTokens

    causal: bool = False
    """True: query i could not read keys after its own place (``offset`` + i)."""
    offset: int = 0
    """Place of the first query among the keys; rows of an answer begin behind the prompt."""
    unreadable: np.ndarray | None = None
    """bool [query, key]: keys that a query could not read; None: as ``causal`` and ``offset`` say."""

    @cached_property
    def readable(self) -> np.ndarray:
        """bool [query, key]: whether the query could read the key."""
        rows, columns = self.values.shape[-2:]
        if self.unreadable is not None:
            return ~self.unreadable
        if not self.causal:
            return np.ones((rows, columns), bool)
        return np.arange(columns)[None] <= np.arange(rows)[:, None] + self.offset

    def part(self, queries: slice = slice(None), keys: slice = slice(None)) -> Self:
        """Returns the map of these consecutive queries and keys alone; no weight is changed."""
        first = [span.indices(n)[0] for span, n in zip((queries, keys), self.values.shape[-2:], strict=True)]
        return replace(
            self,
            values=self.values[..., queries, keys],
            queries=_picked(self.queries, queries),
            keys=_picked(self.keys, keys),
            offset=self.offset + first[0] - first[1],
            unreadable=None if self.unreadable is None else self.unreadable[queries, keys],
        )

    def without_special(self) -> Self:
        """Returns the map without the rows and columns of special tokens; no weight is changed."""
        rows, columns = np.flatnonzero(~self.queries.special), np.flatnonzero(~self.keys.special)
        # Each query stands at the last kept key up to its own place; mostly these places still follow each other.
        places = np.searchsorted(columns, rows + self.offset, "right") - 1
        offset = int(places[0]) if len(places) else 0
        as_before = self.unreadable is None and np.array_equal(places, offset + np.arange(len(rows)))
        kept_out = None if as_before or self.readable.all() else ~self.readable[np.ix_(rows, columns)]
        return replace(
            self,
            values=self.values[..., rows, :][..., columns],
            queries=_picked(self.queries, rows),
            keys=_picked(self.keys, columns),
            causal=self.causal and as_before,
            offset=offset if as_before else 0,
            unreadable=kept_out,
        )


@dataclass(frozen=True, eq=False)
class AttentionMap(_QueriesKeys):
    """One attention map: what every query read of every key. It is what the diagrams draw."""

    values: np.ndarray
    """float32 [query, key]; NaN where nothing is known."""
    queries: MapTokens
    keys: MapTokens
    what: str = ""
    """Which map this is, in words: ``layer 5, head 2`` or ``mean of 30 layers, 9 heads``."""
    source: str = ""
    """Where it comes from, in one line: the model's caption, or the name of a file."""
    kind: MapKind = "self"

    def __post_init__(self) -> None:
        set_fields(self, values=frozen_array(self.values, np.float32, 2, "values"))
        check_shape("values", self.values.shape, (len(self.queries), len(self.keys)))
        _check_unreadable(self)

    @classmethod
    def of(cls, values: Any, queries: Any = None, keys: Any = None, **about: Any) -> AttentionMap:
        """Makes a map of one array from Python: ``values`` [query, key], labels of both sides (None: numbers).

        ``about``: ``what``, ``source``, ``causal``, ``offset``, ``kind``. Raises ValueError where shapes differ.
        """
        values = np.asarray(values, np.float32)
        if values.ndim != 2:
            raise ValueError(f"values has shape {values.shape}, expected (queries, keys).")
        sides = [s if s is not None else n for s, n in zip((queries, keys), values.shape, strict=True)]
        made = [s if isinstance(s, MapTokens) else map_tokens(s) for s in sides]
        return cls(values, made[0], made[1], **about)


@dataclass(frozen=True, eq=False)
class AttentionMaps(_QueriesKeys):
    """Attention of every layer and head over a text: of a model's run, of a text it only read, or from a file."""

    values: np.ndarray
    """float32 [layer, head, query, key]; NaN where a layer has no attention or fewer heads."""
    queries: MapTokens
    keys: MapTokens
    layers: tuple[int, ...] = ()
    """[L] ``layer_idx`` of each layer, counted from 0; 0 .. L-1 when not given."""
    kind: MapKind = "self"
    source: str = ""
    """The model's caption, or the name of a file."""
    request: TextRequest | None = None
    """What was asked; None where the maps come from a run or from elsewhere."""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        set_fields(
            self,
            values=frozen_array(self.values, np.float32, 4, "values"),
            layers=tuple(self.layers) or tuple(range(len(self.values))),
            notes=tuple(self.notes),
        )
        check_shape("values", self.values.shape[2:], (len(self.queries), len(self.keys)))
        _check_unreadable(self)
        check_shape("layers", (len(self.layers),), self.values.shape[:1])

    @property
    def heads(self) -> int:
        """Heads of a layer (the most, where layers differ)."""
        return self.values.shape[1]

    def map(self, layers: Sequence[int] = (), heads: Sequence[int] = ()) -> AttentionMap:
        """Returns the mean over the picked layers (by ``layer_idx``) and heads; none picked: all of them.

        Layers or heads that are not there (NaN) are left out of the mean. Raises MethodError where a picked layer or
        head is not there.
        """
        rows = [self._row(layer) for layer in layers] or list(range(len(self.layers)))
        if wrong := [h for h in heads if not 0 <= h < self.heads]:
            raise MethodError(f"There is no head {wrong[0]}: these maps have heads 0 to {self.heads - 1}.")
        if not len(self.queries) or not len(self.keys):
            raise MethodError("These maps have no queries or no keys: take a larger part of them.")
        picked = self.values[rows][:, list(heads) or slice(None)].reshape(-1, *self.values.shape[2:])
        there = ~np.isnan(picked).all(axis=(1, 2))
        if not there.any():
            raise MethodError("The picked layers and heads have no attention: pick others.")
        kept = picked[there]
        return AttentionMap(
            kept[0] if len(kept) == 1 else kept.mean(0, dtype=np.float64),
            self.queries,
            self.keys,
            what=self.what(layers, heads),
            source=self.source,
            causal=self.causal,
            offset=self.offset,
            unreadable=self.unreadable,
            kind=self.kind,
        )

    def what(self, layers: Sequence[int] = (), heads: Sequence[int] = ()) -> str:
        """Says in words which layers and heads a map is of: ``layer 5, head 2``, ``mean of 30 layers and 9 heads``."""
        layers = list(layers) or (list(self.layers) if len(self.layers) == 1 else [])
        heads = list(heads) or ([0] if self.heads == 1 else [])
        if len(layers) == 1 and len(heads) == 1:
            return f"layer {layers[0]}, head {heads[0]}"
        named = {
            "layer": f"layer {layers[0]}" if len(layers) == 1 else f"{len(layers) or len(self.layers)} layers",
            "head": f"head {heads[0]}" if len(heads) == 1 else f"{len(heads) or self.heads} heads",
        }
        return f"mean of {named['layer']}, {named['head']}"

    def with_parts(self, queries: Sequence[str], keys: Sequence[str]) -> AttentionMaps:
        """Returns the same maps with the part of each query and key named, e.g. ``question`` and ``context``."""
        named = replace(self.queries, parts=tuple(queries)), replace(self.keys, parts=tuple(keys))
        return replace(self, queries=named[0], keys=named[1])

    def _row(self, layer: int) -> int:
        if layer not in self.layers:
            raise MethodError(f"There is no attention in layer {layer}: these maps have layers {_span(self.layers)}.")
        return self.layers.index(layer)


@dataclass(frozen=True, eq=False)
class MapSeries:
    """The same cells at several points of something that evolves: layers, steps, checkpoints or sentences."""

    values: np.ndarray
    """float32 [point, row, column]; NaN where a cell has no value at a point."""
    axis: str
    """What the points are: ``layer``, ``step``, ``checkpoint``, ``sentence``, or any other word."""
    points: tuple[str, ...]
    """[S] name of each point, in order."""
    rows: MapTokens
    columns: MapTokens
    unit: str = "attention share"
    """What a value is, for axes and tooltips."""
    what: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        set_fields(
            self,
            values=frozen_array(self.values, np.float32, 3, "values"),
            points=tuple(self.points),
            notes=tuple(self.notes),
        )
        check_shape("values", self.values.shape, (len(self.points), len(self.rows), len(self.columns)))


def _span(layers: Sequence[int]) -> str:
    whole = list(layers) == list(range(layers[0], layers[-1] + 1)) if layers else False
    return f"{layers[0]} to {layers[-1]}" if whole and len(layers) > 1 else ", ".join(map(str, layers))
