"""The SQLite database of one study: its work list, claims of workers, and results.

    cells         the work list: state, and which process holds a cell
    runs          one row per run: the table of statistics; a column for each metric and feature
    instructions  one row per run and instruction
    kept          the inputs of all numbers: request, digest (about 100 kB), effects
    plans         as given, and with every item and example written out; the last one is valid
    cell_checks   the sha256 of what a cell wrote to each table, see cell_checks.py
    row_checks    the sha256 of the list of cells, and of each note and rating, see table_checks.py
    ratings, meta

WAL, so that pages read while workers write; one transaction writes a finished cell everywhere, so that a process
killed at any moment leaves a cell done or not begun. A claim names its process; claims of processes that have ended
are free again. New columns are added when a metric or feature appears. Guarded by tests/core/test_study_database.py.
"""

from __future__ import annotations

import math
import os
import secrets
import socket
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..errors import StoreError
from ..unfinished import process_start
from .table_checks import ROW_CHECKS
from .told_connection import ToldConnection, ToldRow, begun_anew

FILE = "study.sqlite"
SILENT = 600.0
"""Seconds after which a claim of another machine is taken over."""

TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS plans (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, at REAL NOT NULL, json TEXT NOT NULL, frozen TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cells (
    cell TEXT PRIMARY KEY, number INTEGER NOT NULL, item TEXT NOT NULL, task TEXT NOT NULL, structure TEXT NOT NULL,
    control INTEGER NOT NULL, model TEXT NOT NULL, seed INTEGER NOT NULL, wanted INTEGER NOT NULL DEFAULT 1,
    pilot INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'waiting', owner TEXT NOT NULL DEFAULT '',
    claimed REAL NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS work ON cells (state, model, number);
CREATE TABLE IF NOT EXISTS runs (
    cell TEXT PRIMARY KEY, run TEXT, prompt_id TEXT, task TEXT, structure TEXT, control INTEGER, model TEXT,
    seed INTEGER, prompt_tokens INTEGER, output_tokens INTEGER, finish TEXT, truncated INTEGER, answer TEXT,
    error TEXT, why TEXT, seconds REAL, near_ties INTEGER, finished REAL);
CREATE TABLE IF NOT EXISTS instructions (
    cell TEXT NOT NULL, run TEXT, prompt_id TEXT, task TEXT, structure TEXT, control INTEGER, model TEXT,
    number INTEGER NOT NULL, id TEXT, kwargs TEXT, message INTEGER, start INTEGER, "end" INTEGER, share REAL,
    multiple REAL, masked REAL, removed REAL, strict REAL, loose REAL, why TEXT, PRIMARY KEY (cell, number));
CREATE TABLE IF NOT EXISTS kept (
    cell TEXT PRIMARY KEY, request TEXT NOT NULL, spans TEXT NOT NULL, digest BLOB, effects TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ratings (
    cell TEXT NOT NULL, rater TEXT NOT NULL, rating REAL NOT NULL, at REAL NOT NULL, PRIMARY KEY (cell, rater));
"""
CHECKS = """
CREATE TABLE IF NOT EXISTS cell_checks (
    cell TEXT PRIMARY KEY, kept TEXT NOT NULL DEFAULT '', run TEXT NOT NULL DEFAULT '', told TEXT NOT NULL DEFAULT '');
""" + "".join(
    f"CREATE TRIGGER IF NOT EXISTS {table}_{event.lower()} AFTER {event} ON {table} BEGIN "
    f"UPDATE cell_checks SET {column} = '' WHERE cell = {'OLD' if event == 'DELETE' else 'NEW'}.cell; END;\n"
    for table, column in (("kept", "kept"), ("runs", "run"), ("instructions", "told"))
    for event in ("INSERT", "UPDATE", "DELETE")
)
"""The hashes of cells, and what empties them when a row changes."""
STEERED_COLUMNS = {"steered": "TEXT NOT NULL DEFAULT ''", "factor": "REAL NOT NULL DEFAULT 1"}
"""Columns of cells, runs and instructions since 0.8.0: which part was read more or less, and by what factor."""
NO_BATCH, NEW_CELL = -1, -2
"""In the column ``batch``: run with whatever waits, as in studies from before 0.10; or about to get a batch."""
FIXED = (
    *STEERED_COLUMNS,
    *("cell", "run", "prompt_id", "task", "structure", "control", "model", "seed", "prompt_tokens", "output_tokens"),
    *("finish", "truncated", "answer", "error", "why", "seconds", "near_ties", "finished"),
)
"""Columns of ``runs`` that are neither metric nor feature."""


def connect(path: Path) -> sqlite3.Connection:
    """Opens the database at ``path``, creating it if needed; statements commit by themselves.

    Where it cannot be written (a full disk, a read-only folder) an existing one is opened for reading. Raises
    StoreError, also from later statements on a damaged or full database.
    """
    try:
        return _prepared(sqlite3.connect(path, timeout=60, **_LOOKS))
    except (sqlite3.Error, StoreError, OSError) as error:
        busy = "locked" in str(error) or "busy" in str(error)
        db = None if busy else _for_reading(path)
        if db is None and isinstance(error, StoreError):
            raise
        if db is None:
            raise StoreError(
                f"The study at {path.parent} cannot be opened ({error}): check its disk and rights, or "
                f"{begun_anew(path.parent)}."
            ) from error
        return db


_LOOKS: dict[str, Any] = {"isolation_level": None, "check_same_thread": False, "factory": ToldConnection}


def _prepared(db: sqlite3.Connection) -> sqlite3.Connection:
    try:
        db.row_factory = ToldRow
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        for last, sql in (("ratings", TABLES), ("instructions_delete", CHECKS)):
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [last]).fetchone():
                db.executescript(sql)
        _add_steered(db)
        _add_batch(db)
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'cells_delete_row'").fetchone():
            db.executescript(ROW_CHECKS)  # after the columns that its triggers name
    except BaseException:
        db.close()
        raise
    return db


def _for_reading(path: Path) -> sqlite3.Connection | None:
    """Opens an existing database without writing a byte; None where that fails too, or it is of an older Heed."""
    wal = path.with_name(path.name + "-wal")
    with suppress(sqlite3.Error, StoreError, OSError):
        alone = not wal.exists() or wal.stat().st_size == 0
        mode = "mode=ro&immutable=1" if alone else "mode=ro"
        db = sqlite3.connect(f"file:{quote(str(path))}?{mode}", uri=True, timeout=60, **_LOOKS)
        db.row_factory = ToldRow
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'cell_checks'").fetchone():
            return db
        db.close()
    return None


def _add_steered(db: sqlite3.Connection) -> None:
    for table in ("cells", "runs", "instructions"):
        known = {row["name"] for row in db.execute(f"PRAGMA table_info({table})")}
        for name, kind in STEERED_COLUMNS.items():
            if name not in known:
                _alter(db, f"ALTER TABLE {table} ADD COLUMN {name} {kind}")


def _add_batch(db: sqlite3.Connection) -> None:
    """Adds the column of the batch that a cell belongs to; cells of older studies have none."""
    if "batch" not in {row["name"] for row in db.execute("PRAGMA table_info(cells)")}:
        _alter(db, f"ALTER TABLE cells ADD COLUMN batch INTEGER NOT NULL DEFAULT {NO_BATCH}")


def _alter(db: sqlite3.Connection, sql: str) -> None:
    """Adds a column, unless another process was faster."""
    try:
        db.execute(sql)
    except sqlite3.OperationalError as error:
        if "duplicate column" not in str(error):
            raise


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commits everything inside the block, or nothing; excludes other writers. Inside another it is a part of that."""
    if db.in_transaction:
        yield
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # a full disk ends it by itself
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def quote_column(name: str) -> str:
    """Quotes a column's name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def sql_number(value: float | None) -> float | None:
    """Returns a number as the database holds it: None for what is undefined, since SQLite keeps no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)


def put_row(db: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> None:
    """Inserts or replaces one row; columns that ``runs`` does not have yet are added as numbers."""
    if table == "runs":
        add_columns(db, [name for name in row if name not in FIXED])
    db.execute(_insert_line(table, tuple(row)), list(row.values()))


@lru_cache(maxsize=32)
def _insert_line(table: str, names: tuple[str, ...]) -> str:
    columns = ", ".join(quote_column(name) for name in names)
    return f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({', '.join('?' * len(names))})"


def add_columns(db: sqlite3.Connection, names: Iterable[str]) -> None:
    """Adds those of the columns that ``runs`` lacks."""
    asked = dict.fromkeys(names)
    if isinstance(db, ToldConnection) and asked.keys() <= db.columns_seen:
        return
    known = {row["name"] for row in db.execute("PRAGMA table_info(runs)")}
    missing = [name for name in asked if name not in known]
    for name in missing:
        _alter(db, f"ALTER TABLE runs ADD COLUMN {quote_column(name)} REAL")
    if isinstance(db, ToldConnection) and not missing:  # one that was just added may be taken back
        db.columns_seen = frozenset(known)


def get_note(db: sqlite3.Connection, key: str) -> str | None:
    """Returns the value stored under ``key`` in ``meta``, or None."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()
    return None if row is None else str(row["value"])


def put_note(db: sqlite3.Connection, key: str, value: str) -> None:
    """Keeps a named value in the study; ``get_note`` gives it back."""
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", [key, value])


LONGER = "longer"
"""The note that holds the token limit of answers that were cut off before and are written anew."""


def longer_limit(db: sqlite3.Connection) -> int:
    """Returns the token limit of answers that were cut off before; 0 where they were never lengthened."""
    return int(get_note(db, LONGER) or 0)


def cut_off_cells(db: sqlite3.Connection) -> dict[str, int]:
    """Returns {cell: tokens of its answer} of the planned cells whose stored answer the token limit cut off."""
    sql = "SELECT cell, output_tokens FROM runs JOIN cells USING (cell) WHERE truncated = 1 AND wanted"
    return {row["cell"]: int(row["output_tokens"] or 0) for row in db.execute(sql)}


NOT_LONGER = "not longer: "
"""Notes that begin so name a cell whose answer could not be made longer; they hold the reason."""


LEARNED_WEIGHTS = "learned_weights"
"""The column of ``runs`` that tells by which weights of heads a run was read; no feature."""
AGAIN, NOT_AGAIN = "read again: ", "not read again: "
"""Notes that begin so name a cell whose answer is to be read once more (by these methods), or could not be (why)."""


def keep_old_run(db: sqlite3.Connection, cell: str, why: str, note: str = NOT_LONGER) -> None:
    """Marks a cell as done with the run that it had, and notes why it got no longer or newer one."""
    with transaction(db):
        db.execute("UPDATE cells SET state = 'done', owner = '' WHERE cell = ?", [cell])
        drop_notes(db, AGAIN + cell)
        put_note(db, note + cell, why)


def cell_notes(db: sqlite3.Connection, kind: str) -> dict[str, str]:
    """Returns {cell: text} of the notes on cells that begin with ``kind``: AGAIN, NOT_AGAIN, NOT_LONGER."""
    found = db.execute("SELECT key, value FROM meta WHERE key LIKE ?", [f"{kind}%"])
    return {row["key"].removeprefix(kind): row["value"] for row in found}


def drop_notes(db: sqlite3.Connection, beginning: str) -> None:
    """Deletes all notes whose key begins so."""
    db.execute("DELETE FROM meta WHERE key LIKE ?", [f"{beginning}%"])


def claim_cells(db: sqlite3.Connection, owner: str, model: str, most: int, pilot: bool = False) -> list[dict[str, Any]]:
    """Claims the next cells of one model and one task for ``owner``; empty when none is left unclaimed.

    Of a cell with a batch all of the batch that waits is claimed, whatever ``most`` says. Cells whose process ended
    before come one at a time, so that one that kills its process is identified.
    """
    with transaction(db):
        _release(db, owner)
        where = "state = 'waiting' AND wanted AND model = ?" + (" AND pilot" if pilot else "")
        first = db.execute(f"SELECT * FROM cells WHERE {where} ORDER BY tries > 2, number LIMIT 1", [model]).fetchone()
        if first is None:
            return []
        alone = first["tries"] > 2
        rows = db.execute(
            f"SELECT * FROM cells WHERE {where} AND task = ? AND number >= ? AND batch = ? AND tries < 3 "
            "ORDER BY number LIMIT ?",
            [model, first["task"], first["number"], first["batch"], most if first["batch"] < 0 else -1],
        ).fetchall()
        taken = [first] if alone else rows
        db.executemany(
            "UPDATE cells SET state = 'claimed', owner = ?, claimed = ?, tries = tries + 1 WHERE cell = ?",
            [(owner, time.time(), row["cell"]) for row in taken],
        )
    return [dict(row) for row in taken]


def cells_lacking(db: sqlite3.Connection, model: str, columns: Iterable[str], learned: str = "") -> list[str]:
    """Returns the finished cells of a model that read attention and lack a value in one of the columns of features.

    ``columns``: one of each method of the plan; the entropy of heads is always among those that are looked at.
    ``learned``: id of the weights of heads that there are now; cells read by others count as well. Reads only.
    """
    known = {row["name"] for row in db.execute("PRAGMA table_info(runs)")}
    wanted = ["head_entropy", *columns]
    read = " OR ".join(f"{_value(name, known)} IS NOT NULL" for name in ("lookback", *wanted))
    lacks = " OR ".join(f"{_value(name, known)} IS NULL" for name in wanted)
    if learned and any(name.endswith("@learned-heads") for name in wanted):
        lacks += f" OR {_value(LEARNED_WEIGHTS, known)} IS NOT {weights_number(learned)}"
    sql = (
        "SELECT cell FROM runs JOIN cells USING (cell) WHERE state = 'done' AND wanted AND cells.model = ? AND "
        f"error = '' AND ({read}) AND ({lacks}) ORDER BY number"
    )
    return [row["cell"] for row in db.execute(sql, [model])]


def weights_number(ident: str) -> int:
    """Returns the id of weights of heads as the number that a row of ``runs`` holds; exact as a float."""
    return int(ident[:12], 16)


def _value(name: str, known: Collection[str]) -> str:
    """Returns a column for SQL, NULL where the table does not have it: looking must not change a table."""
    return quote_column(name) if name in known else "NULL"


def wait_again(db: sqlite3.Connection, cells: Iterable[str]) -> None:
    """Marks finished cells as waiting."""
    db.executemany(
        "UPDATE cells SET state = 'waiting', owner = '', tries = 0 WHERE cell = ? AND state = 'done'",
        [(cell,) for cell in cells],
    )


def release_claims(db: sqlite3.Connection, owner: str) -> None:
    """Frees cells that ``owner`` claimed and did not run."""
    db.execute(
        "UPDATE cells SET state = 'waiting', owner = '', tries = max(tries - 1, 0) "
        "WHERE state = 'claimed' AND owner = ?",
        [owner],
    )


def release_cells(db: sqlite3.Connection, owner: str, cells: Iterable[str], tried: bool) -> None:
    """Frees some of the cells that ``owner`` claimed; ``tried``: their process ended, and that stays counted."""
    tries = "tries" if tried else "max(tries - 1, 0)"
    db.executemany(
        f"UPDATE cells SET state = 'waiting', owner = '', tries = {tries} "
        "WHERE cell = ? AND state = 'claimed' AND owner = ?",
        [(cell, owner) for cell in cells],
    )


def refresh_claims(db: sqlite3.Connection, owner: str) -> None:
    """Renews the claims of ``owner``, as a sign that it still works."""
    db.execute("UPDATE cells SET claimed = ? WHERE state = 'claimed' AND owner = ?", [time.time(), owner])


def release_ended(db: sqlite3.Connection, owner: str) -> int:
    """Frees the claims of processes that have ended, as each claim of ``owner`` does first; returns how many cells."""
    with transaction(db):
        return _release(db, owner)


def _release(db: sqlite3.Connection, owner: str) -> int:
    """Frees the claims of ended processes (inside a transaction); returns how many cells."""
    held = db.execute("SELECT owner, max(claimed) AS at FROM cells WHERE state = 'claimed' GROUP BY owner").fetchall()
    freed = 0
    for row in held:
        if row["owner"] != owner and not is_alive(row["owner"], row["at"]):
            free = "UPDATE cells SET state = 'waiting', owner = '' WHERE state = 'claimed' AND owner = ?"
            freed += db.execute(free, [row["owner"]]).rowcount
    return freed


def worker_name() -> str:
    """Returns a new owner name from which others can tell whether this process lives: host, process id, its start."""
    return f"{socket.gethostname()} {os.getpid()} {process_start(os.getpid())} {secrets.token_hex(4)}"


def is_alive(owner: str, at: float) -> bool:
    """Returns whether the claiming process may still work; on other machines judged by the age of its claim.

    When a process began is told in ticks of the machine, which a changed clock does not move.
    """
    host, pid, started, *_ = f"{owner} 0 0".split(" ")
    if host != socket.gethostname():
        return abs(time.time() - at) < SILENT
    return pid.isdigit() and started == process_start(int(pid)) != ""


def query_rows(db: sqlite3.Connection, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """Returns the rows of a query as dicts."""
    return [dict(row) for row in db.execute(sql, values)]
