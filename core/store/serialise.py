"""Converts records (the dataclasses of core/records) to plain JSON values plus named numpy arrays, and back.

The type hints of the records are the schema: nothing is listed twice, and a record that gains a field is written and
checked without a change here. Reading is strict, because files come from disks and from strangers: every field must be
there with its type, no other may be, and an array must have exactly the dtype and shape that the record keeps, so that
nothing is cast silently. No pickle anywhere.

``plain`` is {"schema": 1, "record": "Trace", "fields": {...}}; an array field holds {"array": NAME} and
``arrays[NAME]`` the values, NAME being the dotted path of the field ("rows.packed"). To add a record: one line in
RECORDS. To add a kind of field: one branch in ``_write`` and one in ``_read``. Guarded by
tests/core/test_store_serialise.py.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from .. import records
from ..errors import HeedError, StoreError
from ..records import SCHEMA

RECORDS = {
    name: getattr(records, name)
    for name in (
        *("Importance", "Message", "ModelKey", "ModelRef", "Request", "Rows"),
        *("Segment", "Source", "Tokens", "Trace", "Units", "Probe", "Attribution", "Part", "SwitchedOff"),
        *("Components", "AttentionMap", "AttentionMaps", "MapSeries", "MapTokens", "TextRequest"),
        *("MaskedToken", "TextReading", "Steering", "SteeredAnswers"),
    )
}
"""Every record that can be written, by name."""

Arrays = dict[str, np.ndarray]


def to_plain(record: Any) -> tuple[dict[str, Any], Arrays]:
    """Returns ``record`` as a JSON-able dict and the arrays it names. Raises TypeError for anything but a record."""
    name = type(record).__name__
    if RECORDS.get(name) is not type(record):
        raise TypeError(f"{name} is no record of core/records.")
    arrays: Arrays = {}
    return {"schema": SCHEMA, "record": name, "fields": _write_record(record, "", arrays)}, arrays


def from_plain(plain: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Rebuilds the record from what ``to_plain`` returned. Raises StoreError with one sentence on anything else."""
    if not isinstance(plain, dict) or set(plain) != {"schema", "record", "fields"}:
        raise StoreError("This is no record of Heed: it needs schema, record and fields.")
    if plain["schema"] != SCHEMA or type(plain["schema"]) is not int:
        raise StoreError(
            f"This record has schema {_short(plain['schema'])} and this Heed reads schema {SCHEMA}: "
            "run it again, or open it with the Heed that wrote it."
        )
    kind = RECORDS.get(plain["record"]) if isinstance(plain["record"], str) else None
    if kind is None:
        raise StoreError(f"Unknown record {_short(plain['record'])}, known are {', '.join(RECORDS)}.")
    unused = set(arrays)
    record = _read_record(kind, plain["fields"], kind.__name__, "", arrays, unused)
    if unused:
        raise StoreError(
            f"The record {kind.__name__} comes with arrays that it does not name: {_short(sorted(unused))}."
        )
    return record


@cache
def _hints(record: str) -> dict[str, Any]:
    """Returns field names and types of a record, by the record's name."""
    kind = RECORDS[record]
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind) if field.init}


def _is_free(hint: Any) -> bool:
    """Returns whether a field holds any JSON (``Mapping[str, Any]``): arrays in it become lists."""
    return get_origin(hint) is Mapping and get_args(hint)[1] is Any


def _write_record(record: Any, path: str, arrays: Arrays) -> dict[str, Any]:
    return {
        name: _write(getattr(record, name), f"{path}{name}", None if _is_free(hint) else arrays)
        for name, hint in _hints(type(record).__name__).items()
    }


