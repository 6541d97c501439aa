"""A connection to a study's database whose damage and lack of room become one sentence for a person.

sqlite3 raises its errors while a statement runs and while its rows are fetched, so the cursor is the place to catch
them. Errors of programs (a wrong statement) stay as they are. Guarded by
tests/core/test_study_cell_checks.py.
"""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..errors import StoreError
from ..processes import command_text
from ..settings import home_path

SHARD_FILE = "shard.json"
"""The file beside the database of a shard that says which part of which plan it is."""

T = TypeVar("T")
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_NO_SUCH = ("decode to UTF-8", "no such column", "no such table", "has no column named", "malformed", "unknown column")
"""What sqlite3 says where the schema is not the one that Heed made."""
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}


class ToldCursor(sqlite3.Cursor):
    """Raises StoreError for a damaged, full or read-only database."""

    def execute(self, *arguments: Any) -> ToldCursor:
        """Like sqlite3's. Raises StoreError."""
        return self._told(lambda: super(ToldCursor, self).execute(*arguments))

    def executemany(self, *arguments: Any) -> ToldCursor:
        """Like sqlite3's. Raises StoreError."""
        return self._told(lambda: super(ToldCursor, self).executemany(*arguments))

    def fetchone(self) -> Any:
        """Like sqlite3's. Raises StoreError."""
        return self._told(super().fetchone)

    def fetchmany(self, *arguments: Any) -> list[Any]:
        """Like sqlite3's. Raises StoreError."""
        return self._told(lambda: super(ToldCursor, self).fetchmany(*arguments))

    def fetchall(self) -> list[Any]:
        """Like sqlite3's. Raises StoreError."""
        return self._told(super().fetchall)

    def __next__(self) -> Any:
        return self._told(super().__next__)

    def _told(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except sqlite3.Error as error:
            told = told_error(error, self.connection)
            if told is None:
                raise
            raise told from error


class ToldRow(sqlite3.Row):
    """A row that raises StoreError for a column that a damaged schema calls by another name."""

    def __getitem__(self, key: Any) -> Any:
        """Like sqlite3's. Raises StoreError."""
        try:
            return super().__getitem__(key)
        except IndexError as error:
            if not isinstance(key, str):
                raise
            raise StoreError(
                f"The database of a study is damaged (it has no column {key!r}): delete the study and run it again, "
                "or put back a copy of its folder."
            ) from error


class ToldConnection(sqlite3.Connection):
    """Makes cursors that raise StoreError for a damaged, full or read-only database."""

    columns_seen: frozenset[str] = frozenset()
    """Columns that the table of runs is known to have: asking for all of them at each write takes longer than it."""

    def cursor(self, factory: Any = ToldCursor) -> Any:
        """Like sqlite3's."""
        return super().cursor(factory)

    def execute(self, *arguments: Any) -> Any:
        """Like sqlite3's, which would pass the cursor's own method by. Raises StoreError."""
        return self.cursor().execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        """Like sqlite3's. Raises StoreError."""
        return self.cursor().executemany(*arguments)


def told_error(error: sqlite3.Error, db: sqlite3.Connection) -> StoreError | None:
    """Returns what a person is told of an error of the storage; None for an error of a program."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in _DAMAGED or any(words in str(error) for words in _NO_SUCH):
        folder = _folder_of(db)
        return StoreError(
            f"The database of the study in {folder} is damaged ({error}): {begun_anew(folder)}, or put back a copy of "
            "its folder."
        )
    if primary == sqlite3.SQLITE_READONLY and _reads_only(db):
        return StoreError("Somebody else shares this study, so it can be read and not changed: use it as a new plan.")
    if primary in _FULL:
        return StoreError(
            f"The study in {_folder_of(db)} cannot be written ({error}): free some space on its disk, or check that "
            "you may write there."
        )
    if primary in _BUSY:
        return StoreError(
            f"Another process has kept the study in {_folder_of(db)} busy for a minute ({error}): wait until it is "
            "done, or end it, and try again."
        )
    return None


def begun_anew(folder: Path) -> str:
    """Returns what a person can do who gives up what a study's damaged database holds; a shard is written anew."""
    if (folder / SHARD_FILE).exists():
        return f"delete its folder, give `{command_text('study', 'shard')}` as before, which writes it anew, and run it"
    return "delete its folder and run it again"


def study_words(folder: Path) -> str:
    """Returns what a study is called in a command: its id, or its folder where it lies outside HEED_HOME/studies."""
    below = folder.resolve().parent == (home_path() / "studies").resolve()
    return folder.name if below else shlex.quote(str(folder))


def words_of_study(db: sqlite3.Connection) -> str:
    """Returns what the study of this database is called in a command."""
    return study_words(Path(db.execute("PRAGMA database_list").fetchone()["file"]).parent)


def _reads_only(db: sqlite3.Connection) -> bool:
    """Whether it was opened for reading on purpose, by somebody whose study it is not."""
    return bool(sqlite3.Cursor(db).execute("PRAGMA query_only").fetchone()[0])


def _folder_of(db: sqlite3.Connection) -> Path:
    plain = sqlite3.Cursor(db)
    try:
        return Path(str(plain.execute("PRAGMA database_list").fetchone()[2])).parent
    except sqlite3.Error:
        return Path("HEED_HOME/studies")
