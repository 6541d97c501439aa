"""Reads the header of a GGUF file without loading the file, and validates it.

Why not the ``gguf`` library's reader: it takes 2 to 9 seconds (every token of the vocabulary becomes an object) and
fails on a damaged file with whatever numpy raises. Here arrays are skipped, every length is checked against the file,
and any defect is one ModelError. Format: the GGUF specification, versions 2 and 3, little-endian. Guarded by
tests/core/test_models_gguf_header.py.
"""

from __future__ import annotations

import mmap
import re
import struct
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from ..errors import ModelError
from .regular_files import open_regular

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_KEEP = 4096
"""Arrays of at most so many numbers are kept (per-layer settings); longer ones are skipped."""
_LONGEST_STRING = 10_000_000
"""Bytes of one text; chat templates have some 30,000."""


@dataclass(frozen=True)
class Header:
    """Metadata and tensor list of a GGUF file."""

    values: dict[str, Any]
    """Metadata; long arrays are None."""
    tensors: dict[str, tuple[tuple[int, ...], int, int]] = field(repr=False)
    """name: (shape, ggml type, offset in the data part)"""
    data_start: int
    size: int
    """Bytes of the file."""

    @property
    def architecture(self) -> str:
        """Name of the model family, as GGUF writes it."""
        return str(self.values.get("general.architecture", ""))

    @property
    def parameters(self) -> int:
        """Number of weights in all tensors."""
        return sum(prod(shape) for shape, _, _ in self.tensors.values())

    @property
    def template(self) -> str:
        """The chat template; empty where the file has none."""
        return str(self.values.get("tokenizer.chat_template") or "")

    def setting(self, name: str, default: Any = None) -> Any:
        """Returns an architecture setting such as ``context_length``."""
        return self.values.get(f"{self.architecture}.{name}", default)


def read_header(path: Path) -> Header:
    """Returns the header of ``path``. Raises ModelError for anything but a complete GGUF header."""
    try:
        with open_regular(path) as file:
            if file.read(4) != b"GGUF":
                raise ModelError(
                    f"{path} is no GGUF file (it does not begin with 'GGUF'): check that it was copied whole."
                )
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Reader(data).header()
    except (struct.error, ValueError, IndexError, OverflowError, UnicodeDecodeError, MemoryError) as error:
        raise ModelError(f"The header of {path} is damaged ({error}): copy or fetch the file again.") from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): check the path and your rights on it.") from error


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 4

    def header(self) -> Header:
        version = self._scalar("I")
        if version not in (2, 3):
            raise ValueError(f"GGUF version {version & 0xFFFF} is not 2 or 3, little-endian")
        tensors, pairs = self._scalar("Q"), self._scalar("Q")
        if tensors > 1_000_000 or pairs > 1_000_000:
            raise ValueError(f"{tensors} tensors and {pairs} settings")
        values = {}
        for _ in range(pairs):
            key = self._string()
            values[key] = self._value(self._scalar("I"))
        infos = {}
        for _ in range(tensors):
            name, axes = self._string(), self._scalar("I")
            if axes > 8:
                raise ValueError(f"tensor {name!r} has {axes} axes")
            shape = tuple(self._scalar("Q") for _ in range(axes))
            infos[name] = (shape, self._scalar("I"), self._scalar("Q"))
        alignment = values.get("general.alignment") or 32
        if not isinstance(alignment, int) or alignment < 1:
            raise ValueError(f"alignment {alignment!r}")
        return Header(values, infos, -(-self._at // alignment) * alignment, len(self._data))

    def _scalar(self, kind: str) -> Any:
        (value,) = struct.unpack_from(f"<{kind}", self._data, self._at)
        self._at += struct.calcsize(f"<{kind}")
        return value

    def _skip(self, length: int) -> int:
        start, end = self._at, self._at + length
        if end > len(self._data):
            raise ValueError(f"it needs {end} bytes and the file has {len(self._data)}")
        self._at = end
        return start

    def _string(self) -> str:
        length = self._scalar("Q")
        if length > _LONGEST_STRING:
            raise ValueError(f"a text of {length} bytes")
        start = self._skip(length)
        return self._data[start : self._at].decode("utf-8", errors="replace")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array()
        if kind not in _SCALARS:
            raise ValueError(f"value type {kind} is unknown")
        return self._scalar(_SCALARS[kind])

    def _array(self) -> list[Any] | None:
        kind, count = self._scalar("I"), self._scalar("Q")
        if kind == _STRING:
            for _ in range(count):
                self._skip(self._scalar("Q"))
            return None
        if kind not in _SCALARS:
            raise ValueError(f"array of type {kind} is unknown")
        start = self._skip(count * struct.calcsize(f"<{_SCALARS[kind]}"))
        return list(struct.unpack_from(f"<{count}{_SCALARS[kind]}", self._data, start)) if count <= _KEEP else None


def quantisation(header: Header) -> str:
    """Returns the GGUF type for display, e.g. ``Q4_K_M``: from the file type, else the most common tensor type."""
    from gguf.constants import GGMLQuantizationType, LlamaFileType

    try:
        name = LlamaFileType(header.values["general.file_type"]).name
        return re.sub("^(MOSTLY|ALL)_", "", name)
    except (KeyError, ValueError):
        kinds = [kind for shape, kind, _ in header.tensors.values() if len(shape) > 1]
        known = {k.value: k.name for k in GGMLQuantizationType}
        return known.get(max(set(kinds), key=kinds.count), "unknown") if kinds else "unknown"


def check_complete(header: Header, path: Path) -> None:
    """Raises ModelError when the file is one of several, lacks tensors, or ends before its last tensor does."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    parts = header.values.get("split.count")
    if (isinstance(parts, int) and parts > 1) or re.search(r"-\d{5}-of-\d{5}\.gguf$", path.name):
        raise ModelError(
            f"{path.name} is one part of a split GGUF: join the parts with llama-gguf-split --merge first."
        )
    if not header.tensors:
        raise ModelError(
            f"{path.name} holds no tensors: it is a vocabulary or an empty file, pick the model's own GGUF."
        )
    end = 0
    for name, (shape, kind, offset) in header.tensors.items():
        try:
            block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        except (ValueError, KeyError) as error:
            raise ModelError(
                f"Tensor {name} of {path.name} has the unknown type {kind}: use a GGUF of a common type such as Q8_0."
            ) from error
        end = max(end, header.data_start + offset + prod(shape) // block * size)
    if end > header.size:
        raise ModelError(
            f"{path.name} is cut off: it has {header.size:,} bytes and needs {end:,}; copy or fetch the file again."
        )
