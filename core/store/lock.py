"""The folder of runs and who may change it: the lock between processes, and what killed writers left there.

A run under way stands in ``.tmp-HOST-PID-...``, a run on its way out in ``.trash-...``. Renaming is what
makes a run come and go whole. Guarded by tests/core/test_store_runs.py.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time

from .. import settings
from ..errors import StoreError

STALE = 24 * 3600
"""Seconds after which unfinished work of an unknown machine counts as abandoned."""


def run_folder(run_id: str) -> Path:
    """Where the run of this id stands, if it does."""
    return settings.home_path() / "runs" / run_id


def runs_folder() -> Path:
    """The folder of all runs, made and checked for writing. Raises StoreError."""
    root = settings.home() / "runs"
    try:
        root.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(settings.unwritable_sentence(root, error)) from error
    return root


def writer_name() -> str:
    """This process, in the name of a folder."""
    return f"{socket.gethostname()}-{os.getpid()}"


@contextmanager
def store_lock(root: Path) -> Iterator[None]:
    """Alone among all threads and processes that change this store. Raises StoreError, OSError."""
    from filelock import FileLock, Timeout

    lock = FileLock(root / ".lock", timeout=60)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError("Another Heed has kept the store busy for a minute: close it, then try again.") from error
    try:
        yield
    finally:
        lock.release()


def discard_folder(folder: Path) -> bool:
    """Delete a run's folder (the lock is held); a reader sees all of it or nothing. False when there was none."""
    trash = folder.parent / f".trash-{writer_name()}-{secrets.token_hex(4)}"
    try:
        os.rename(folder, trash)
    except FileNotFoundError:
        return False
    shutil.rmtree(trash, ignore_errors=True)
    return True


def remove_abandoned(root: Path) -> None:
    """Remove what killed writers left (the lock is held)."""
    for entry in os.listdir(root):
        if entry.startswith(".trash-") or (entry.startswith(".tmp-") and is_abandoned(root / entry)):
            shutil.rmtree(root / entry, ignore_errors=True)


def is_abandoned(folder: Path) -> bool:
    """True when the process that writes here has ended, as far as that can be known."""
    writer = folder.name.removeprefix(".tmp-").rpartition("-")[0]
    host, _, pid = writer.rpartition("-")
    if host == socket.gethostname() and pid.isdigit():
        from psutil import pid_exists

        if not pid_exists(int(pid)):
            return True
    try:
        return time() - folder.stat().st_mtime > STALE
    except OSError:
        return False
