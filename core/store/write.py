"""Saves, evicts and deletes runs, safely for several threads and processes at once.

A run is written into a folder of its own and then renamed, so it is never there in part. Replacing, evicting and
deleting hold the lock of ``core.store.lock``. Guarded by tests/core/test_store_runs.py.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .. import settings
from ..errors import StoreError
from ..records import Trace
from . import run_files, run_index
from .folders import runs_folder
from .lock import discard_folder, remove_abandoned, store_lock, writer_name
from .maps_files import drop_maps
from .query import store_usage
from .run_index import is_id

LOG = logging.getLogger("heed")


def save_run(trace: Trace) -> str:
    """Stores ``trace`` and returns its id; then evicts rows of other runs if the store is over its limit.

    An intact run of the same id that has more rows is left as it is. Raises StoreError when it cannot be written;
    nothing half-written remains.
    """
    root = runs_folder()
    new = root / f".tmp-{writer_name()}-{secrets.token_hex(4)}"
    try:
        new.mkdir()
        manifest = run_files.write_run(new, trace)
        with store_lock(root):
            remove_abandoned(root)
            _publish(new, root / trace.id, manifest)
    except OSError as error:
        raise StoreError(settings.unwritable_sentence(root, error)) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    try:
        evict_rows()
    except (StoreError, OSError):
        LOG.warning("The store could not be brought under its limit.", exc_info=True)
    return trace.id


def delete_runs(ids: Iterable[str]) -> int:
    """Deletes runs with their names and stars; returns how many there were. Raises StoreError."""
    root, gone = runs_folder(), 0
    try:
        with store_lock(root):
            for run_id in filter(is_id, ids):
                gone += discard_folder(root / run_id)
                (root.parent / "labels" / f"{run_id}.json").unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(settings.unwritable_sentence(root, error)) from error
    return gone


def evict_rows() -> int:
    """Drops attention rows, least used first and starred last, until the store fits; returns the bytes freed.

    The maps of texts go before the rows of any run. The small records stay even when they alone exceed the limit.
    Raises StoreError.
    """
    used, limit = store_usage()
    if limit >= used:
        return 0
    root, freed = runs_folder(), drop_maps(used - limit)
    if used - freed <= limit:
        return freed
    try:
        with store_lock(root):
            remove_abandoned(root)
            (taken, oldest), _ = run_index.query_index(root.parent, _oldest)
            for run_id in oldest:
                if taken <= limit:
                    break
                with suppress(FileNotFoundError, run_files.Damaged):
                    gone = run_files.drop_rows(root / run_id)
                    taken, freed = taken - gone, freed + gone
    except OSError as error:
        raise StoreError(settings.unwritable_sentence(root, error)) from error
    return freed


def _oldest(runs: sqlite3.Connection) -> tuple[int, list[str]]:
    """Returns the bytes of all runs, and the runs with rows in the order in which they lose them."""
    taken = runs.execute("SELECT coalesce(sum(bytes), 0) FROM runs").fetchone()[0]
    found = runs.execute("SELECT id FROM runs WHERE rows_bytes > 0 ORDER BY starred, last_used, id")
    return taken, [run_id for (run_id,) in found]


def _publish(new: Path, target: Path, manifest: run_files.Manifest) -> None:
    """Renames a finished folder to its place, unless the run there is intact and has more rows."""
    try:
        if run_files.read_manifest(target).rows_bytes > manifest.rows_bytes:
            run_files.verify_run(target)
            return
    except (FileNotFoundError, run_files.Damaged):
        pass
    discard_folder(target)
    os.rename(new, target)
    run_files.sync_folder(target.parent)
