"""The lock for changing the folder of runs, and the removal of what killed writers left.

A run being written is in ``.tmp-HOST-PID.START-...``, one being deleted in ``.trash-...``. Runs appear and disappear by
renaming, so never in part. Guarded by tests/core/test_store_runs.py.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreError
from ..unfinished import is_left_behind, writer_name

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says of a full disk."""


@contextmanager
def store_lock(root: Path) -> Iterator[None]:
    """Excludes all other threads and processes that change this store. Raises StoreError, OSError."""
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


@contextmanager
def deleting_lock(root: Path) -> Iterator[None]:
    """Like ``store_lock``, for deleting: where a full disk has no room for the lock's file it goes on without it.

    Nobody can write a run there meanwhile, and a folder is deleted in one step anyway.
    """
    lock = store_lock(root)
    try:
        lock.__enter__()
    except OSError as error:
        if error.errno not in FULL:
            raise
        yield
        return
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def discard_folder(folder: Path) -> bool:
    """Deletes a run's folder (the lock is held) in one step; returns False when there was none.

    Where a full disk has no room for its new name it is deleted where it is. Raises OSError.
    """
    trash = folder.parent / f".trash-{writer_name()}-{secrets.token_hex(4)}"
    try:
        os.rename(folder, trash)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in FULL:
            raise
        if not folder.is_dir():
            return False
        trash = folder
    shutil.rmtree(trash, ignore_errors=trash != folder)
    return True


def replace_folder(new: Path, target: Path) -> None:
    """Puts the folder ``new`` in the place of ``target`` (the lock is held), so that readers find one or the other.

    The system exchanges both in one step where it can; else there is neither for a moment. Raises OSError.
    """
    if _exchanged(new, target):
        discard_folder(new)
        return
    discard_folder(target)
    os.rename(new, target)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchanges two folders in one step; False where the system, or the drive, cannot."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if hasattr(libc, "renameat2"):
            return libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2) == 0
        if hasattr(libc, "renamex_np"):
            return libc.renamex_np(os.fsencode(one), os.fsencode(other), 2) == 0
    except (OSError, TypeError):  # Windows
        pass
    return False


def remove_abandoned(root: Path) -> None:
    """Removes what killed writers left (the lock is held)."""
    for entry in os.listdir(root):
        if entry.startswith(".trash-") or (entry.startswith(".tmp-") and is_left_behind(root / entry)):
            shutil.rmtree(root / entry, ignore_errors=True)
