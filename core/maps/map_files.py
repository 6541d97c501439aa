"""Reads attention from elsewhere (npz, npy, safetensors, csv) as AttentionMaps, and writes maps as npz.

Guarded by tests/core/test_maps_map_files.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ..errors import MapFileError, error_reason
from ..records import AttentionMaps, MapTokens, map_tokens
from ..records.attention_maps import MapKind
from .array_files import FileArrays, read_npy, read_npz, read_safetensors
from .csv_map import read_csv_map

MOST_FILE_BYTES = 2**29
"""Bytes of a file that is read at all."""
ATTENTION_NAMES = ("attention", "attentions", "values", "attn")
LABEL_SIDES = ("queries", "keys")
ABOUT_NAMES = (*LABEL_SIDES, "queries_special", "keys_special", "queries_parts", "keys_parts", "layers", "kind")
ABOUT_MORE = ("causal", "offset", "source")
PLAIN_TEXTS = ("kind", "source")
SUM_SLACK = 0.02
"""How far a row's sum may lie from 1 without a note; half precision reaches a hundredth."""


def read_attention_file(file: str | Path | bytes, name: str = "") -> AttentionMaps:
    """Reads a file of attention weights; ``name``: its name, whose ending says the format (a path has its own).

    Format. npz, npy and safetensors hold one array of attention, named ``attention`` (or the only one), of real
    numbers: [query, key], [head, query, key] or [layer, head, query, key]; of five axes the batch, of length 1, may be
    the first or the second, and is dropped. Beside it may stand ``queries`` and ``keys`` (a label for each token),
    ``layers`` (a number for each layer), ``kind`` ("self", "encoder" or "cross"), ``queries_special``,
    ``keys_special`` (1 for markup), ``queries_parts``, ``keys_parts``, ``causal`` (0 or 1), ``offset`` and ``source``:
    as arrays in npz, as JSON texts in the metadata of safetensors. A csv holds one map: first row = key labels, first
    column = query labels, or numbers alone (core/maps/csv_map.py).

    Maps are causal where nothing lies above the diagonal that ends in the last column. What is unusual (values below
    0, rows that do not sum to 1, NaN) is accepted and told in ``notes``. Nothing is unpickled; files are read up to
    512 MiB and 64 million cells, both known before anything is unpacked. Raises MapFileError with one sentence.
    """
    data, name = _bytes_of(file, name)
    readers: dict[str, Callable[[], tuple[np.ndarray, dict[str, Any]]]] = {
        ".npz": lambda: _parts_of(read_npz(data, ATTENTION_NAMES, (*ABOUT_NAMES, *ABOUT_MORE))),
        ".npy": lambda: _parts_of(read_npy(data, ATTENTION_NAMES)),
        ".safetensors": lambda: _parts_of(read_safetensors(data, ATTENTION_NAMES, (*ABOUT_NAMES, *ABOUT_MORE))),
        **dict.fromkeys((".csv", ".tsv", ".txt"), lambda: _parts_of_csv(data)),
    }
    reader = readers.get(Path(name).suffix.lower())
    if reader is None:
        named = name or "This file"
        raise MapFileError(f"{named} is no npz, npy, safetensors or csv file: save attention as one of them.")
    if not data:
        raise MapFileError(f"{name} is empty: save the attention again.")
    values, about = reader()
    return _maps(values, about, name)


def write_attention_file(maps: AttentionMaps, path: str | Path) -> Path:
    """Writes maps as a compressed npz that ``read_attention_file`` reads back equal (but for request and notes).

    Returns the path. Raises MapFileError where it cannot be written.
    """
    target = Path(path)
    arrays: dict[str, Any] = {"attention": maps.values, "layers": np.array(maps.layers), "kind": np.array(maps.kind)}
    for side, tokens in zip(LABEL_SIDES, (maps.queries, maps.keys), strict=True):
        arrays |= {side: _text_array(tokens.texts), f"{side}_parts": _text_array(tokens.parts)}
        arrays[f"{side}_special"] = tokens.special
    arrays |= {"causal": np.array(maps.causal), "offset": np.array(maps.offset), "source": _text_array(maps.source)}
    try:
        with target.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
    except OSError as error:
        reason = error_reason(error)
        raise MapFileError(f"{target.name} cannot be written ({reason}): choose another folder.") from error
    return target


def _text_array(texts: Any) -> np.ndarray:
    """Returns texts as an array; as one JSON text where numpy would drop the NUL at an end."""
    several = [texts] if isinstance(texts, str) else list(texts)
    if any(text.endswith("\0") for text in several):
        return np.array(json.dumps(texts))
    return np.array(texts, dtype=np.str_)


def _bytes_of(file: str | Path | bytes, name: str) -> tuple[bytes, str]:
    if isinstance(file, bytes | bytearray | memoryview):
        data = bytes(file)
        size = len(data)
    else:
        path = Path(file)
        name = name or path.name
        try:
            size = path.stat().st_size
            data = path.read_bytes() if size <= MOST_FILE_BYTES else b""
        except (OSError, ValueError) as error:
            raise MapFileError(f"{name} cannot be read ({error_reason(error)}): check its path.") from error
    if size > MOST_FILE_BYTES:
        most = f"at most {MOST_FILE_BYTES:,} are read"
        raise MapFileError(f"{name} has {size:,} bytes; {most}: save fewer layers or heads.")
    return data, name


def _parts_of(found: FileArrays) -> tuple[np.ndarray, dict[str, Any]]:
    """Returns the array of attention, and what stands beside it as plain lists, texts and numbers."""
    known = (*ABOUT_NAMES, *ABOUT_MORE)
    about = {name: _plain(array, name) for name, array in found.arrays.items() if name in known}
    about |= {name: _parsed(text, name) for name, text in found.texts.items() if name in known}
    values = next(array for name, array in found.arrays.items() if name not in known)
    return values, about


