"""Writes and reads a run as one JSON file that a person can read, a script can parse and Heed opens again.

    {"format": "heed-run", "version": 1,
     "id", "model", "fingerprint", "versions", "prompt", "answer", "settings", "finish", "notes",
     "tokens": {"input": [...], "output": [...], "logprobs": [...]},      <- for readers, not read back
     "trace": {...},                                                      <- the record, see serialise.py
     "arrays": {NAME: {"dtype": "float32", "shape": [...], "data": base64 of zlib of little-endian bytes}},
     "sha256": hex digest of the JSON of [trace, arrays] with sorted keys, no spaces, ASCII only}

Files come from strangers: nothing in them is run, sizes are bounded before anything is unpacked, every
shape is checked, the id is computed again, and what a person reads must be what the record says. The
digest notices damage; it is no signature. Guarded by tests/core/test_store_json_files.py.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any

import numpy as np

from ..errors import StoreError
from ..records import Segment, Trace
from .import_checks import check_trace
from .run_files import prompt_of
from .serialise import from_plain, to_plain

RUN_FORMAT, RUN_FILE_VERSION = "heed-run", 1
MAX_FILE = 384 * 2**20
"""Most bytes of a file that is opened: the largest that ``run_to_json`` writes of one run."""
MAX_ARRAYS = 512 * 2**20
"""Most bytes of its unpacked arrays; a run with more is exported without attention rows."""
MAX_VALUES = 3_000_000
"""Most values of its JSON, counted by punctuation: a run of 8,192 tokens has some 400,000."""
COPIES = 5
"""How many times the bytes of a file are held at once while it is parsed and its digest is computed."""
ARRAY_DTYPES = {"float32": "<f4", "float16": "<f2", "int32": "<i4", "int64": "<i8", "uint16": "<u2"}
NO_MEMORY_TO_OPEN = (
    "There is not enough memory to open this file: close other programs, or save the run without its rows."
)
LEFT_OUT = "The attention rows were left out of this file, which would have become too large."


def run_to_json(trace: Trace, rows: bool = True) -> bytes:
    """Returns ``trace`` as a self-contained file, without attention rows for ``rows=False`` or above 256 MB of them."""
    if trace.rows is not None and (not rows or trace.rows.nbytes > MAX_ARRAYS // 2):
        trace = replace(trace, rows=None, encoder_rows=None, decoder_rows=None, notes=(*trace.notes, LEFT_OUT))
    plain, arrays = to_plain(trace)
    packed = {name: _pack(array) for name, array in arrays.items()}
    head = {"format": RUN_FORMAT, "version": RUN_FILE_VERSION, **_readable(trace)}
    whole = head | {"trace": plain, "arrays": packed, "sha256": _digest(plain, packed)}
    # what UTF-8 cannot hold (half a surrogate pair) is written as JSON's own escape
    return json.dumps(whole, indent=1, allow_nan=False, ensure_ascii=False).encode("utf-8", "backslashreplace")


def parse_json(data: bytes | str) -> Any:
    """Parses a file's JSON, without checking its contents. Raises StoreError: too large, no JSON, no memory."""
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    if len(data) > MAX_FILE:
        raise StoreError(
            f"This file has {len(data):,} bytes; a file to open has at most {MAX_FILE:,}: save the run without its "
            "rows."
        )
    if sum(data.count(mark) for mark in (b"[", b"{", b",")) > MAX_VALUES:
        raise StoreError(
            f"This file holds more than {MAX_VALUES:,} values, more than any run: choose one that Heed saved."
        )
    _check_memory(len(data) * COPIES)
    try:
        return json.loads(data)
    except MemoryError as error:
        raise StoreError(NO_MEMORY_TO_OPEN) from error
    except (ValueError, RecursionError) as error:
        raise StoreError("This file is no JSON, or was cut off: choose a file that was saved as JSON.") from error


def _check_memory(needed: int) -> None:
    """Raises StoreError where so many bytes are more than half of what the machine has free."""
    from psutil import virtual_memory

    if needed > virtual_memory().available // 2:
        raise StoreError(NO_MEMORY_TO_OPEN)


def run_from_json(data: bytes | str) -> Trace:
    """Reads the run that ``run_to_json`` wrote. Raises StoreError with one sentence on anything else."""
    whole = parse_json(data)
    if not isinstance(whole, dict) or whole.get("format") != RUN_FORMAT:
        raise StoreError("This file is no run of Heed: choose one that was saved as JSON on the page Explore.")
    if type(whole.get("version")) is not int or whole["version"] != RUN_FILE_VERSION:
        raise StoreError("This file was written by another version of Heed: update Heed, or save the run again there.")
    try:
        trace = _open(whole)
    except MemoryError as error:
        raise StoreError(NO_MEMORY_TO_OPEN) from error
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise StoreError("This file does not hold a whole run: save it again where it came from.") from error
    return trace


