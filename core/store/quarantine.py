"""Sets damaged runs aside where a person can still get at them, and builds a manifest anew where only that is damaged.

A flipped bit makes a file fail its hash; all the others are intact and may be all that is left of an expensive run. So
nothing damaged is deleted: it moves to ``HEED_HOME/damaged/NAME-TIME``, and the oldest of it goes once there is much.
A manifest is only a list: where the files still make up the run that their folder is named after, it is written anew.
Guarded by tests/core/test_store_quarantine.py.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from .. import people, settings
from ..errors import StoreError
from ..records import SCHEMA, Components, Trace
from ..unfinished import delete_path
from . import run_files
from .import_checks import check_trace
from .serialise import from_plain

LOG = logging.getLogger("heed")
MOST_SET_ASIDE, MOST_BYTES_ASIDE = 50, 2 * 10**9
"""Most runs and bytes that are kept of what was damaged; beyond them the oldest goes."""


def set_aside(path: Path) -> Path:
    """Moves a damaged folder or file to ``HEED_HOME/damaged`` (the lock is held); returns where it is now.

    Raises OSError where it cannot be moved: it then stays where it was.
    """
    root = _aside()
    root.mkdir(exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    place = root / f"{path.name}-{stamp}"
    os.rename(path, place)
    LOG.warning("%s is damaged and was moved to %s", path.name, place)
    with suppress(OSError):
        os.utime(place)
        _bound(root, place)
    return place


def set_aside_paths() -> list[Path]:
    """Returns what was set aside as damaged, the oldest first; nothing to a person who signed in."""
    return [] if people.viewer() is not None else _set_aside_paths()


def _set_aside_paths() -> list[Path]:
    try:
        found = [(entry.stat(follow_symlinks=False).st_mtime_ns, entry.path) for entry in os.scandir(_aside())]
    except OSError:
        return []
    return [Path(path) for _, path in sorted(found)]


def delete_set_aside() -> None:
    """Deletes all that was set aside as damaged."""
    for path in set_aside_paths():
        delete_path(path)


def rebuild_manifest(folder: Path) -> bool:
    """Writes the manifest of a run's folder anew where it alone is damaged (the lock is held); whether it did.

    The record's files must parse, contradict themselves nowhere and make up the run that the folder is named after.
    Files whose hash still stands in the damaged manifest are known to be intact; a note of the run tells of others.
    """
    try:
        run_files.read_manifest(folder)
        return False  # it is not the manifest
    except FileNotFoundError:
        return False  # there is no such run
    except run_files.Damaged:
        pass
    try:
        manifest, unproven = _manifest_of(folder)
    except (OSError, StoreError, ValueError, TypeError, LookupError, RecursionError) as error:
        LOG.warning("The manifest of run %s cannot be built anew: %s", folder.name, error)
        return False
    run_files.write_manifest(folder, manifest)
    told = f"; its damaged one proves nothing of {', '.join(unproven)}" if unproven else ""
    LOG.warning("The manifest of run %s was damaged and was built anew from its files%s.", folder.name, told)
    return True


def _aside() -> Path:
    return settings.home_path() / "damaged"


def _manifest_of(folder: Path) -> tuple[run_files.Manifest, list[str]]:
    """Returns (manifest of the files in ``folder``, names of files that no old hash proves). Raises what is wrong."""
    old = b""
    with suppress(OSError):
        old = (folder / run_files.MANIFEST).read_bytes()
    names = [run_files.RECORD, run_files.ARRAYS]
    names += [name for name in (run_files.ROWS, *run_files.COMPONENT_FILES) if (folder / name).exists()]
    contents = {name: (folder / name).read_bytes() for name in names}
    trace = _record(contents)
    if trace.id != folder.name:
        raise StoreError("its files hold another run than its name says")
    check_trace(trace)
    files = {name: (len(data), sha256(data).hexdigest()) for name, data in contents.items()}
    unproven = [name for name, (_, digest) in files.items() if digest.encode() not in old]
    files |= _proven_probes(folder, old)
    imported = b'"origin"' in old or b'"imported"' in old
    info = run_files.manifest_info(trace) | ({"origin": run_files.IMPORTED} if imported else {})
    info |= {run_files.DOUBTED: unproven} if unproven else {}
    return run_files.Manifest(trace.id, SCHEMA, files, info), unproven


def _record(contents: dict[str, bytes]) -> Trace:
    plain = json.loads(contents[run_files.RECORD])
    arrays = run_files.unpack_arrays(contents[run_files.ARRAYS])
    if run_files.ROWS in contents:
        arrays |= run_files.unpack_arrays(contents[run_files.ROWS])
    else:
        plain["fields"] |= dict.fromkeys(set(run_files.ROW_FIELDS) & set(plain["fields"]))
    trace = from_plain(plain, arrays)
    if not isinstance(trace, Trace):
        raise StoreError("its files hold another record than a run")
    both = [contents[name] for name in run_files.COMPONENT_FILES if name in contents]
    if both and not isinstance(_parts(both), Components):
        raise StoreError("its components are another record")
    return trace


def _parts(both: Sequence[bytes]) -> object:
    plain, packed = both
    return from_plain(json.loads(plain), run_files.unpack_arrays(packed))


def _proven_probes(folder: Path, old: bytes) -> dict[str, tuple[int, str]]:
    """Returns the files of results beside the run whose hash stands in the old manifest; others can be made again."""
    found = {}
    for path in sorted(folder.glob(f"{run_files.PROBE}*")):
        data = path.read_bytes()
        digest = sha256(data).hexdigest()
        if digest.encode() in old:
            found[path.name] = (len(data), digest)
    return found


def _bound(root: Path, newest: Path) -> None:
    """Deletes the oldest of what lies in ``root`` until it is within the limits; ``newest`` always stays."""
    kept = [*(path for path in _set_aside_paths() if path != newest), newest]
    sizes = {path: _bytes_of(path) for path in kept}
    while len(kept) > 1 and (len(kept) > MOST_SET_ASIDE or sum(sizes[p] for p in kept) > MOST_BYTES_ASIDE):
        LOG.warning("%s was deleted, to make room in %s", kept[0].name, root)
        delete_path(kept.pop(0))


def _bytes_of(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size
    return sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(path))