def _plain(array: np.ndarray, name: str) -> Any:
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    plain = array.tolist()
    return _parsed(plain, name) if isinstance(plain, str) else plain


def _parsed(text: str, name: str) -> Any:
    """Returns what a JSON text holds; kind and source are texts themselves."""
    if name in PLAIN_TEXTS:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MapFileError(f"“{name}” is no JSON: write it with json.dumps, labels as a list.") from error


def _parts_of_csv(data: bytes) -> tuple[np.ndarray, dict[str, Any]]:
    found = read_csv_map(data)
    return found.values, {k: v for k, v in (("queries", found.queries), ("keys", found.keys)) if v is not None}


def _maps(values: np.ndarray, about: Mapping[str, Any], name: str) -> AttentionMaps:
    """Returns checked maps with their notes."""
    held = _four_axes(values)
    with np.errstate(over="ignore", invalid="ignore"):
        held = held.astype(np.float32)
    if np.isinf(held).any():
        raise MapFileError(f"{name} holds infinite values (or numbers beyond float32): attention weights are finite.")
    if np.isnan(held).all():
        raise MapFileError(f"{name} holds no number: every cell is NaN.")
    kind = about.get("kind", "self")
    if kind not in get_args(MapKind):
        raise MapFileError(f"The kind of attention is one of {', '.join(get_args(MapKind))}, not {str(kind)[:40]!r}.")
    sides = [_side(about, side, n) for side, n in zip(LABEL_SIDES, held.shape[2:], strict=True)]
    layers = tuple(_whole("layers", n) for n in _listed(about.get("layers", range(len(held))), "layers", len(held)))
    if len(set(layers)) < len(layers):
        raise MapFileError("“layers” names a layer twice: save another number for each.")
    causal, offset = _reading_order(held) if kind == "self" else (False, 0)
    return AttentionMaps(
        held,
        sides[0],
        sides[1],
        layers=layers,
        kind=kind,
        causal=_switch(about.get("causal", causal)),
        offset=_whole("offset", about.get("offset", offset), least=-(2**31)),
        source=str(about.get("source") or name),
        notes=tuple(_notes(held)),
    )


def _four_axes(values: np.ndarray) -> np.ndarray:
    """Returns [layer, head, query, key]; one layer or head is added, a batch of one is dropped."""
    shape = values.shape
    if len(shape) == 5 and 1 in shape[:2]:
        values = values[0] if shape[0] == 1 else values[:, 0]
    if not 2 <= values.ndim <= 4:
        raise MapFileError(
            f"The attention has the shape {' x '.join(map(str, shape)) or 'of one number'}; it must be queries x keys, "
            "heads x queries x keys or layers x heads x queries x keys (of five axes one may be a batch of 1)."
        )
    if not values.size:
        raise MapFileError(f"The attention has the shape {' x '.join(map(str, shape))}, which has no cells.")
    return values.reshape((1,) * (4 - values.ndim) + values.shape)


def _side(about: Mapping[str, Any], side: str, n: int) -> MapTokens:
    """Returns the tokens of one side: labels (numbers where there are none), which are markup, and their parts."""
    texts = [str(text) for text in _listed(about.get(side, range(n)), side, n)]
    special = [bool(x) for x in _listed(about.get(f"{side}_special", [False] * n), f"{side}_special", n)]
    parts = [str(x) for x in _listed(about.get(f"{side}_parts", [""] * n), f"{side}_parts", n)]
    return map_tokens(texts, special, parts)


def _listed(value: Any, name: str, n: int) -> list[Any]:
    if not isinstance(value, list | tuple | range) or any(isinstance(v, list | dict) for v in value):
        raise MapFileError(f"“{name}” must be a list with one entry for each of {n}.")
    if len(value) != n:
        raise MapFileError(f"There are {len(value)} “{name}”, and the attention has {n}: save one for each.")
    return list(value)


def _whole(name: str, value: Any, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**31:
        said = "whole numbers from 0 on" if least == 0 else "a whole number"
        raise MapFileError(f"“{name}” must be {said}, not {str(value)[:40]!r}.")
    return value


def _switch(value: Any) -> bool:
    if value not in (0, 1):
        raise MapFileError(f"“causal” must be 0 or 1, not {str(value)[:40]!r}: leave it out to have it found.")
    return bool(value)


def _reading_order(values: np.ndarray) -> tuple[bool, int]:
    """Returns (causal, place of the first query): nothing lies above the diagonal that ends in the last column."""
    queries, keys = values.shape[2:]
    offset = keys - queries
    if offset < 0 or queries < 2:
        return False, 0
    later = np.triu(np.ones((queries, keys), bool), offset + 1)
    causal = not np.nan_to_num(values[..., later]).any()
    return causal, offset if causal else 0


def _notes(values: np.ndarray) -> list[str]:
    """Returns what is unusual of attention weights, as sentences."""
    notes = []
    missing, below = int(np.isnan(values).sum()), int((values < 0).sum())
    if missing:
        notes.append(f"{missing:,} of {values.size:,} cells are not known (NaN).")
    if below:
        notes.append(f"{below:,} of {values.size:,} values are below 0, which weights of attention never are.")
    sums = values.sum(-1, dtype=np.float64)
    sums = sums[np.isfinite(sums)]
    apart = np.abs(sums - 1) > SUM_SLACK
    if apart.any():
        span = f"from {sums.min():.3g} to {sums.max():.3g}"
        notes.append(f"{int(apart.sum()):,} of {len(sums):,} rows do not sum to 1 (sums {span}): no whole rows.")
    return notes
