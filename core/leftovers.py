"""Removes what killed processes left below HEED_HOME and HEED_MODELS, when the dashboard starts.

Everything that Heed writes appears by a rename, so what is unfinished is never taken for a result; it only takes room.
What a living process writes stays, and so does a download that goes on where it ended (``downloads/``), and a request
that a page may ask for again (``waiting/``). Guarded by tests/core/test_leftovers.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .errors import StoreError
from .settings import home_path, models_path
from .unfinished import UNFINISHED, process_start, remove_left_behind

_CONVERSION = re.compile(r"\.[0-9a-f]{64}-")
DEEP = 3
"""Folders inside each other in which is looked; runs lie two deep."""


def remove_leftover_files() -> int:
    """Deletes unfinished files and folders of processes that have ended; returns how many. Nothing is raised."""
    with suppress(StoreError, OSError):
        found = [*_unfinished(home_path()), *_unfinished(models_path())]
        return remove_left_behind(found) + _drop_heartbeats(home_path() / "heartbeats")
    return 0


def _unfinished(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            if name.startswith(UNFINISHED) or _CONVERSION.match(name):
                yield Path(folder, name)
        deep = len(Path(folder).relative_to(root).parts)
        folders[:] = [name for name in folders if name[0] != "." and deep < DEEP and name not in ("hub", "snapshots")]


def _drop_heartbeats(folder: Path) -> int:
    """Deletes the heartbeats of processes that have ended."""
    over = [path for path in folder.glob("*.json") if path.stem.isdigit() and not process_start(int(path.stem))]
    for path in over:
        path.unlink(missing_ok=True)
    return len(over)
