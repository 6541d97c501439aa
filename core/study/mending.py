"""Finds the cells of a study that were damaged on disk, and deletes them so that the study runs them again.

Guarded by tests/core/test_study_cell_checks.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from ..errors import StoreError
from . import database
from .cell_checks import run_hash, told_hash
from .cell_store import read_cell


def damaged_cells(db: sqlite3.Connection) -> list[str]:
    """Returns the finished cells that do not hold what was written, or cannot be read at all."""
    bad = []
    for known in db.execute("SELECT * FROM cell_checks").fetchall():
        cell = known["cell"]
        seen = {"run": run_hash(db, cell), "told": told_hash(db, cell)}
        if any(known[name] and known[name] != seen[name] for name in seen):
            bad.append(cell)
    for row in db.execute("SELECT cell FROM kept").fetchall():
        try:
            read_cell(db, row["cell"])
        except StoreError:
            bad.append(row["cell"])
    return list(dict.fromkeys(bad))


def drop_cells(db: sqlite3.Connection, cells: Iterable[str]) -> None:
    """Deletes what is stored of these cells, ratings excepted, so that they are run again; all of it or nothing."""
    with database.transaction(db):
        for cell in cells:
            for table in ("kept", "runs", "instructions", "cell_checks"):
                db.execute(f"DELETE FROM {table} WHERE cell = ?", [cell])
            db.execute("UPDATE cells SET state = 'waiting', owner = '', tries = 0 WHERE cell = ?", [cell])
