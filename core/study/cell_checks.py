"""Hashes of a study's finished cells, so that a flipped byte in its database is told and never read as a number.

SQLite checks the structure of a file, not what stands in it. Beside every finished cell stands a sha256 of its contents
(``kept``), of its row in ``runs`` and of its rows in ``instructions``. Triggers, which lie in the database and so work
for every version of Heed, empty a hash when its row changes; ``seal_cell`` writes it again with the cell, and rows that
were changed otherwise (a rating, a metric computed later) are sealed when they are next read. Cells of older databases
have no hash of their contents and are read as before. Guarded by tests/core/test_study_cell_checks.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

from ..errors import StoreError
from ..processes import command_text
from . import database
from .told_connection import words_of_study

SEALED_AT_ONCE = 2_000
"""Most rows that one reading gives a hash."""


class OtherVersion(StoreError):
    """A cell is intact and cannot be read: another version of Heed wrote it."""


def unreadable_cell(db: sqlite3.Connection, cell: str) -> StoreError:
    """Returns what is raised for contents of a cell that cannot be read, after ``check_kept``."""
    row = db.execute("SELECT kept FROM cell_checks WHERE cell = ?", [cell]).fetchone()
    if row is None or not row["kept"]:  # of an old version, without a hash
        return StoreError(damaged_sentence(db, [cell]))
    name = database.get_note(db, "name") or ""
    return OtherVersion(f"The study {name!r} holds runs that a newer Heed wrote: update Heed, or run the study anew.")


def seal_cell(db: sqlite3.Connection, cell: str) -> None:
    """Writes the hashes of a cell that was just written (inside its transaction)."""
    kept = db.execute("SELECT * FROM kept WHERE cell = ?", [cell]).fetchone()
    held = "" if kept is None else row_hash(dict(kept))
    db.execute(
        "INSERT OR REPLACE INTO cell_checks (cell, kept, run, told) VALUES (?, ?, ?, ?)",
        [cell, held, run_hash(db, cell), told_hash(db, cell)],
    )


def row_hash(row: Mapping[str, Any]) -> str:
    """Returns the sha256 of a row; columns without a value count for nothing, since new ones are added empty."""
    return sha256(repr(sorted((name, value) for name, value in row.items() if value is not None)).encode()).hexdigest()


def check_kept(db: sqlite3.Connection, row: sqlite3.Row) -> sqlite3.Row:
    """Returns a row of ``kept`` that holds what was written. Raises StoreError."""
    known = db.execute("SELECT kept FROM cell_checks WHERE cell = ?", [row["cell"]]).fetchone()
    if known is not None and known["kept"] and known["kept"] != row_hash(dict(row)):
        raise StoreError(damaged_sentence(db, [row["cell"]]))
    return row


def check_run_rows(db: sqlite3.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Checks rows of ``runs``, whole ones, and seals those that have no hash. Raises StoreError."""
    known = dict(db.execute("SELECT cell, run FROM cell_checks").fetchall())
    _compare(db, {row["cell"]: row_hash(row) for row in rows}, known, "run", run_hash)


def check_instruction_rows(db: sqlite3.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Checks all rows of ``instructions`` of some cells, and seals those that have no hash. Raises StoreError."""
    by_cell: dict[str, list[str]] = {}
    for row in rows:
        by_cell.setdefault(row["cell"], []).append(row_hash(row))
    known = dict(db.execute("SELECT cell, told FROM cell_checks").fetchall())
    _compare(db, {cell: _joined(some) for cell, some in by_cell.items()}, known, "told", told_hash)


def damaged_sentence(db: sqlite3.Connection, cells: Sequence[str]) -> str:
    """Returns what a person is told of damaged cells, with the remedy."""
    name, number = database.get_note(db, "name") or "", len(cells)
    which = ", ".join(cell[:12] for cell in cells[:3]) + (" …" if number > 3 else "")
    what = f"a damaged cell ({which})" if number == 1 else f"{number} damaged cells ({which})"
    them = "it" if number == 1 else "them"
    study = words_of_study(db)
    return (
        f"The study {name!r} holds {what}: `{command_text('study', 'mend', study)}` deletes {them}, and the study "
        f"then runs {them} again."
    )


def _compare(
    db: sqlite3.Connection,
    seen: Mapping[str, str],
    known: Mapping[str, str],
    column: str,
    hash_of: Callable[[sqlite3.Connection, str], str],
) -> None:
    bad = [cell for cell, found in seen.items() if known.get(cell) and known[cell] != found]
    bad = [cell for cell in bad if not _agrees(db, cell, column, hash_of)]  # it may just have been written anew
    if bad:
        raise StoreError(damaged_sentence(db, bad))
    new = [cell for cell in seen if not known.get(cell)][:SEALED_AT_ONCE]
    with suppress(sqlite3.OperationalError, StoreError):  # read-only, full or busy: they are sealed another time
        if new:
            _seal(db, new, column, hash_of)


def _agrees(db: sqlite3.Connection, cell: str, column: str, hash_of: Callable[[sqlite3.Connection, str], str]) -> bool:
    db.execute("BEGIN")
    try:
        row = db.execute(f"SELECT {column} FROM cell_checks WHERE cell = ?", [cell]).fetchone()
        return row is None or not row[0] or row[0] == hash_of(db, cell)
    finally:
        db.execute("COMMIT")


def _seal(
    db: sqlite3.Connection, cells: Sequence[str], column: str, hash_of: Callable[[sqlite3.Connection, str], str]
) -> None:
    with database.transaction(db):
        for cell in cells:
            db.execute("INSERT OR IGNORE INTO cell_checks (cell) VALUES (?)", [cell])
            db.execute(f"UPDATE cell_checks SET {column} = ? WHERE cell = ?", [hash_of(db, cell), cell])


def run_hash(db: sqlite3.Connection, cell: str) -> str:
    """Returns the hash of a cell's row in ``runs``; empty where there is none."""
    row = db.execute("SELECT * FROM runs WHERE cell = ?", [cell]).fetchone()
    return "" if row is None else row_hash(dict(row))


def told_hash(db: sqlite3.Connection, cell: str) -> str:
    """Returns the hash of a cell's rows in ``instructions``, in any order; empty where there are none."""
    rows = db.execute("SELECT * FROM instructions WHERE cell = ?", [cell]).fetchall()
    return _joined([row_hash(dict(row)) for row in rows]) if rows else ""


def _joined(hashes: Sequence[str]) -> str:
    return sha256(" ".join(sorted(hashes)).encode()).hexdigest()
