"""Finds, names and stars stored runs, and reports their size. Guarded by tests/core/test_store_run_index.py."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from .. import people, settings
from ..errors import StoreError
from . import run_index
from .folders import run_folder, runs_folder
from .lock import store_lock
from .maps_files import maps_bytes
from .read import open_run
from .run_index import RunInfo, is_id

T = TypeVar("T")


def store_usage() -> tuple[int, int]:
    """Returns (bytes that the runs and the maps of texts take that the viewer may see, limit of the whole store)."""
    taken = ask_index(lambda runs: runs.execute("SELECT coalesce(sum(bytes), 0) FROM runs").fetchone()[0])
    return taken + maps_bytes(), settings.store_limit()


def find_runs(query: str = "", starred: bool = False, limit: int = 50, offset: int = 0) -> list[RunInfo]:
    """Returns runs whose prompt, answer, model, name or id hold every word of ``query``, last used first."""
    return ask_index(lambda runs: run_index.search_runs(runs, query, starred, limit, offset))


def count_found(query: str = "", starred: bool = False) -> int:
    """Returns how many runs ``find_runs`` would return without a limit."""
    return ask_index(lambda runs: run_index.count_runs(runs, query, starred))


def page_of_runs(
    query: str = "", starred: bool = False, limit: int = 50, page: int = 1
) -> tuple[int, int, list[RunInfo]]:
    """Returns (runs found, the page that is shown, its runs): a page after the last one is the last.

    Asked in one go, since looking whether any folder has changed takes most of the time.
    """

    def ask(runs: sqlite3.Connection) -> tuple[int, int, list[RunInfo]]:
        found = run_index.count_runs(runs, query, starred)
        shown = min(max(page, 1), max(1, -(-found // limit)))
        return found, shown, run_index.search_runs(runs, query, starred, limit, (shown - 1) * limit)

    return ask_index(ask)


def name_run(run_id: str, text: str) -> None:
    """Gives a run a name; an empty one removes it. Raises StoreError."""
    _label(run_id, text=" ".join(text.split()))


def star_run(run_id: str, on: bool = True) -> None:
    """Stars a run, so that its rows are evicted last. Raises StoreError."""
    _label(run_id, on=on)


def full_run_id(start: str) -> str | None:
    """Returns the full id of the one run whose id starts like this; None when there is none, or more than one."""
    start = start.strip().lower()
    if is_id(start):
        return start if run_folder(start).is_dir() else None
    if len(start) < 4 or set(start) - set("0123456789abcdef"):
        return None
    try:
        found = [
            entry
            for entry in os.listdir(settings.home_path() / "runs")
            if is_id(entry) and entry.startswith(start) and people.may_see("run", entry)
        ]
    except OSError:
        return None
    return found[0] if len(found) == 1 else None


def ask_index(question: Callable[[sqlite3.Connection], T]) -> T:
    """Runs a query on the index; runs that turn out damaged are mended or set aside."""
    answer, damaged = _query(question)
    for run_id in damaged:
        with suppress(StoreError):
            open_run(run_id, rows=False)
    return _query(question)[0] if damaged else answer


def _query(question: Callable[[sqlite3.Connection], T]) -> tuple[T, list[str]]:
    """Asks the viewer's own index, which holds nothing but what the viewer may see."""
    seen, own = people.visible_ids("run"), people.own_folder()
    if seen is not None:
        with suppress(OSError):
            own.mkdir(parents=True, exist_ok=True)
    return run_index.query_index(own, question, settings.home_path() / "runs", seen)


def _label(run_id: str, text: str | None = None, on: bool | None = None) -> None:
    root = runs_folder()
    if not is_id(run_id) or not run_folder(run_id).is_dir():
        raise StoreError(f"There is no stored run {run_id[:8]!r}: it may have been deleted meanwhile.")
    try:
        with store_lock(root):
            home = people.own_folder()
            old_text, old_on = run_index.read_label(home, run_id)
            run_index.write_label(home, run_id, old_text if text is None else text, old_on if on is None else on)
    except OSError as error:
        raise StoreError(settings.unwritable_sentence(root, error)) from error
