"""Reads and writes one run on disk: a folder of a few files, and a manifest with the size and hash of each.

    runs/<id>/trace.json           the record, without arrays
              arrays.safetensors   its small arrays (tokens, log-probabilities, mass)
              rows.safetensors     attention rows, large; absent when not kept or evicted
              components.*         .json and .safetensors: the model's other parts; as the rows, and evicted with them
              probe-*              results of ablation, see probe_files.py; none at first
              manifest.json        written last: size and sha256 of each file, a summary for lists, where
                                   the run comes from; its second line is the sha256 of its first
              used                 empty; its time is when the run was last opened

Why not one file: rows are a hundred times larger than the rest and are dropped first when space runs
out; then only the manifest is replaced. Why hashes: a run that was half written, edited or half copied
looks complete. Every byte that is read is checked, which costs some 40 ms for 38 MB. safetensors and
JSON hold no code, so nothing is ever unpickled. Guarded by tests/core/test_store_run_files.py.
"""

from __future__ import annotations

import json
import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import numpy as safetensors

from ..errors import StoreError
from ..records import SCHEMA, Components, Request, Trace
from ..unfinished import unfinished_prefix
from .serialise import from_plain, to_plain

RECORD, ARRAYS, ROWS, MANIFEST, USED = "trace.json", "arrays.safetensors", "rows.safetensors", "manifest.json", "used"
ROW_FIELDS = ("rows", "encoder_rows", "decoder_rows")
"""The fields of a Trace that lie in ROWS."""
COMPONENT_FILES = ("components.json", "components.safetensors")
FOLDER_FORMAT = "heed-run-folder"
PROBE = "probe-"
"""Prefix of the files that are dropped together with the rows."""
_KINDS = (("F32", "<f4"), ("F16", "<f2"), ("I32", "<i4"), ("I64", "<i8"), ("U16", "<u2"), ("U8", "u1"))
TENSOR_DTYPES = {name: np.dtype(kind) for name, kind in _KINDS}
"""The dtypes that records hold, by their name in a safetensors file."""
MAPPED = 64 << 20
"""Bytes from which a file of rows is read where it lies, page by page as needed."""
OWN, IMPORTED = "own", "imported"
"""Where a run comes from: made here (or with Heed itself), or opened from a file. Manifests without it count as own."""
DOUBTED = "unproven"
"""What a manifest that was built anew calls the files whose hash its damaged predecessor did not hold any more."""
SEARCHED = 20_000
"""Characters of prompt and answer that the manifest repeats, for lists and search."""


class Damaged(StoreError):
    """A file of a run is missing, truncated or edited."""


@dataclass(frozen=True)
class Manifest:
    """What a run's folder must hold, and its summary for lists."""

    id: str
    schema: int
    files: dict[str, tuple[int, str]]
    """Name -> (bytes, sha256)."""
    info: dict[str, Any]

    @property
    def rows_bytes(self) -> int:
        """Bytes of the attention rows; 0 where they are not kept."""
        return self.files.get(ROWS, (0, ""))[0]

    @property
    def components_bytes(self) -> int:
        """Bytes of the components; 0 where they are not kept."""
        return sum(self.files.get(name, (0, ""))[0] for name in COMPONENT_FILES)

    @property
    def origin(self) -> str:
        """OWN or IMPORTED."""
        return IMPORTED if self.info.get("origin") == IMPORTED else OWN

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(size for size, _ in self.files.values())