def _write(value: Any, path: str, arrays: Arrays | None) -> Any:
    if isinstance(value, np.ndarray):
        if arrays is None:
            return _write(value.tolist(), path, None)
        arrays[path] = value
        return {"array": path}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{path} is {value}, which JSON cannot hold.")
        return value
    if isinstance(value, (tuple, list)):
        return [_write(item, f"{path}.{i}", arrays) for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {str(key): _write(item, f"{path}.{key}", arrays) for key, item in value.items()}
    if arrays is not None and type(value) in RECORDS.values():
        return _write_record(value, f"{path}.", arrays)
    raise TypeError(f"{path} is a {type(value).__name__}, which a record cannot hold.")


def _read_record(kind: type, plain: Any, where: str, path: str, arrays: Mapping, unused: set[str]) -> Any:
    hints = _hints(kind.__name__)
    later = {field.name for field in fields(kind) if "added" in field.metadata}  # absent from files of older versions
    if not isinstance(plain, dict) or (set(plain) ^ set(hints)) - (later - set(plain)):
        wrong = sorted(set(plain) ^ set(hints)) if isinstance(plain, dict) else type(plain).__name__
        raise StoreError(f"The stored {where} does not have the fields it should have: {_short(wrong)}.")
    values = {
        name: _read(hint, plain[name], f"{where}.{name}", f"{path}{name}", arrays, unused)
        for name, hint in hints.items()
        if name in plain
    }
    try:
        record = kind(**values)
    except (ValueError, TypeError, LookupError, OverflowError, AttributeError, HeedError) as error:
        raise StoreError(f"The stored {where} does not fit together: {error}") from error
    for name, given in values.items():
        _kept(given, getattr(record, name), f"{where}.{name}")
    return record


def _kept(given: Any, made: Any, where: str) -> None:
    """Raises StoreError unless the record kept an array as it was given: no cast, no reshape."""
    if isinstance(given, np.ndarray) and (given.dtype != made.dtype or given.shape != made.shape):
        raise StoreError(f"The stored {where} is {given.dtype} {given.shape}, expected {made.dtype} {made.shape}.")
    if isinstance(given, dict):
        for name, item in given.items():
            _kept(item, made[name], f"{where}.{name}")


def _read(hint: Any, plain: Any, where: str, path: str, arrays: Mapping, unused: set[str]) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if plain is None and type(None) in args:
            return None
        (inner,) = (arg for arg in args if arg is not type(None))
        return _read(inner, plain, where, path, arrays, unused)
    if hint is np.ndarray:
        return _read_array(plain, where, path, arrays, unused)
    if origin is Literal:
        if plain in args and type(plain) is type(args[0]):
            return plain
    elif hint is Any:
        return _read_free(plain, where)
    elif hint is float:
        if type(plain) is int or (type(plain) is float and math.isfinite(plain)):
            return plain
    elif hint in (int, str, bool):
        if type(plain) is hint:
            return plain
    elif origin is tuple and isinstance(plain, list):
        return _read_tuple(args, plain, where, path, arrays, unused)
    elif origin is Mapping and isinstance(plain, dict):
        return {k: _read(args[1], v, f"{where}.{k}", f"{path}.{k}", arrays, unused) for k, v in plain.items()}
    elif is_dataclass(hint) and isinstance(hint, type):
        return _read_record(hint, plain, where, f"{path}.", arrays, unused)
    raise StoreError(f"The stored {where} cannot be {_short(plain)}.")


def _read_array(plain: Any, where: str, path: str, arrays: Mapping, unused: set[str]) -> np.ndarray:
    if plain != {"array": path} or path not in arrays:
        raise StoreError(f"The stored {where} needs the array {path!r}, which is not there.")
    unused.discard(path)
    return arrays[path]


def _read_tuple(args: tuple, plain: list, where: str, path: str, arrays: Mapping, unused: set[str]) -> tuple:
    if args == (str, ...) and all(type(item) is str for item in plain):
        return tuple(plain)  # a fast path for the thousands of texts of a long prompt
    if args[-1] is Ellipsis:
        args = args[:1] * len(plain)
    if len(args) != len(plain):
        raise StoreError(f"The stored {where} has {len(plain)} entries, expected {len(args)}.")
    return tuple(
        _read(hint, item, f"{where}[{i}]", f"{path}.{i}", arrays, unused)
        for i, (hint, item) in enumerate(zip(args, plain, strict=True))
    )


def _read_free(plain: Any, where: str) -> Any:
    """Reads the value of a free field (``Mapping[str, Any]``): plain values, sequences as tuples, no arrays."""
    if isinstance(plain, list):
        return tuple(_read_free(item, where) for item in plain)
    if isinstance(plain, dict):
        return {key: _read_free(item, where) for key, item in plain.items()}
    if plain is None or isinstance(plain, (bool, int, str)) or (isinstance(plain, float) and math.isfinite(plain)):
        return plain
    raise StoreError(f"The stored {where} cannot hold {_short(plain)}.")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
