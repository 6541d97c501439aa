"""Takes arrays out of npz, npy and safetensors files of strangers: sizes are read first, and nothing is unpickled.

A zip can claim a small file and unpack to terabytes, a header can claim any shape, and a pickle can run any code. So
only headers are read until shape, dtype and size of a member are known to be allowed; then exactly as many bytes are
unpacked as its array needs. Guarded by tests/core/test_maps_map_files.py.
"""

from __future__ import annotations

import io
import json
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..errors import MapFileError

MOST_MAP_CELLS = 64_000_000
"""Cells of a file's attention, over all layers and heads (256 MB as float32)."""
MOST_TEXT_BYTES = 64_000_000
"""Bytes of all labels of one side."""
MOST_HEADER_BYTES = 16_000_000
SAFE_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
"""Numpy's names of the types of safetensors; bfloat16 is the upper half of a float32."""
DAMAGED = (ValueError, EOFError, OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)
DAMAGED_HEADER = (*DAMAGED, struct.error, KeyError, TypeError, AttributeError, IndexError, SyntaxError, RecursionError,
                  tokenize.TokenError)  # fmt: skip


class FileArrays(NamedTuple):
    """What a file holds: the arrays by name, and texts beside them (safetensors' metadata)."""

    arrays: dict[str, np.ndarray]
    texts: Mapping[str, str]


def read_npz(data: bytes, wanted: Collection[str], texts: Collection[str]) -> FileArrays:
    """Returns the arrays of an npz file: ``texts`` (labels and the like), ``wanted`` or, without one, the only other.

    Raises MapFileError where the file is damaged, an array is too large, holds objects, or it is not clear which one is
    meant.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = {n.removesuffix(".npy"): n for n in archive.namelist() if n.endswith(".npy")}
            found = {n: names[n] for n in [*_beside(names, texts), _meant(names, wanted, texts)]}
            arrays = {}
            for name, member in found.items():
                with archive.open(member) as file:
                    arrays[name] = _read_array(file, name, name not in texts, archive.getinfo(member).file_size)
        return FileArrays(arrays, {})
    except DAMAGED_HEADER as error:
        raise MapFileError("This npz file is damaged or is no npz file: save it again with numpy.savez.") from error


def read_npy(data: bytes, wanted: Collection[str]) -> FileArrays:
    """Returns the one array of an npy file under the first name of ``wanted``. Raises MapFileError."""
    name = next(iter(wanted))
    try:
        return FileArrays({name: _read_array(io.BytesIO(data), name, True, len(data))}, {})
    except DAMAGED_HEADER as error:
        raise MapFileError("This npy file is damaged or is no npy file: save it again with numpy.save.") from error


def read_safetensors(data: bytes, wanted: Collection[str], texts: Collection[str]) -> FileArrays:
    """Returns the arrays and the metadata of a safetensors file, chosen as by ``read_npz``. Raises MapFileError.

    float16 is read as it is, bfloat16 as float32. The header is checked here, the places of the tensors by the library.
    """
    from safetensors import SafetensorError, deserialize

    try:
        header = _safe_header(data)
        metadata = {str(k): str(v) for k, v in (header.pop("__metadata__", None) or {}).items()}
        names = [*_beside(header, texts), _meant(header, wanted, texts)]
        for name in names:
            kind = SAFE_DTYPES.get(str(header[name]["dtype"]))
            if kind is None:
                raise MapFileError(f"The array “{name}” has the type {header[name]['dtype']}: save it as float32.")
            _check_size(name, header[name]["shape"], np.dtype(kind), name not in texts)
        tensors = dict(deserialize(data))
        return FileArrays({name: _safe_array(tensors[name]) for name in names}, metadata)
    except (*DAMAGED_HEADER, SafetensorError) as error:
        raise MapFileError("This safetensors file is damaged or is none: save it again with safetensors.") from error


def _safe_header(data: bytes) -> dict[str, Any]:
    (length,) = struct.unpack("<Q", data[:8])
    if length > min(len(data) - 8, MOST_HEADER_BYTES):
        raise ValueError(f"a header of {length} bytes in a file of {len(data)}")
    header = json.loads(data[8 : 8 + length])
    if not isinstance(header, dict):
        raise TypeError(type(header))
    return header


def _safe_array(tensor: Mapping[str, Any]) -> np.ndarray:
    kind = str(tensor["dtype"])
    values = np.frombuffer(bytes(tensor["data"]), SAFE_DTYPES[kind]).reshape(tensor["shape"])
    return (values.astype("<u4") << np.uint32(16)).view("<f4") if kind == "BF16" else values


def _beside(names: Collection[str], texts: Collection[str]) -> list[str]:
    return [name for name in names if name in texts]


def _meant(names: Collection[str], wanted: Collection[str], texts: Collection[str]) -> str:
    """Returns the name of the array with the attention: the first of ``wanted`` that is there, else the only one."""
    for name in wanted:
        if name in names:
            return name
    others = [name for name in names if name not in texts]
    if len(others) == 1:
        return others[0]
    first = next(iter(wanted))
    if not others:
        raise MapFileError(f"This file holds no array of attention: save it under the name “{first}”.")
    shown = ", ".join(others[:4]) + (f" and {len(others) - 4} more" if len(others) > 4 else "")
    raise MapFileError(f"This file holds several arrays ({shown}): call the one with attention “{first}”.")


def _read_array(file: Any, name: str, numbers: bool, size: int) -> np.ndarray:
    """Returns the array of an open npy file of ``size`` bytes, of which first only the header is read."""
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"npy version {version}")
    shape, fortran, kind = reader(file, max_header_size=10_000)
    _check_size(name, shape, kind, numbers)
    needed = math.prod(shape) * kind.itemsize
    if needed > size:
        raise ValueError(f"{needed} bytes are claimed in {size}")
    held = file.read(needed)
    if len(held) < needed:
        raise EOFError(name)
    values = np.frombuffer(held, kind) if kind.itemsize else np.zeros(shape, kind)
    return values.reshape(shape, order="F" if fortran else "C")


def _check_size(name: str, shape: Any, kind: np.dtype, numbers: bool) -> None:
    """Raises MapFileError where an array is no plain array of numbers (or texts), or too large to be read."""
    sizes = list(shape)
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in sizes):
        raise ValueError(f"shape {sizes}")
    if kind.hasobject:
        raise MapFileError(f"The array “{name}” holds Python objects, which are never loaded: save plain numbers.")
    if numbers and kind.kind not in "fiub":
        raise MapFileError(f"The array “{name}” has the type {kind}: attention is real numbers, such as float32.")
    cells = math.prod(sizes)
    if numbers and cells > MOST_MAP_CELLS:
        written = " x ".join(map(str, sizes))
        raise MapFileError(
            f"The array “{name}” has {written} = {cells:,} cells; at most {MOST_MAP_CELLS:,} are read: save fewer "
            "layers, heads or tokens."
        )
    if not numbers and (kind.kind not in "USiubf" or cells * kind.itemsize > MOST_TEXT_BYTES):
        raise MapFileError(f"The array “{name}” is no list of labels: save one text for each token.")
