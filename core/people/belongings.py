"""What belongs to whom: one small SQLite file beside the store, HEED_HOME/people.sqlite.

A run's id is the hash of what was asked, so two people who ask the same own the same stored run; deleting gives up
one's own part, and files go when nobody is left. What was stored without sign-in belongs to the machine: nobody who
signs in sees it until it is shared (``heed share``). Every row has a check number; one that fails it counts as absent,
so that a flipped byte hides something rather than shows it. Guarded by tests/core/test_people_belongings.py.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from ..errors import StoreError
from ..settings import home_path, unwritable_sentence
from .viewer import NO_ONE, Person, viewer

LOG = logging.getLogger("heed")
PEOPLE_FILE = "people.sqlite"
MACHINE = Person("", "")
"""The owner of what was stored without sign-in."""
_TABLE = """CREATE TABLE IF NOT EXISTS belongings (
    kind TEXT NOT NULL, ident TEXT NOT NULL, person TEXT NOT NULL, name TEXT NOT NULL, shared INTEGER NOT NULL,
    at REAL NOT NULL, checked INTEGER NOT NULL, PRIMARY KEY (kind, ident, person))"""


@dataclass(frozen=True)
class Belonging:
    """How a run or study stands to the viewer."""

    own: bool
    shared: bool
    """Whether anybody shares it with all who sign in."""
    by: str
    """Who else shares it, for display; empty for the machine and where nobody does."""
    mine_shared: bool = False
    """Whether the viewer shares it."""


def take_ownership(kind: str, ident: str, existed: bool = False) -> None:
    """Notes that the viewer has this now. ``kind``: ``run``, ``study`` or ``text``. Raises StoreError.

    ``existed``: its files were there before; where they belonged to nobody, they are the machine's as well from now on,
    so that deleting takes nothing from whoever made them.
    """
    person = viewer()
    if person == NO_ONE or (person is None and not _path().exists()):
        return
    with _changing() as db:
        taken = bool(_rows(db, kind, ident))
        if existed and not taken and person is not None:
            _put(db, kind, ident, MACHINE, False)
        if person is not None or taken:
            owner = person or MACHINE
            shared = any(row["person"] == owner.key and row["shared"] for row in _rows(db, kind, ident))
            _put(db, kind, ident, owner, shared)


def may_see(kind: str, ident: str) -> bool:
    """Returns whether the viewer may see this: it is theirs, or shared; always where there is no sign-in."""
    person = viewer()
    return person is None or any(row["person"] == person.key or row["shared"] for row in _read(kind, ident))


def is_owner(kind: str, ident: str) -> bool:
    """Returns whether this is the viewer's own; always where there is no sign-in."""
    person = viewer()
    return person is None or any(row["person"] == person.key for row in _read(kind, ident))


def visible_ids(kind: str) -> frozenset[str] | None:
    """Returns the ids that the viewer may see; None: all."""
    return None if viewer() is None else frozenset(belongings_of(kind))


def belongings_of(kind: str) -> dict[str, Belonging]:
    """Returns {id: Belonging} of all that the viewer may see; of all that has an owner where there is no sign-in."""
    person, found = viewer(), dict[str, Belonging]()
    for row in _read(kind):
        old = found.get(row["ident"], Belonging(False, False, ""))
        mine, shared = person is not None and row["person"] == person.key, bool(row["shared"])
        by = old.by or ("" if mine or not shared else row["name"])
        shared_by_me = old.mine_shared or (mine and shared)
        found[row["ident"]] = Belonging(old.own or mine, old.shared or shared, by, shared_by_me)
    return {ident: one for ident, one in found.items() if person is None or one.own or one.shared}


def belonging_ids(kind: str) -> frozenset[str]:
    """Returns the ids that are the viewer's own; empty where there is no sign-in."""
    return frozenset(ident for ident, one in belongings_of(kind).items() if one.own)


def owned_ids(kind: str) -> frozenset[str]:
    """Returns the ids that belong to anybody who signs in, whoever asks: the rest is the machine's alone."""
    return frozenset(row["ident"] for row in _read(kind) if row["person"] != MACHINE.key)