def _open(whole: dict[str, Any]) -> Trace:
    plain, packed = whole["trace"], whole["arrays"]
    if not isinstance(packed, dict) or whole["sha256"] != _digest(plain, packed):
        raise StoreError("This file was damaged or edited after it was saved: save the run again where it came from.")
    _bound(packed)
    trace = from_plain(plain, {name: _unpack(name, entry) for name, entry in packed.items()})
    if not isinstance(trace, Trace):
        raise StoreError("This file holds no run but another record of Heed.")
    check_trace(trace)
    for name, value in _readable(trace).items():
        if whole.get(name) != json.loads(json.dumps(value)):
            raise StoreError(f"The field {name!r} of this file does not say what its record holds: it was edited.")
    return trace


def _plain_segment(segment: Segment) -> dict[str, Any]:
    """Returns its fields; without a label it says what it said before there was any."""
    return {name: value for name, value in asdict(segment).items() if name != "label" or value}


def _readable(trace: Trace) -> dict[str, Any]:
    """Returns the fields that a person or a script can read without unpacking anything."""
    request = trace.request
    settings = {
        name: value
        for name, value in asdict(request).items()
        if name not in ("model", "messages", "text", "token_ids", "answer", "answer_ids", "segments", "versions")
    }
    if not request.steering:  # files of plain runs say what they said before there was any steering
        settings.pop("steering")
    return {
        "id": trace.id,
        "model": trace.model.caption,
        "fingerprint": request.model.fingerprint,
        "versions": dict(request.versions),
        "prompt": prompt_of(request) or "".join(trace.input_tokens),
        "messages": [asdict(message) for message in request.messages],
        "segments": [_plain_segment(segment) for segment in request.segments],
        "answer": trace.answer,
        "settings": settings,
        "finish": trace.finish,
        "notes": list(trace.notes),
        "tokens": {
            "input": list(trace.input_tokens),
            "output": list(trace.output_tokens),
            "logprobs": [_number(value) for value in trace.logprobs],
        },
    }


def _number(value: np.float32) -> float | str:
    """Rounds to six decimals for a reader; infinities become text, since JSON has none."""
    return round(float(value), 6) if np.isfinite(value) else str(value)


def _digest(plain: Any, packed: Any) -> str:
    text = json.dumps([plain, packed], sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def _pack(array: np.ndarray) -> dict[str, Any]:
    little = np.ascontiguousarray(array, dtype=ARRAY_DTYPES[array.dtype.name])
    data = base64.b64encode(zlib.compress(little.tobytes(), 6 if little.nbytes < 2**22 else 1)).decode()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}


def _bytes_of(name: str, entry: Any) -> int:
    """Returns the bytes that an entry claims to unpack to. Raises StoreError for a malformed entry."""
    if not isinstance(entry, Mapping) or set(entry) != {"dtype", "shape", "data"} or entry["dtype"] not in ARRAY_DTYPES:
        raise StoreError(f"The array {name[:80]!r} of this file needs a known dtype, a shape and data.")
    shape = entry["shape"]
    if not isinstance(shape, list) or len(shape) > 4 or any(type(n) is not int or not 0 <= n < 2**31 for n in shape):
        raise StoreError(f"The array {name[:80]!r} of this file has an impossible shape.")
    size = np.dtype(ARRAY_DTYPES[entry["dtype"]]).itemsize
    for n in shape:
        size *= n
    return size


def _bound(packed: dict[str, Any]) -> None:
    total = sum(_bytes_of(name, entry) for name, entry in packed.items())
    if total > MAX_ARRAYS:
        raise StoreError(
            f"The arrays of this file would take {total:,} bytes; a run to open has at most {MAX_ARRAYS:,}: save the "
            "run without its rows."
        )
    _check_memory(total)


def _unpack(name: str, entry: Mapping[str, Any]) -> np.ndarray:
    size, engine = _bytes_of(name, entry), zlib.decompressobj()
    try:
        data = engine.decompress(base64.b64decode(entry["data"], validate=True), size + 1)
    except (zlib.error, ValueError, TypeError) as error:
        raise StoreError(f"The array {name[:80]!r} of this file is damaged: save the run again.") from error
    if len(data) != size or not engine.eof or engine.unused_data:
        raise StoreError(f"The array {name[:80]!r} of this file does not have the size that it says.")
    dtype = np.dtype(ARRAY_DTYPES[entry["dtype"]])
    return np.frombuffer(data, dtype).astype(dtype.newbyteorder("="), copy=False).reshape(entry["shape"])