def write_file(path: Path, data: bytes | Iterable[bytes]) -> tuple[int, str]:
    """Writes all of ``data`` or nothing: a reader sees the old file or the new one. Raises OSError.

    Returns (bytes, sha256): pieces are written and hashed one by one, so that they need not be in memory together.
    """
    handle, name = tempfile.mkstemp(prefix=unfinished_prefix(), dir=path.parent)
    size, digest = 0, sha256()
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in (data,) if isinstance(data, bytes) else data:
                file.write(piece)
                digest.update(piece)
                size += len(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    return size, digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Makes renames inside ``folder`` survive a power cut, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_run(folder: Path, trace: Trace, origin: str = OWN) -> Manifest:
    """Writes ``trace`` into the empty ``folder``, manifest last; ``origin`` stands in the manifest alone.

    Raises OSError, and StoreError for a record whose fields have other types than they should, rather than have it fail
    when it is opened.
    """
    plain, arrays = to_plain(replace(trace, components=None))
    from_plain(plain, arrays)
    rows = {name: array for name, array in arrays.items() if name.startswith(tuple(f"{one}." for one in ROW_FIELDS))}
    small = {name: array for name, array in arrays.items() if name not in rows}
    contents: dict[str, bytes | Iterable[bytes]] = {
        RECORD: json.dumps(plain, allow_nan=False).encode(),
        ARRAYS: pack_arrays(small),
    }
    if rows:
        contents[ROWS] = array_pieces(rows)
    if trace.components is not None:
        parts, numbers = to_plain(trace.components)
        from_plain(parts, numbers)
        packed = json.dumps(parts, allow_nan=False).encode(), pack_arrays(numbers)
        contents |= dict(zip(COMPONENT_FILES, packed, strict=True))
    files = {name: write_file(folder / name, data) for name, data in contents.items()}
    info = manifest_info(trace) | ({} if origin == OWN else {"origin": origin})
    manifest = Manifest(trace.id, SCHEMA, files, info)
    (folder / USED).touch()
    write_manifest(folder, manifest)
    return manifest


def mark_imported(folder: Path) -> None:
    """Notes in a run's manifest that it came from a file. Raises OSError, Damaged."""
    manifest = read_manifest(folder)
    write_manifest(folder, replace(manifest, info=manifest.info | {"origin": IMPORTED}))


def read_manifest(folder: Path) -> Manifest:
    """Returns the manifest of a run's folder. Raises Damaged, and FileNotFoundError when there is no such folder."""
    data = _bytes(folder, MANIFEST)
    body, _, check = data.partition(b"\n")
    if check != sha256(body).hexdigest().encode() + b"\n":
        raise Damaged(f"{MANIFEST} was truncated or edited")
    try:
        plain = json.loads(body)
        files = {str(name): (int(size), str(digest)) for name, (size, digest) in plain["files"].items()}
        return Manifest(str(plain["id"]), int(plain["schema"]), files, dict(plain["info"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Damaged(f"{MANIFEST} is no manifest of a run") from error


def read_run(folder: Path, rows: bool = True) -> Trace:
    """Returns the run in ``folder``, every byte read checked against the manifest.

    ``rows=False`` leaves the attention rows and the components on disk and unchecked. Raises Damaged, StoreError for a
    run that another version wrote, FileNotFoundError when there is no such folder.
    """
    manifest = read_manifest(folder)
    if manifest.schema != SCHEMA:
        raise StoreError(
            f"This run has schema {manifest.schema} and this Heed reads schema {SCHEMA}: "
            "run it again, or open it with the Heed that wrote it."
        )
    try:
        plain = json.loads(_checked(folder, RECORD, manifest))
        arrays = unpack_arrays(_checked(folder, ARRAYS, manifest))
        if rows and ROWS in manifest.files:
            arrays |= unpack_arrays(_mapped(folder, ROWS, manifest))
        else:
            plain["fields"] |= dict.fromkeys(set(ROW_FIELDS) & set(plain["fields"]))
        trace = from_plain(plain, arrays)
        if rows and isinstance(trace, Trace) and manifest.components_bytes:
            trace = replace(trace, components=_components(folder, manifest))
    except Damaged:
        raise
    except (ValueError, TypeError, LookupError, RecursionError, StoreError) as error:
        raise Damaged(f"{RECORD} does not hold a run ({error})") from error
    if not isinstance(trace, Trace) or {trace.id, manifest.id} != {folder.name}:
        raise Damaged("it holds another run than its name says")
    return _with_doubts(trace, manifest)


def _with_doubts(trace: Trace, manifest: Manifest) -> Trace:
    """Returns ``trace`` with a note on files of which nothing proves that they are as they were written."""
    names = [name for name in manifest.info.get(DOUBTED, ()) if name in manifest.files]
    if not names:
        return trace
    note = (
        f"The list of this run's files was damaged on disk and was built anew; nothing proves that {', '.join(names)} "
        "is as it was written. To be sure, delete this run and run it again."
    )
    return replace(trace, notes=(*trace.notes, note))


def _components(folder: Path, manifest: Manifest) -> Components:
    plain, packed = (_checked(folder, name, manifest) for name in COMPONENT_FILES)
    found = from_plain(json.loads(plain), unpack_arrays(packed))
    if not isinstance(found, Components):
        raise Damaged(f"{COMPONENT_FILES[0]} holds another record than its name says")
    return found


def verify_run(folder: Path) -> None:
    """Checks every file of a run without building it. Raises like ``read_run``."""
    manifest = read_manifest(folder)
    for name in manifest.files:
        _checked(folder, name, manifest)


def drop_rows(folder: Path) -> int:
    """Deletes what can be computed again (rows, components, probes), manifest first; returns the bytes freed.

    Raises OSError, Damaged.
    """
    names = read_manifest(folder).files
    return drop_files(folder, [n for n in names if n in (ROWS, *COMPONENT_FILES) or n.startswith(PROBE)])


def drop_files(folder: Path, names: Iterable[str]) -> int:
    """Deletes these files of a run (the lock is held), manifest first; returns the bytes freed.

    Raises OSError, Damaged.
    """
    manifest = read_manifest(folder)
    gone = [name for name in names if name in manifest.files]
    if not gone:
        return 0
    files = {name: entry for name, entry in manifest.files.items() if name not in gone}
    write_manifest(folder, replace(manifest, files=files))
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    return manifest.bytes - sum(size for size, _ in files.values())


def add_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Adds files to a run (the lock is held), all of them or none: the manifest is written last.

    Raises OSError, Damaged, FileNotFoundError when there is no such run.
    """
    manifest = read_manifest(folder)
    new = {name: write_file(folder / name, data) for name, data in contents.items()}
    write_manifest(folder, replace(manifest, files=manifest.files | new))


def read_files(folder: Path, names: Sequence[str]) -> list[bytes] | None:
    """Returns complete, checked files of a run, or None when the manifest lacks one. Raises as ``read_manifest``."""
    manifest = read_manifest(folder)
    if not set(names) <= set(manifest.files):
        return None
    return [_checked(folder, name, manifest) for name in names]


def prompt_of(request: Request) -> str:
    """Returns the prompt as a person wrote it: raw text, or the messages one under the other."""
    return request.text or "\n".join(message.content for message in request.messages)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest of a run's folder, with its own hash. Raises OSError."""
    write_file(folder / MANIFEST, manifest_bytes(manifest))
    note_change()
    sync_folder(folder)


_changes = 0


def note_change() -> None:
    """Counts a change inside a run's folder, which the time of the folder of all runs does not tell of."""
    global _changes
    _changes += 1


def changes() -> int:
    """Returns how many changes inside run folders this process has made."""
    return _changes


def manifest_bytes(manifest: Manifest) -> bytes:
    """Returns the two lines of a manifest's file: what it says, and the sha256 of that."""
    plain = {"format": FOLDER_FORMAT, "schema": manifest.schema, "id": manifest.id}
    body = json.dumps(plain | {"files": manifest.files, "info": manifest.info}).encode()
    return body + b"\n" + sha256(body).hexdigest().encode() + b"\n"


def manifest_info(trace: Trace) -> dict[str, Any]:
    """Returns what the manifest tells lists of a run."""
    prompt = prompt_of(trace.request) or "".join(trace.input_tokens)
    answer = trace.answer or "".join(trace.output_tokens)
    return {
        "created": trace.created,
        "model": trace.model.caption,
        "model_name": trace.model.key.name,
        "prompt": prompt[:SEARCHED],
        "answer": answer[:SEARCHED],
        "finish": trace.finish,
        "tokens_in": trace.prompt_length,
        "tokens_out": trace.steps,
        "scored": trace.request.scored,
        "by_head": trace.rows is not None and bool((trace.rows.heads >= 0).all()),
    }


def pack_arrays(arrays: dict[str, np.ndarray]) -> bytes:
    """Returns the arrays as the bytes of a safetensors file."""
    return safetensors.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def array_pieces(arrays: Mapping[str, np.ndarray]) -> Iterator[bytes]:
    """Yields the bytes of a safetensors file (https://huggingface.co/docs/safetensors) in pieces of at most one page.

    A page is what the first axis of an array counts; the library's own writer needs the whole file in memory.
    """
    order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))  # so that each begins at its own width
    ends = np.cumsum([arrays[name].nbytes for name in order]).tolist()
    header = {
        name: {
            "dtype": next(key for key, kind in TENSOR_DTYPES.items() if kind == arrays[name].dtype),
            "shape": arrays[name].shape,
            "data_offsets": [end - arrays[name].nbytes, end],
        }
        for name, end in zip(order, ends, strict=True)
    }
    told = json.dumps(header).encode()
    told += b" " * (-len(told) % 8)
    yield len(told).to_bytes(8, "little") + told
    for name in order:
        array = arrays[name]
        for page in array if array.ndim > 1 else (array,):
            yield page.tobytes()


def unpack_arrays(data: Any) -> dict[str, np.ndarray]:
    """Returns the arrays of a safetensors file as read-only views of ``data``, bytes or a mapped file.

    The library's own reader copies every byte, which takes as long as checking them. Raises ValueError,
    KeyError or TypeError on anything unexpected.
    """
    size = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + size]), memoryview(data)[8 + size :]
    arrays = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        arrays[name] = np.frombuffer(body[first:last], TENSOR_DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays


def _bytes(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        if not folder.is_dir():
            raise FileNotFoundError(folder) from error
        raise Damaged(f"{name} is missing") from error


def _mapped(folder: Path, name: str, manifest: Manifest) -> Any:
    """Returns a checked file as bytes; one of MAPPED bytes or more stays on disk, mapped, once all of it was checked.

    Not on Windows, where a file that is mapped cannot be deleted.
    """
    size, digest = manifest.files[name]
    if size < MAPPED or os.name == "nt":
        return _checked(folder, name, manifest)
    try:
        with (folder / name).open("rb") as file:
            seen = os.fstat(file.fileno()).st_size
            if seen != size:
                raise Damaged(f"{name} has {seen:,} bytes instead of {size:,}")
            if file_digest(file, "sha256").hexdigest() != digest:
                raise Damaged(f"{name} was edited")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        if not folder.is_dir():
            raise FileNotFoundError(folder) from error
        raise Damaged(f"{name} is missing") from error


def _checked(folder: Path, name: str, manifest: Manifest) -> bytes:
    if name not in manifest.files:
        raise Damaged(f"{name} is missing from its manifest")
    size, digest = manifest.files[name]
    data = _bytes(folder, name)
    if len(data) != size:
        raise Damaged(f"{name} has {len(data):,} bytes instead of {size:,}")
    if sha256(data).hexdigest() != digest:
        raise Damaged(f"{name} was edited")
    return data
