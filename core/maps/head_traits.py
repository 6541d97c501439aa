"""Measures what kind of head each head is: what share of its attention goes where a named kind of head would look.

Each trait is a share of attention between 0 and 1, mean over the queries for which there is such a key; beside it
stands what reading every readable key equally would give. A head is named after the trait that exceeds uniform reading
most, if it takes at least ``LEAST_SHARE`` of its attention; a head that is none of them and whose attention is nearly
even is ``broad``.

* ``previous``: the token before the query (Clark et al. 2019, "What Does BERT Look At?", section 3.2; Vig and Belinkov
  2019; "positional heads" of Voita et al. 2019).
* ``next``: the token after the query, which only models without a causal mask can read (Clark et al. 2019).
* ``self``: the query token itself.
* ``first``: the first token, where attention rests that has nothing to do (Xiao et al. 2023, "attention sinks").
* ``special``: special tokens and markup ([SEP], roles; Clark et al. 2019, section 3.3), the first token left out.
* ``same``: other places of the same token ("duplicate token heads" of Wang et al. 2022, "Interpretability in the
  Wild").
* ``induction``: the token after an earlier place of the same token (Elhage et al. 2021; Olsson et al. 2022, whose
  "prefix matching score" this is).
* ``local``: the ``NEAR_TOKENS`` tokens to each side that are none of the above.
* ``broad``: entropy over the entropy of reading every readable key equally (Clark et al. 2019, section 3.1: "broad").

Guarded by tests/core/test_maps_head_traits.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..records import AttentionMaps

TRAITS: dict[str, str] = {
    "previous": "the token before",
    "next": "the token after",
    "self": "the token itself",
    "first": "the first token",
    "special": "special tokens and markup",
    "same": "other places of the same token",
    "induction": "what followed the same token earlier",
    "local": "the neighbourhood",
    "broad": "nearly everything, evenly",
}
"""{trait: where such a head looks}"""

NEAR_TOKENS = 3
LEAST_SHARE = 0.3
"""Share of its attention that a head must give to what it is named after."""
EVEN_ENTROPY = 0.85
"""Entropy, as a part of the most that is possible, from which on a head without another name is broad."""


@dataclass(frozen=True, eq=False)
class HeadTraits:
    """The traits of every head of some attention maps."""

    layers: tuple[int, ...]
    scores: Mapping[str, np.ndarray]
    """{trait: float32 [layer, head]}: NaN where the text has no place for it, or the head is not there."""
    uniform: Mapping[str, float]
    """{trait: share} what reading every readable key equally would give; for ``broad`` 1."""
    source: str = ""

    @property
    def names(self) -> np.ndarray:
        """str [layer, head]: the trait each head is named after; "" where none fits or the head is not there."""
        kinds = [trait for trait in TRAITS if trait != "broad"]
        scores = np.stack([self.scores[trait] for trait in kinds])
        even = np.stack([np.broadcast_to(self.uniform[trait], scores.shape[1:]) for trait in kinds])
        excess = np.where(np.isfinite(scores) & (scores >= LEAST_SHARE), scores - even, -1.0)
        best = excess.argmax(0)
        named = np.array(kinds, dtype=object)[best]
        broad = np.where(np.nan_to_num(self.scores["broad"]) >= EVEN_ENTROPY, "broad", "")
        return np.where(excess.max(0) > 0.1, named, broad).astype(str)

    def rows(self) -> list[dict[str, object]]:
        """Returns one flat record a head, for a table: layer, head, name, and every score."""
        names = self.names
        layers, heads = names.shape
        return [
            {"layer": self.layers[a], "head": b, "trait": names[a, b]}
            | {trait: _number(self.scores[trait][a, b]) for trait in TRAITS}
            for a in range(layers)
            for b in range(heads)
            if np.isfinite(self.scores["broad"][a, b])
        ]


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def head_traits(maps: AttentionMaps, ids: Sequence[int] | None = None) -> HeadTraits:
    """Measures the traits of every head of ``maps``.

    ``ids``: one number a key, equal for equal tokens; the texts of the keys where not given. Of cross-attention, whose
    queries are no keys, only ``first``, ``special`` and ``broad`` are known. Rows without any known weight are left
    out. Raises ValueError where there are no cells or not one id a key.
    """
    if not maps.values.size:
        raise ValueError("These maps have no cells, so no head can be measured: take a larger part of them.")
    if ids is not None and len(ids) != len(maps.keys):
        raise ValueError(f"There are {len(ids)} ids and {len(maps.keys)} keys: give one id for each key.")
    same_side = maps.kind != "cross"
    wanted = _wanted_keys(maps, ids) if same_side else _wanted_of_cross(maps)
    readable = maps.readable
    shares, broad = _shares(maps.values, wanted, readable)
    return HeadTraits(
        maps.layers,
        shares | {"broad": broad},
        {trait: _even(wanted.get(trait), readable) for trait in TRAITS if trait != "broad"} | {"broad": 1.0},
        maps.source,
    )


def _wanted_of_cross(maps: AttentionMaps) -> dict[str, np.ndarray]:
    """Returns {trait: bool [query, key]} for maps whose queries are no keys."""
    shape = maps.values.shape[2:]
    first = np.zeros(shape, bool)
    first[:, :1] = True
    return {"first": first, "special": np.broadcast_to(maps.keys.special, shape) & ~first}


def _wanted_keys(maps: AttentionMaps, ids: Sequence[int] | None) -> dict[str, np.ndarray]:
    """Returns {trait: bool [query, key]}: the keys at which such a head looks."""
    rows, columns = maps.values.shape[2:]
    query = np.arange(rows)[:, None] + maps.offset
    key = np.arange(columns)[None]
    token = np.asarray(ids if ids is not None else np.unique(np.array(maps.keys.texts, object), return_inverse=True)[1])
    own = token[np.clip(query, 0, columns - 1)]
    among = (query >= 0) & (query < columns)  # of a part of a map, a query may stand outside of its keys
    before = np.concatenate([[-1], token[:-1]])[None]  # the token before each key
    readable = maps.readable
    first = np.broadcast_to(key == 0, (rows, columns))
    special = np.broadcast_to(maps.keys.special, (rows, columns)) & ~first
    plain = ~first & ~special
    found = {
        "previous": key == query - 1,
        "next": key == query + 1,
        "self": key == query,
        "first": first & (query > 0),
        "special": special,
        "same": among & (token[None] == own) & (key != query) & plain,
        "induction": among & (before == own) & (key > 0) & (key - 1 != query) & plain & (key < query),
    }
    named = np.any([found[trait] for trait in ("previous", "next", "self", "same", "induction")], axis=0)
    found["local"] = (np.abs(key - query) <= NEAR_TOKENS) & plain & ~named
    return {trait: where & readable for trait, where in found.items()}


def _shares(
    values: np.ndarray, wanted: dict[str, np.ndarray], readable: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Returns ({trait: float32 [layer, head]}, evenness float32 [layer, head]), each the mean over the queries it fits.

    A layer at a time: all traits of its heads are one product of matrices for each query, and no copy of all maps is
    made. Rows without any attention count for nothing.
    """
    kinds = [trait for trait in TRAITS if trait in wanted and wanted[trait].any()]
    where = np.stack([wanted[trait] for trait in kinds], -1).astype(np.float32) if kinds else None
    counted = [wanted[trait].any(1) for trait in kinds]
    several = readable.sum(1) > 1
    most = np.log(np.maximum(readable.sum(1), 2))
    out = {trait: np.full(values.shape[:2], np.nan, np.float32) for trait in TRAITS if trait != "broad"}
    broad = np.full(values.shape[:2], np.nan, np.float32)
    for at, layer in enumerate(values):
        there = np.flatnonzero(np.isfinite(layer).any((1, 2)))
        known = np.nan_to_num(layer[there])
        total = known.sum(-1, keepdims=True, dtype=np.float64)
        share = np.divide(known, total, out=np.full(known.shape, np.nan, np.float32), where=total > 0)
        if where is not None:
            inside = np.matmul(share.transpose(1, 0, 2), where)  # [query, head, trait]
            for i, trait in enumerate(kinds):
                out[trait][at, there] = _mean_of_rows(inside[counted[i], :, i].T)
        if not several.any():
            broad[at, there] = 1
            continue
        logs = np.log(share, out=np.zeros_like(share), where=share > 0)
        broad[at, there] = _mean_of_rows(-np.einsum("hqk,hqk->hq", share, logs)[:, several] / most[several])
    return out, broad


def _mean_of_rows(found: np.ndarray) -> np.ndarray:
    """Returns float [head] of [head, query]: the mean over the queries that have a number; NaN where none has."""
    known = np.isfinite(found)
    total = np.where(known, found, 0).sum(1, dtype=np.float64)
    return np.divide(total, known.sum(1), out=np.full(len(found), np.nan), where=known.any(1))


def _even(where: np.ndarray | None, readable: np.ndarray) -> float:
    """Returns what reading every readable key equally gives to ``where``."""
    if where is None or not where.any():
        return float("nan")
    rows = where.any(1)
    return float((where[rows].sum(1) / np.maximum(readable[rows].sum(1), 1)).mean())
