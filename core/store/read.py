"""Opens stored runs, complete and checked against their hashes, or raises. Needs neither torch nor a tokenizer.

Readers take no lock. One that finds a defect reads again under the lock before it treats the run as damaged, since
another process may just be replacing it. Guarded by tests/core/test_store_runs.py.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..errors import StoreError
from ..records import Request, Trace
from . import run_files
from .folders import run_folder
from .lock import store_lock
from .quarantine import rebuild_manifest, set_aside
from .run_index import is_id

LOG = logging.getLogger("heed")


def load_run(which: Request | str, rows: bool = True) -> Trace | None:
    """Returns the stored run of a request or id, or None when there is none.

    With a Request, the trace carries that request's segments, author and keep; shares of other segments (``segment:*``
    groups of ``mass``) are left out. ``trace.rows`` is None when the rows were not kept, were evicted, or with
    ``rows=False``; so is ``trace.components``. Raises StoreError when the run was damaged: it is set aside then and
    can be run again; one whose manifest alone was damaged is mended and returned.
    """
    run_id = which if isinstance(which, str) else which.id
    trace = open_run(run_id, rows)
    if trace is None:
        return None
    with suppress(OSError):
        os.utime(run_folder(run_id) / run_files.USED)
        run_files.note_change()
    return trace if isinstance(which, str) else _asked(trace, which)


def open_run(run_id: str, rows: bool = True) -> Trace | None:
    """Like ``load_run`` by id, without counting as a use."""
    if not is_id(run_id):
        return None
    folder = run_folder(run_id)
    try:
        return run_files.read_run(folder, rows)
    except FileNotFoundError:
        return None
    except run_files.Damaged as error:
        return _reopen(folder, rows, error)
    except OSError as error:
        raise StoreError(f"The run {run_id[:8]} cannot be read ({error.strerror}): check {folder}.") from error


def has_run(run_id: str) -> bool:
    """Returns whether the run of this full id is stored; nothing is read."""
    return run_stamp(run_id) is not None


def run_stamp(run_id: str) -> int | None:
    """Returns when a stored run was last changed, in nanoseconds, for the key of a cache; None where there is none."""
    try:
        return (run_folder(run_id) / run_files.MANIFEST).stat().st_mtime_ns if is_id(run_id) else None
    except OSError:
        return None


def run_origin(run_id: str) -> str | None:
    """Returns ``"own"`` for a stored run made here, ``"imported"`` for one opened from a file, None for no such run."""
    try:
        return run_files.read_manifest(run_folder(run_id)).origin if is_id(run_id) else None
    except (OSError, run_files.Damaged):
        return None


def has_rows(run_id: str) -> bool:
    """Returns whether the attention rows of a run are stored; they are not read."""
    try:
        return is_id(run_id) and run_files.read_manifest(run_folder(run_id)).rows_bytes > 0
    except (OSError, run_files.Damaged):
        return False


def has_components(run_id: str) -> bool:
    """Returns whether the components of a run are stored; they are not read."""
    try:
        return is_id(run_id) and run_files.read_manifest(run_folder(run_id)).components_bytes > 0
    except (OSError, run_files.Damaged):
        return False


def _reopen(folder: Path, rows: bool, first: run_files.Damaged) -> Trace | None:
    """Reads again under the lock. Mends a damaged manifest; sets a run that stays damaged aside, raises StoreError."""
    told = f"The stored run {folder.name[:8]} was damaged ({first}) and is not shown: run it again."
    try:
        with store_lock(folder.parent):
            try:
                return run_files.read_run(folder, rows)
            except FileNotFoundError:
                return None
            except run_files.Damaged as error:
                if rebuild_manifest(folder):
                    return run_files.read_run(folder, rows)
                LOG.warning("Run %s is damaged: %s", folder.name, error)
                told = f"{told} Its files were moved to {set_aside(folder)}."
                raise StoreError(told) from error
    except OSError as error:
        raise StoreError(told) from error


def _asked(trace: Trace, request: Request) -> Trace:
    """Returns ``trace`` with the segments, author and keep of this request."""
    before, now = ([replace(s, label="") for s in r.segments] for r in (trace.request, request))
    if before == now:
        return replace(trace, request=request)
    kept = [i for i, group in enumerate(trace.groups) if not group.startswith("segment:")]
    groups = tuple(trace.groups[i] for i in kept)
    return replace(trace, request=request, groups=groups, mass=trace.mass[..., kept])
