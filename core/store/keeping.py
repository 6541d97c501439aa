"""Saving, evicting and deleting runs: what several threads and processes do to one folder.

A run is written into a folder of its own and then renamed: it is there whole or not at all. Whoever
replaces, evicts or deletes holds the lock of ``place``. Guarded by tests/core/test_store_runs.py.
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

from core import settings
from core.errors import StoreError
from core.records import Trace
from core.store import files, index
from core.store.index import is_id
from core.store.place import clean, discard, locked, owner, root_folder
from core.store.shelf import usage

LOG = logging.getLogger("heed")


def save(trace: Trace) -> str:
    """Store ``trace`` and return its id; then drop rows of other runs if the store is over its limit.

    An intact run of the same id that has more rows is left as it is. Raises StoreError when it cannot
    be written; nothing half-written remains.
    """
    root = root_folder()
    new = root / f".tmp-{owner()}-{secrets.token_hex(4)}"
    try:
        new.mkdir()
        manifest = files.write_run(new, trace)
        with locked(root):
            clean(root)
            _publish(new, root / trace.id, manifest)
    except OSError as error:
        raise StoreError(settings.unwritable(root, error)) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    try:
        evict()
    except (StoreError, OSError):
        LOG.warning("The store could not be brought under its limit.", exc_info=True)
    return trace.id


def delete(ids: Iterable[str]) -> int:
    """Delete runs with their names and stars; returns how many there were. Raises StoreError."""
    root, gone = root_folder(), 0
    try:
        with locked(root):
            for run_id in filter(is_id, ids):
                gone += discard(root / run_id)
                (root.parent / "labels" / f"{run_id}.json").unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(settings.unwritable(root, error)) from error
    return gone


def evict() -> int:
    """Drop attention rows, least used first and starred last, until the store fits; returns the bytes freed.

    The small records stay even when they alone exceed the limit. Raises StoreError.
    """
    if (limit := settings.store_limit()) >= usage()[0]:
        return 0
    root, freed = root_folder(), 0
    try:
        with locked(root):
            clean(root)
            (taken, oldest), _ = index.ask(root.parent, _oldest)
            for run_id in oldest:
                if taken - freed <= limit:
                    break
                with suppress(FileNotFoundError, files.Damaged):
                    freed += files.drop_rows(root / run_id)
    except OSError as error:
        raise StoreError(settings.unwritable(root, error)) from error
    return freed


def _oldest(runs: sqlite3.Connection) -> tuple[int, list[str]]:
    """Bytes in all, and the runs with rows in the order in which they lose them."""
    taken = runs.execute("SELECT coalesce(sum(bytes), 0) FROM runs").fetchone()[0]
    found = runs.execute("SELECT id FROM runs WHERE rows_bytes > 0 ORDER BY starred, last_used, id")
    return taken, [run_id for (run_id,) in found]


def _publish(new: Path, target: Path, manifest: files.Manifest) -> None:
    """Rename a finished folder to its place, unless what stands there is intact and has more rows."""
    try:
        if files.read_manifest(target).rows_bytes > manifest.rows_bytes:
            files.verify(target)
            return
    except (FileNotFoundError, files.Damaged):
        pass
    discard(target)
    os.rename(new, target)
    files.sync_folder(target.parent)
