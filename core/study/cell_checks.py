"""Hashes of a study's finished cells, so that a flipped byte in its database is told and never read as a number.

SQLite checks the structure of a file, not what stands in it. Beside every finished cell stands a sha256 of its contents
(``kept``), of its row in ``runs`` and of its rows in ``instructions``. Triggers, which lie in the database and so work
for every version of Heed, empty a hash when its row changes; ``seal_cell`` writes it again with the cell, and rows that
were changed otherwise (a rating, a metric computed later) are sealed when they are next read. Cells of older databases
have no hash of their contents and are read as before. Guarded by tests/core/test_study_cell_checks.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from itertools import compress, repeat
from operator import is_not, itemgetter
from typing import Any

from ..errors import StoreError
from ..processes import command_text
from . import database
from .told_connection import words_of_study

SEALED_AT_ONCE = 2_000
"""Most rows that one reading gives a hash while other processes write."""
READ_AT_ONCE = 1_000
"""Rows that are held at a time while a table is read: as Python objects they take some five times their size."""


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
    held = "" if kept is None else row_hash(kept)
    db.execute(
        "INSERT OR REPLACE INTO cell_checks (cell, kept, run, told) VALUES (?, ?, ?, ?)",
        [cell, held, run_hash(db, cell), told_hash(db, cell)],
    )


def row_hash(row: sqlite3.Row) -> str:
    """Returns the sha256 of a row; columns without a value count for nothing, since new ones are added empty."""
    return row_hashes(row.keys(), [tuple(row)])[0]


def row_hashes(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """Returns ``row_hash`` of many rows with the columns ``names``: of ``[('a', 1), ('b', 2.5)]``, sorted by name.

    Rows that have values in the same columns share one template, so that each is written out in one step.
    """
    take, heads = _by_name(tuple(names))
    found = []
    for row in rows:
        values = take(row)
        there = tuple(map(is_not, values, repeat(None)))
        found.append(sha256((_template(heads, there) % tuple(compress(values, there))).encode()).hexdigest())
    return found


@lru_cache(maxsize=32)
def _by_name(names: tuple[str, ...]) -> tuple[Callable[[Sequence[Any]], Sequence[Any]], tuple[str, ...]]:
    """Returns (what puts a row's values in the order of its names, the names as they are written out, in order)."""
    order = sorted(range(len(names)), key=names.__getitem__)
    heads = tuple(f"({names[at]!r}, ".replace("%", "%%") + "%r)" for at in order)
    return itemgetter(*order) if len(order) > 1 else (lambda row: (row[order[0]],)), heads


@lru_cache(maxsize=256)
def _template(heads: tuple[str, ...], there: tuple[bool, ...]) -> str:
    return "[" + ", ".join(compress(heads, there)) + "]"


def check_kept(db: sqlite3.Connection, row: sqlite3.Row) -> sqlite3.Row:
    """Returns a row of ``kept`` that holds what was written. Raises StoreError."""
    known = db.execute("SELECT kept FROM cell_checks WHERE cell = ?", [row["cell"]]).fetchone()
    if known is not None and known["kept"] and known["kept"] != row_hash(row):
        raise StoreError(damaged_sentence(db, [row["cell"]]))
    return row


def checked_runs(
    db: sqlite3.Connection, sql: str, cells: Sequence[str] | None = None
) -> Iterator[tuple[list[str], list[tuple[Any, ...]]]]:
    """Yields (columns, rows) of a query for whole rows of ``runs``, some rows at a time, each of them checked.

    ``cells``: the values of the query, where it asks for the rows of these cells. Rows that have no hash are sealed at
    the end. Raises StoreError before the first rows that are damaged.
    """
    some = "" if cells is None else f" WHERE cell IN ({', '.join('?' * len(cells))})"
    version = data_version(db)
    known = dict(db.execute(f"SELECT cell, run FROM cell_checks{some}", cells or ()).fetchall())
    found = db.execute(sql, cells or ())
    names, unsealed = [column[0] for column in found.description], dict[str, str]()
    found.row_factory = None
    while rows := found.fetchmany(READ_AT_ONCE):
        at = names.index("cell")
        seen = dict(zip((row[at] for row in rows), row_hashes(names, rows), strict=True))
        unsealed |= _compare(db, seen, known, "run", run_hash)
        yield names, rows
    _seal_new(db, unsealed, "run", run_hash, version)


def check_instruction_rows(db: sqlite3.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Checks all rows of ``instructions`` of some cells, and seals those that have no hash. Raises StoreError."""
    by_cell: dict[str, list[str]] = {}
    hashes = row_hashes(list(rows[0]), (tuple(row.values()) for row in rows)) if rows else []
    for row, found in zip(rows, hashes, strict=True):
        by_cell.setdefault(row["cell"], []).append(found)
    known = dict(db.execute("SELECT cell, told FROM cell_checks").fetchall())
    unsealed = _compare(db, {cell: _joined(some) for cell, some in by_cell.items()}, known, "told", told_hash)
    _seal_new(db, unsealed, "told", told_hash)


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
) -> dict[str, str]:
    """Returns those of ``seen`` that have no hash yet. Raises StoreError for damaged ones."""
    bad = [cell for cell, found in seen.items() if known.get(cell) and known[cell] != found]
    bad = [cell for cell in bad if not _agrees(db, cell, column, hash_of)]  # it may just have been written anew
    if bad:
        raise StoreError(damaged_sentence(db, bad))
    return {cell: found for cell, found in seen.items() if not known.get(cell)}


def _seal_new(
    db: sqlite3.Connection,
    seen: Mapping[str, str],
    column: str,
    hash_of: Callable[[sqlite3.Connection, str], str],
    version: int = -1,
) -> None:
    """Gives hashes to cells without one: those in ``seen`` if nobody has written since ``version``, else new ones."""
    if not seen:
        return
    with suppress(sqlite3.OperationalError, StoreError), database.transaction(db):  # read-only, full or busy: later
        if data_version(db) != version:
            seen = {cell: hash_of(db, cell) for cell in list(seen)[:SEALED_AT_ONCE]}
        db.executemany("INSERT OR IGNORE INTO cell_checks (cell) VALUES (?)", [(cell,) for cell in seen])
        sql = f"UPDATE cell_checks SET {column} = ? WHERE cell = ?"
        db.executemany(sql, [(found, cell) for cell, found in seen.items()])


def data_version(db: sqlite3.Connection) -> int:
    """Returns a number that changes when another connection writes."""
    return int(db.execute("PRAGMA data_version").fetchone()[0])


def _agrees(db: sqlite3.Connection, cell: str, column: str, hash_of: Callable[[sqlite3.Connection, str], str]) -> bool:
    db.execute("BEGIN")
    try:
        row = db.execute(f"SELECT {column} FROM cell_checks WHERE cell = ?", [cell]).fetchone()
        return row is None or not row[0] or row[0] == hash_of(db, cell)
    finally:
        db.execute("COMMIT")


def run_hash(db: sqlite3.Connection, cell: str) -> str:
    """Returns the hash of a cell's row in ``runs``; empty where there is none."""
    row = db.execute("SELECT * FROM runs WHERE cell = ?", [cell]).fetchone()
    return "" if row is None else row_hash(row)


def told_hash(db: sqlite3.Connection, cell: str) -> str:
    """Returns the hash of a cell's rows in ``instructions``, in any order; empty where there are none."""
    rows = db.execute("SELECT * FROM instructions WHERE cell = ?", [cell]).fetchall()
    return _joined([row_hash(row) for row in rows]) if rows else ""


def _joined(hashes: Sequence[str]) -> str:
    return sha256(" ".join(sorted(hashes)).encode()).hexdigest()
