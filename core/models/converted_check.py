"""Checks converted weights against the hashes that were written with them, once in a process.

A converted folder is Heed's own and may lie on a disk for years; a flipped bit in it would change every number of every
run without a word. So conversion writes the sha256 of each file into ``heed.json``, and the first load in a process
reads the files through once (SmolLM2 with 135 million weights, 542 MB: 0.4 s on one core). Sizes and times of what was
checked are remembered, so that a file that changes is checked again. A folder from before there were hashes gets them
when it is first loaded. Guarded by tests/core/test_models_converted_check.py.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import HeedError, ModelError
from ..seals import with_seal, without_seal
from .paths import hash_file, read_json_file, write_json_file

NOTE = "heed.json"
"""The file of a converted folder that holds what is known of it."""
HASHES = "files"
"""Its key with {name: sha256}."""
_checked: set[tuple[str, int, int]] = set()


def hashes_of(folder: Path) -> dict[str, str]:
    """Returns {name: sha256} of the files of a converted folder."""
    return {path.name: hash_file(path) for path in _files(folder)}


def write_note(folder: Path, facts: dict[str, Any]) -> None:
    """Writes ``facts`` and the hash of every file into the folder. Raises OSError."""
    write_json_file(folder / NOTE, with_seal(facts | {HASHES: hashes_of(folder)}))


def check_converted(folder: Path) -> None:
    """Raises ModelError where a file of a converted folder is not what was written; reads each only once a process."""
    stamps = {path: _stamp(path) for path in [*_files(folder), folder / NOTE]}
    if _checked.issuperset(stamps.values()):
        return
    plain = read_json_file(folder / NOTE)
    try:
        known = without_seal(plain).get(HASHES) if plain else {NOTE: "damaged"}
    except ValueError:
        known = {NOTE: "damaged"}
    if known is None:
        with suppress(HeedError, OSError):  # a read-only folder stays as it is
            write_note(folder, plain)
    elif hashes_of(folder) != known:
        raise ModelError(f"The converted model in {folder} was damaged on disk: fetch it again, which converts it.")
    _checked.update(_stamp(path) for path in stamps)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name != NOTE and path.name[0] != "." and path.is_file())


def _stamp(path: Path) -> tuple[str, int, int]:
    seen = path.stat()
    return str(path), seen.st_size, seen.st_mtime_ns
