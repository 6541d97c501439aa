"""Hashes of the small tables of a study: its list of cells, its notes, its ratings; and their mending.

``cell_checks`` guards what finished cells hold. Which cells there are, what a person rated and what the study notes of
itself stand in ``cells``, ``ratings`` and ``meta``. Each rating and note has its sha256 in ``row_checks``, the whole
list of cells has one (states and claims left out, which change all the time; a state that there is not is damage too).
Triggers, which lie in the database, delete a hash when its row changes, so that older versions of Heed may write; what
has no hash is sealed when it is next read. Guarded by tests/core/test_study_table_checks.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Any

from ..errors import StoreError
from ..processes import command_text
from .told_connection import words_of_study

STATES = ("waiting", "claimed", "done", "failed")
_CELL = "cell, number, item, task, structure, control, model, seed, steered, factor, wanted, batch"
_ALL = "all"
"""The key of the hash of the list of cells."""
_KEYS = {"meta": "{0}.key", "ratings": "{0}.cell || ' ' || {0}.rater", "cells": f"'{_ALL}'"}
_EVENTS = [(table, event) for table in _KEYS for event in ("INSERT", "UPDATE", "DELETE")]
ROW_CHECKS = """
CREATE TABLE IF NOT EXISTS row_checks (
    name TEXT NOT NULL, key TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (name, key));
""" + "".join(
    f"CREATE TRIGGER IF NOT EXISTS {table}_{event.lower()}_row AFTER {event}"
    f"{f' OF {_CELL}' if (table, event) == ('cells', 'UPDATE') else ''} ON {table} BEGIN DELETE FROM row_checks "
    f"WHERE name = '{table}' AND key = {_KEYS[table].format('OLD' if event == 'DELETE' else 'NEW')}; END;\n"
    for table, event in _EVENTS
)
"""The table of hashes, and what deletes them when a row changes."""
CHECKED_TABLES = ("cells", "meta", "plans", "ratings", "runs", "instructions", "cell_checks", "row_checks")
"""Tables whose indexes are compared with them when a study is worked on or read whole; digests are elsewhere."""
ALWAYS_CHECKED = ("cells", "meta", "plans", "ratings", "cell_checks", "row_checks")
CHECKED_UNLESS_COPIED = ("runs", "instructions")
"""Those of them that a copy of the table of runs does not replace (table_copy.py), and the others."""


def check_tables(db: sqlite3.Connection, tables: Sequence[str] = CHECKED_TABLES) -> None:
    """Checks indexes, list of cells, notes and ratings of a study; seals what has no hash. Raises StoreError.

    ``tables``: those whose indexes are compared with them. Everything is compared in one transaction, since other
    processes write meanwhile.
    """
    with _at_one_time(db, "BEGIN"):
        bad = damaged_tables(db, tables)
        lacking = not bad and _places(db) - set(_known(db))
    if bad:
        raise StoreError(_sentence(db, bad))
    if lacking:
        with suppress(sqlite3.OperationalError, StoreError), _at_one_time(db, "BEGIN IMMEDIATE"):
            known = _known(db)  # read-only, full or busy: they are sealed another time
            new = [(*place, found) for place, found in _seen(db).items() if place not in known]
            db.executemany("INSERT INTO row_checks VALUES (?, ?, ?)", new)


@contextmanager
def _at_one_time(db: sqlite3.Connection, begin: str) -> Iterator[None]:
    db.execute(begin)
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def damaged_tables(db: sqlite3.Connection, tables: Sequence[str] = CHECKED_TABLES) -> list[str]:
    """Returns the names of tables that do not hold what was written, or whose indexes do not agree with them."""
    known, seen = _known(db), _seen(db)
    bad = [name for (name, key), found in seen.items() if known.get((name, key), found) != found]
    bad += [name for name, key in known if (name, key) not in seen] if not bad else []
    marks = ", ".join("?" * len(STATES))
    if db.execute(f"SELECT count(*) FROM cells WHERE state NOT IN ({marks})", STATES).fetchone()[0]:
        bad.append("cells")
    for table in tables:
        if db.execute(f"PRAGMA integrity_check({table})").fetchone()[0] != "ok":
            bad.append(table)
    return list(dict.fromkeys(bad))


def _known(db: sqlite3.Connection) -> dict[tuple[str, str], str]:
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'row_checks'").fetchone():
        return {}  # of an older version, opened for reading
    return {(row["name"], row["key"]): row["hash"] for row in db.execute("SELECT * FROM row_checks").fetchall()}


def _seen(db: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """Returns the hashes of what stands there now."""
    found = {("cells", _ALL): _hash(db.execute(f"SELECT {_CELL} FROM cells ORDER BY number, cell").fetchall())}
    for row in db.execute("SELECT key, value FROM meta").fetchall():
        found["meta", row["key"]] = _hash([row])
    for row in db.execute("SELECT cell, rater, rating, at FROM ratings").fetchall():
        found["ratings", f"{row['cell']} {row['rater']}"] = _hash([row])
    return found


def _places(db: sqlite3.Connection) -> set[tuple[str, str]]:
    """Returns what ``_seen`` has hashes of, without making them."""
    notes = [("meta", row["key"]) for row in db.execute("SELECT key FROM meta").fetchall()]
    rated = db.execute("SELECT cell, rater FROM ratings").fetchall()
    return {("cells", _ALL), *notes, *(("ratings", f"{row['cell']} {row['rater']}") for row in rated)}


def _hash(rows: list[Any]) -> str:
    return sha256(repr([tuple(row) for row in rows]).encode("utf-8", "surrogatepass")).hexdigest()


_WORDS = {"cells": "list of runs", "meta": "notes", "ratings": "ratings", "plans": "plan"}


def _sentence(db: sqlite3.Connection, bad: list[str]) -> str:
    study = words_of_study(db)
    words = list(dict.fromkeys(_WORDS.get(name, "index") for name in bad))
    return (
        f"In the study {study} the {' and the '.join(words)} was damaged on disk: "
        f"`{command_text('study', 'mend', study)}` mends what can be mended and says what is lost."
    )


def drop_damaged_rows(db: sqlite3.Connection) -> dict[str, int]:
    """Deletes notes and ratings that are not what was written (inside a transaction); returns {table: how many}."""
    known, seen, gone = _known(db), _seen(db), {"meta": 0, "ratings": 0}
    for (name, key), found in seen.items():
        if name == "cells" or known.get((name, key), found) == found:
            continue
        if name == "meta":
            db.execute("DELETE FROM meta WHERE key = ?", [key])
        else:
            cell, _, rater = key.partition(" ")
            db.execute("DELETE FROM ratings WHERE cell = ? AND rater = ?", [cell, rater])
        gone[name] += 1
    db.execute("DELETE FROM row_checks")
    return gone
