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

from core import settings
from core.errors import StoreError

STALE = 24 * 3600
"""Seconds after which unfinished work of an unknown machine counts as abandoned."""


def folder_of(run_id: str) -> Path:
    """Where the run of this id stands, if it does."""
    return settings.home_path() / "runs" / run_id


def root_folder() -> Path:
    """The folder of all runs, made and checked for writing. Raises StoreError."""
    root = settings.home() / "runs"
    try:
        root.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(settings.unwritable(root, error)) from error
    return root


def owner() -> str:
    """This process, in the name of a folder."""
    return f"{socket.gethostname()}-{os.getpid()}"


@contextmanager
def locked(root: Path) -> Iterator[None]:
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


def discard(folder: Path) -> bool:
    """Delete a run's folder (the lock is held); a reader sees all of it or nothing. False when there was none."""
    trash = folder.parent / f".trash-{owner()}-{secrets.token_hex(4)}"
    try:
        os.rename(folder, trash)
    except FileNotFoundError:
        return False
    shutil.rmtree(trash, ignore_errors=True)
    return True


def clean(root: Path) -> None:
    """Remove what killed writers left (the lock is held)."""
    for entry in os.listdir(root):
        if entry.startswith(".trash-") or (entry.startswith(".tmp-") and abandoned(root / entry)):
            shutil.rmtree(root / entry, ignore_errors=True)


def abandoned(folder: Path) -> bool:
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
