"""Stores what models read of texts (``TextReading``): one file each, below ``texts/``, under the store's size limit.

    texts/<id of the request>.maps    sha256 of the rest; then a safetensors file of the arrays and, in bytes, the JSON

A weight is kept in 16 bits, as in ``Rows``, with the true sum of each row, so within 1.6e-5 of what was computed. Every
byte is checked when it is read; a damaged file is dropped and counts as none. All of them can be computed again, so
they go first, the least used first, when space runs out. Guarded by tests/core/test_store_maps_files.py.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from .. import people, settings
from ..errors import StoreError
from ..records import SCALE, SCHEMA, TextReading, TextRequest
from .quarantine import set_aside
from .run_files import Damaged, pack_arrays, unpack_arrays, write_file
from .run_index import is_id, latest_time
from .serialise import from_plain, to_plain

LOG = logging.getLogger("heed")
RECORD_BYTES = "record"
"""The array that holds the JSON."""
DIGEST = 32
"""Bytes of the hash."""


def save_maps(reading: TextReading) -> str:
    """Stores ``reading`` under the id of its request and returns that. Raises StoreError when it cannot be written."""
    plain, arrays = to_plain(reading)
    from_plain(plain, arrays)  # fails now rather than as damage later
    record = np.frombuffer(json.dumps(plain, allow_nan=False).encode(), np.uint8)
    packed: dict[str, Any] = {RECORD_BYTES: record}
    for name, array in arrays.items():
        plain_array = array.view(np.uint8) if array.dtype == bool else array
        packed |= _packed(name, array) if name.endswith(".values") else {name: plain_array}
    data = pack_arrays(packed)
    path = _file(reading.id)
    try:
        settings.home()
        path.parent.mkdir(exist_ok=True)
        existed = path.exists()
        write_file(path, sha256(data).digest() + data)
        people.take_ownership("text", reading.id, existed)
    except OSError as error:
        raise StoreError(settings.unwritable_sentence(path.parent, error)) from error
    return reading.id


def load_maps(which: TextRequest | str) -> TextReading | None:
    """Returns the stored reading of a request or id, or None. A damaged file is set aside and counts as none."""
    text_id = which if isinstance(which, str) else which.id
    if not is_id(text_id):
        return None
    if not people.may_see("text", text_id):
        return None
    path = _file(text_id)
    try:
        whole = path.read_bytes()
        if sha256(whole[DIGEST:]).digest() != whole[:DIGEST]:
            raise Damaged("truncated or edited")
        arrays = unpack_arrays(whole[DIGEST:])
        plain = json.loads(arrays.pop(RECORD_BYTES).tobytes())
        if plain["schema"] != SCHEMA:
            return None  # of another version: intact, and made again here
        reading = from_plain(plain, _unpacked(arrays))
        if not isinstance(reading, TextReading) or reading.id != text_id:
            raise StoreError("it holds another reading than its name says")
    except FileNotFoundError:
        return None
    except (StoreError, ValueError, TypeError, LookupError, RecursionError) as error:
        LOG.warning("The stored maps %s are damaged: %s", text_id, error)
        with suppress(OSError):
            set_aside(path)
        return None
    except OSError as error:
        raise StoreError(f"The stored maps {text_id[:8]} cannot be read ({error.strerror}): check {path}.") from error
    with suppress(OSError):
        os.utime(path)
    return reading


def has_maps(which: TextRequest | str) -> bool:
    """Returns whether the reading of a request or id is stored; nothing is read."""
    text_id = which if isinstance(which, str) else which.id
    return is_id(text_id) and people.may_see("text", text_id) and _file(text_id).is_file()


def maps_bytes() -> int:
    """Returns the bytes that all stored readings take that the viewer may see."""
    seen = people.visible_ids("text")
    return sum(size for _, size, path in _stored() if seen is None or path.stem in seen)


def drop_maps(need: int) -> int:
    """Deletes readings, the least recently used first, until ``need`` bytes are free; returns the bytes freed."""
    freed, latest = 0, latest_time()
    for _, size, path in sorted(_stored(), key=lambda one: (one[0] <= latest, *one)):
        if freed >= need:
            break
        with suppress(OSError):
            path.unlink()
            freed += size
    return freed


def _file(text_id: str) -> Path:
    return settings.home_path() / "texts" / f"{text_id}.maps"


def _stored() -> list[tuple[float, int, Path]]:
    """Returns (time of last use, bytes, path) of each."""
    found = []
    for path in (settings.home_path() / "texts").glob("*.maps"):
        with suppress(OSError):
            seen = path.stat()
            found.append((seen.st_mtime, seen.st_size, path))
    return found


def _packed(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Returns float32 [layer, head, query, key] as 16 bits, and the sum of each row: NaN where there is no head."""
    sums = values.sum(-1, dtype=np.float32)
    roots = np.sqrt(np.maximum(np.nan_to_num(values), 0))
    return {f"{name}.packed": (roots * np.float32(SCALE) + np.float32(0.5)).astype(np.uint16), f"{name}.sums": sums}


def _unpacked(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    out = {
        name: array.view(bool) if array.dtype == np.uint8 else array  # safetensors holds no bool that Heed reads
        for name, array in arrays.items()
        if not name.endswith((".packed", ".sums"))
    }
    for name in (name.removesuffix(".packed") for name in arrays if name.endswith(".packed")):
        values = np.square(arrays[f"{name}.packed"].astype(np.float32))
        total = values.sum(-1, dtype=np.float64)
        values *= (arrays[f"{name}.sums"] / np.where(total > 0, total, 1)).astype(np.float32)[..., None]
        out[name] = values
    return out