def share_with_all(kind: str, ident: str, on: bool = True) -> None:
    """Shares the viewer's own with everybody who signs in, or ends that; without sign-in, in the machine's name.

    What is not the viewer's own is left as it is. Raises StoreError.
    """
    person = viewer() or MACHINE
    with _changing() as db:
        if person is MACHINE or any(row["person"] == person.key for row in _rows(db, kind, ident)):
            _put(db, kind, ident, person, on)


def give_up(kind: str, ident: str) -> bool:
    """Ends the viewer's ownership; returns whether the files may go: nobody else has them. Raises StoreError.

    Where there is no sign-in the owner of the machine decides for all. What is not the viewer's own stays.
    """
    person = viewer()
    if person is None:
        with suppress(StoreError):  # a full disk: deleting needs no free byte
            forget_owners(kind, ident)
        return True
    with _changing() as db:
        rows = _rows(db, kind, ident)
        if not any(row["person"] == person.key for row in rows):
            return False
        where = [kind, ident, person.key]
        db.execute("DELETE FROM belongings WHERE kind = ? AND ident = ? AND person = ?", where)
        return len(rows) == 1


def forget_owners(kind: str, ident: str) -> None:
    """Forgets whose this was: it was deleted for good. Raises StoreError."""
    if _path().exists():
        with _changing() as db:
            db.execute("DELETE FROM belongings WHERE kind = ? AND ident = ?", [kind, ident])


def _path() -> Path:
    return home_path() / PEOPLE_FILE


@contextmanager
def _changing() -> Iterator[sqlite3.Connection]:
    """A connection in one transaction. Raises StoreError where it cannot be written."""
    path = _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(_connect(str(path))) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute(_TABLE)
            yield db
            db.execute("COMMIT")
    except OSError as error:
        raise StoreError(unwritable_sentence(path.parent, error)) from error
    except sqlite3.Error as error:
        raise StoreError(_unreadable(path, error)) from error


def _read(kind: str, ident: str = "") -> list[sqlite3.Row]:
    path = _path()
    if viewer() == NO_ONE or not path.exists():
        return []
    try:
        with closing(_connect(f"{path.as_uri()}?mode=ro")) as db:
            made = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'belongings'").fetchone()
            return _rows(db, kind, ident) if made else []
    except sqlite3.Error as error:
        raise StoreError(_unreadable(path, error)) from error


def _connect(where: str) -> sqlite3.Connection:
    db = sqlite3.connect(where, timeout=10, isolation_level=None, uri=where.startswith("file:"))
    db.row_factory = sqlite3.Row
    db.text_factory = lambda data: data.decode("utf-8", "replace")  # a flipped byte fails its check instead
    return db


def _rows(db: sqlite3.Connection, kind: str, ident: str = "") -> list[sqlite3.Row]:
    which = " AND ident = ?" if ident else ""
    found = db.execute(f"SELECT * FROM belongings WHERE kind = ?{which} ORDER BY at", [kind, *[ident] * bool(ident)])
    return list(_sound(found))


def _sound(rows: Iterable[sqlite3.Row]) -> Iterator[sqlite3.Row]:
    for row in rows:
        *values, checked = row
        if _number(values) == checked:
            yield row
        else:
            LOG.warning("A line of %s was changed on disk and does not count.", PEOPLE_FILE)


def _put(db: sqlite3.Connection, kind: str, ident: str, person: Person, shared: bool) -> None:
    values = [kind, ident, person.key, person.name, int(shared), time.time()]
    db.execute("REPLACE INTO belongings VALUES (?, ?, ?, ?, ?, ?, ?)", [*values, _number(values)])


def _number(values: list[Any]) -> int:
    return crc32(repr(values).encode("utf-8", "replace"))


def _unreadable(path: Path, error: sqlite3.Error) -> str:
    return (
        f"What belongs to whom cannot be read or written ({error}): whoever runs Heed frees space, or puts back a copy "
        f"of {path}."
    )
