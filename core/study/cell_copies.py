"""Copies finished cells from one study's database to another's, with everything that belongs to them.

Rows keep what stands in them, columns of metrics and features that the other lacks are added to it, and the hashes of
the copies are written anew. Guarded by tests/core/test_study_shards.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from . import database
from .cell_checks import seal_cell
from .ran_with import RAN_WITH
from .ratings import settle_rating

_NOTES = (database.NOT_LONGER, database.NOT_AGAIN)


def copy_cells(source: sqlite3.Connection, target: sqlite3.Connection, cells: Iterable[str]) -> int:
    """Copies these cells of ``source`` with contents, rows, state and notes; returns how many.

    Inside a transaction of ``target``, which lists the cells already; what it stored of them is replaced.
    """
    count = 0
    for cell in cells:
        place = source.execute("SELECT state, tries FROM cells WHERE cell = ?", [cell]).fetchone()
        for table in ("kept", "runs", "instructions"):
            target.execute(f"DELETE FROM {table} WHERE cell = ?", [cell])
            for row in database.query_rows(source, f"SELECT * FROM {table} WHERE cell = ?", [cell]):
                database.put_row(target, table, row)
        seal_cell(target, cell)
        for note in _NOTES:
            why = database.get_note(source, note + cell)
            if why is not None:
                database.put_note(target, note + cell, why)
        target.execute(
            "UPDATE cells SET state = ?, tries = ?, owner = '' WHERE cell = ?", [place["state"], place["tries"], cell]
        )
        count += 1
    return count


def copy_version_notes(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Notes in ``target`` which versions ``source`` ran with, where it does not say so yet."""
    for text, day in database.cell_notes(source, RAN_WITH).items():
        if database.get_note(target, RAN_WITH + text) is None:
            database.put_note(target, RAN_WITH + text, day)


def copy_ratings(source: sqlite3.Connection, target: sqlite3.Connection) -> int:
    """Copies ratings of finished cells that ``target`` does not have from the same rater; returns how many.

    Inside a transaction of ``target``, after the cells.
    """
    count = 0
    for row in database.query_rows(source, "SELECT cell, rater, rating, at FROM ratings"):
        done = target.execute("SELECT 1 FROM cells WHERE cell = ? AND state = 'done'", [row["cell"]]).fetchone()
        sql = "INSERT OR IGNORE INTO ratings (cell, rater, rating, at) VALUES (?, ?, ?, ?)"
        if done and target.execute(sql, list(row.values())).rowcount:
            database.add_columns(target, ["rating"])
            settle_rating(target, row["cell"], None)
            count += 1
    return count
