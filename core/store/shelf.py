"""Finding, naming and starring runs, and how much room they take. Guarded by tests/core/test_store_index.py."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from core import settings
from core.errors import StoreError
from core.store import index
from core.store.index import RunInfo, is_id
from core.store.opening import open_run
from core.store.place import folder_of, locked, root_folder

T = TypeVar("T")


def usage() -> tuple[int, int]:
    """(bytes that the runs take, limit)."""
    taken = ask(lambda runs: runs.execute("SELECT coalesce(sum(bytes), 0) FROM runs").fetchone()[0])
    return taken, settings.store_limit()


def find(query: str = "", starred: bool = False, limit: int = 50, offset: int = 0) -> list[RunInfo]:
    """Runs whose prompt, answer, model, name or id hold every word of ``query``, last used first."""
    return ask(lambda runs: index.search(runs, query, starred, limit, offset))


def count(query: str = "", starred: bool = False) -> int:
    """How many runs ``find`` has in all."""
    return ask(lambda runs: index.count(runs, query, starred))


def name(run_id: str, text: str) -> None:
    """Give a run a name; an empty one takes it away. Raises StoreError."""
    _label(run_id, text=" ".join(text.split()))


def star(run_id: str, on: bool = True) -> None:
    """Star a run, so that its rows are dropped last. Raises StoreError."""
    _label(run_id, on=on)


def prefix(start: str) -> str | None:
    """The full id of the one run whose id starts like this; None when there is none, or more than one."""
    start = start.strip().lower()
    if is_id(start):
        return start if folder_of(start).is_dir() else None
    if len(start) < 4 or set(start) - set("0123456789abcdef"):
        return None
    try:
        found = [
            entry for entry in os.listdir(settings.home_path() / "runs") if is_id(entry) and entry.startswith(start)
        ]
    except OSError:
        return None
    return found[0] if len(found) == 1 else None


def ask(question: Callable[[sqlite3.Connection], T]) -> T:
    """Put a question to the index; runs that turn out damaged are deleted, since they cannot be shown."""
    answer, damaged = index.ask(settings.home_path(), question)
    for run_id in damaged:
        with suppress(StoreError):
            open_run(run_id, rows=False)
    return answer


def _label(run_id: str, text: str | None = None, on: bool | None = None) -> None:
    root = root_folder()
    if not is_id(run_id) or not (root / run_id).is_dir():
        raise StoreError(f"There is no stored run {run_id[:8]!r}: it may have been deleted meanwhile.")
    try:
        with locked(root):
            old_text, old_on = index.read_label(root.parent, run_id)
            index.write_label(root.parent, run_id, old_text if text is None else text, old_on if on is None else on)
    except OSError as error:
        raise StoreError(settings.unwritable(root, error)) from error
