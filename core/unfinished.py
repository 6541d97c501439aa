"""Names of unfinished files and folders, by which a later process knows that their writer has ended; their removal.

A process that is killed leaves behind what it was writing. So such a name says who writes: ``.new-HOST-PID.START-...``,
START in clock ticks since the machine was started, which no change of the clock moves, so that a later process with the
same number is told apart. Names of older versions and of other machines count as left behind after a day.
Guarded by tests/core/test_unfinished.py.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from time import time

ABANDONED = 24 * 3600
"""Seconds after which unfinished work of an unknown process counts as left behind."""
UNFINISHED = (".new-", ".tmp-", ".probe-", ".pip-", ".trash-", ".findings-")
"""How names of unfinished files and folders begin."""


def process_start(pid: int) -> str:
    """Returns when a process began, in a form that a change of the clock does not move; empty where there is none."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    import psutil

    with suppress(psutil.Error, ValueError, OverflowError):
        return str(int(psutil.Process(pid).create_time()))
    return ""


def writer_name() -> str:
    """Returns a name for this process, for use in a file's name."""
    return f"{socket.gethostname()}-{os.getpid()}.{process_start(os.getpid())}"


def unfinished_prefix(kind: str = ".new-") -> str:
    """Returns how a name of this process begins, for ``tempfile``; ``kind``: one of UNFINISHED."""
    return f"{kind}{writer_name()}-"


def is_left_behind(path: Path) -> bool:
    """Returns whether the process that writes here has ended, as far as that can be known."""
    rest, _, number = path.name.rpartition("-")[0].rpartition("-")
    pid, _, start = number.partition(".")
    if rest.endswith(socket.gethostname()) and pid.isdigit():
        now = process_start(int(pid))
        if not now or start:
            return now != start or not now
    with suppress(OSError):
        return time() - path.lstat().st_mtime > ABANDONED
    return False


def remove_left_behind(paths: Iterable[Path]) -> int:
    """Deletes those of ``paths`` whose writer has ended; returns how many are gone. Nothing is raised."""
    return sum(delete_path(path) for path in list(paths) if is_left_behind(path))


def delete_path(path: Path) -> bool:
    """Deletes a file, link or folder; returns whether it is gone. Nothing is raised."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
    return not path.exists()
