"""A searchable index of all stored runs: SQLite as a cache of the run folders.

The folders are authoritative. Before every query the index is updated from them: a run whose manifest or label changed
(inode, time and size of the file) is read again, a run that is gone is dropped. So nothing has to be kept in step, a
killed process leaves no trace here, and an index that is missing, corrupt or of another version is simply built anew;
where it cannot be written (a read-only home) it is built in memory. With thousands of runs what other processes change
inside a run's folder is seen after some seconds (``FRESH``), everything else at once. Every row has a check number:
rows that are shown are checked each time, all of them when a process first opens the index and once an hour, so that a
flipped byte shows nothing else for long. Names and stars are in labels/<id>.json with a hash, independent of the index.
Guarded by tests/core/test_store_run_index.py and, for flipped bytes, tests/core/test_store_quarantine.py.
"""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import time
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from os import scandir, sep, stat
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

from ..errors import StoreError
from ..records import SCHEMA
from .run_files import MANIFEST, USED, Damaged, changes, read_manifest, write_file

INDEX_VERSION = 3
"""Increase it when TABLE changes: an index of another version, or of another schema of records, is built anew."""

PREVIEW = 200
"""Characters of prompt and answer in a list."""

TABLE = """CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, signature TEXT, created TEXT, last_used REAL, model TEXT, prompt TEXT, answer TEXT,
    name TEXT, starred INTEGER, finish TEXT, tokens_in INTEGER, tokens_out INTEGER, bytes INTEGER,
    rows_bytes INTEGER, components_bytes INTEGER, scored INTEGER, haystack TEXT, origin TEXT, label_damaged INTEGER,
    checked INTEGER)"""

CHECKED_EVERY = 3600.0
"""Seconds after which a process checks every row of the index again."""

_PASSING = {
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL),
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM),
}
_ID = re.compile("[0-9a-f]{64}")
AHEAD = 600.0
"""Seconds by which the clock of a drive may be ahead of this machine's."""
LOG = logging.getLogger("heed")
T = TypeVar("T")
_checked_at: dict[str, float] = {}
LARGE, FRESH = 5_000, 10.0
"""Runs from which the folders of all are not asked again for so many seconds, where nothing tells of a change."""
SETTLED_NS = 100_000_000
"""Nanoseconds after which a folder's time tells a later change from the last one."""
_levelled: dict[tuple[str, str, int | None], tuple[Any, ...]] = {}


@dataclass(frozen=True)
class RunInfo:
    """One line of the list of runs. Times are ISO, UTC; prompt and answer are cut to a preview."""

    id: str
    created: str
    last_used: str
    model: str
    """The model's caption."""
    prompt: str
    answer: str
    name: str
    starred: bool
    finish: str
    tokens_in: int
    tokens_out: int
    bytes: int
    has_rows: bool
    scored: bool
    origin: str
    """``"own"``, or ``"imported"`` for a run opened from a file."""
    label_damaged: bool = False
    """Whether its name and star were damaged on disk, so that it has neither."""


def is_id(text: str) -> bool:
    """Returns whether ``text`` can be a run's id: 64 lower-case hexadecimal digits, and so a safe file name."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def read_label(home: Path, run_id: str) -> tuple[str, bool]:
    """Returns the name and star of a run; ("", False) where there are none or they are damaged."""
    try:
        return checked_label(home, run_id)
    except Damaged as error:
        LOG.warning("The name and star of run %s cannot be read: %s", run_id, error)
        return "", False


def checked_label(home: Path, run_id: str) -> tuple[str, bool]:
    """Like ``read_label``, but raises Damaged for a label that cannot be read or fails its hash.

    Labels written before 0.10.0 have no hash.
    """
    try:
        plain = json.loads((home / "labels" / f"{run_id}.json").read_bytes())
        name, starred = plain["name"], plain["starred"]
    except FileNotFoundError:
        return "", False
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged("it cannot be read") from error
    if not isinstance(name, str) or not isinstance(starred, bool) or not set(plain) <= {"name", "starred", "sha256"}:
        raise Damaged("it is no label")
    if plain.get("sha256", _label_hash(name, starred)) != _label_hash(name, starred):
        raise Damaged("it was truncated or edited")
    return name, starred


def _label_hash(name: str, starred: bool) -> str:
    return sha256(json.dumps([name, starred]).encode()).hexdigest()


def write_label(home: Path, run_id: str, name: str, starred: bool) -> None:
    """Stores the name and star of a run. Raises OSError."""
    path = home / "labels" / f"{run_id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, json.dumps({"name": name, "starred": starred, "sha256": _label_hash(name, starred)}).encode())


def query_index(
    home: Path,
    question: Callable[[sqlite3.Connection], T],
    runs: Path | None = None,
    seen: Collection[str] | None = None,
) -> tuple[T, list[str]]:
    """Updates the index from the folders and runs ``question`` on it; returns its result and damaged runs' ids.

    ``home``: where the index and the labels are; ``runs``: the folder of runs, of which only ``seen`` are indexed.
    """
    path, runs = home / "index.sqlite", runs or home / "runs"
    for place in (path, path, None):
        try:
            with closing(_connect(place)) as index:
                _check(index, place)
                damaged = _brought_up(index, place, home, runs, seen)
                return question(index), damaged
        except (sqlite3.DatabaseError, LookupError, ValueError, TypeError) as error:
            if place is None and not isinstance(error, sqlite3.Error):
                raise
            if _passing(error):
                continue  # read-only, full or locked for long: the last round builds it in memory
            _checked_at.pop(str(place), None)
            for name in ("index.sqlite", "index.sqlite-wal", "index.sqlite-shm"):
                with suppress(OSError):
                    (home / name).unlink()
    raise StoreError("The list of runs cannot be built: restart Heed, and free memory if it is short.")


def _passing(error: Exception) -> bool:
    """Returns whether an error says nothing of the file: a flipped schema has other tables and columns instead."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.OperationalError) and code is not None and code & 0xFF in _PASSING


def search_runs(index: sqlite3.Connection, query: str, starred: bool, limit: int, offset: int) -> list[RunInfo]:
    """Returns runs that hold every word of ``query``, last used first."""
    where, values = _where(query, starred)
    found = index.execute(
        f"SELECT * FROM runs{where} ORDER BY last_used > ?, last_used DESC, id LIMIT ? OFFSET ?",
        [*values, latest_time(), limit, offset],
    )
    return [_info(row) for row in found]


def latest_time() -> float:
    """Returns the latest time, seconds since the epoch, at which a file may have been used.

    A later one is from before the clock was put back, and counts as older than all others: else what is made now would
    stand last, and go first when space runs out.
    """
    return time.time() + AHEAD


def count_runs(index: sqlite3.Connection, query: str, starred: bool) -> int:
    """Returns how many runs ``search_runs`` would find without a limit."""
    where, values = _where(query, starred)
    return index.execute(f"SELECT count(*) FROM runs{where}", values).fetchone()[0]


def _where(query: str, starred: bool) -> tuple[str, list[Any]]:
    words = _fold(query).split()
    tests = ["instr(haystack, ?) > 0"] * len(words) + (["starred"] if starred else [])
    return (" WHERE " + " AND ".join(tests) if tests else ""), words


def _connect(path: Path | None) -> sqlite3.Connection:
    index = sqlite3.connect(path or ":memory:", timeout=5, isolation_level=None)
    try:
        index.row_factory = sqlite3.Row
        index.text_factory = lambda data: data.decode("utf-8", "replace")  # a flipped byte fails its check instead
        index.execute("PRAGMA journal_mode=WAL")
        index.execute("PRAGMA synchronous=OFF")  # it can always be built anew
        version = INDEX_VERSION * 1000 + SCHEMA
        if index.execute("PRAGMA user_version").fetchone()[0] != version:
            index.execute("BEGIN IMMEDIATE")
            index.execute("DROP TABLE IF EXISTS runs")
            index.execute(TABLE)
            index.execute(f"PRAGMA user_version={version}")
            index.execute("COMMIT")
    except BaseException:
        index.close()
        raise
    return index


def _check(index: sqlite3.Connection, path: Path | None) -> None:
    """Checks all of the index, when a process first opens it and then once in a while. Raises DatabaseError."""
    if path is None or time.monotonic() - _checked_at.get(str(path), float("-inf")) < CHECKED_EVERY:
        return
    if index.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("the index is damaged")
    for row in index.execute("SELECT * FROM runs"):
        _sound(row)
    _checked_at[str(path)] = time.monotonic()


def _sound(row: sqlite3.Row) -> sqlite3.Row:
    """Returns a row that holds what was written. Raises DatabaseError."""
    *values, checked = row
    if _row_check(values) != checked:
        raise sqlite3.DatabaseError("a row of the index was changed")
    return row


def _row_check(values: Sequence[Any]) -> int:
    """Returns the check number of a row without its last column; the time of last use is compared with its file."""
    return crc32(repr([*values[:3], *values[4:]]).encode("utf-8", "replace"))


def _brought_up(
    index: sqlite3.Connection, place: Path | None, home: Path, runs: Path, only: Collection[str] | None
) -> list[str]:
    """Updates the index as ``_level`` does; one of LARGE runs or more only where anything may have changed since.

    What tells is: a run or a label that came or went (the time of its folder), a change by this process
    (``run_files.changes``), FRESH seconds. A folder that changed a moment before is looked at again, since a later
    change may have the same time.
    """
    count = index.execute("SELECT count(*) FROM runs").fetchone()[0]
    key = (str(place), str(runs), None if only is None else hash(frozenset(only)))
    times = _time(runs), _time(home / "labels")
    now, told = time.monotonic(), (*times, changes())
    at, *known = _levelled.get(key, (float("-inf"),))
    if place is not None and known == [*told, count] and now - at < FRESH:
        return []
    settled = time.time_ns() - max(times) > SETTLED_NS
    damaged = _level(index, home, runs, only)
    count = index.execute("SELECT count(*) FROM runs").fetchone()[0]
    _levelled.pop(key, None)
    if count >= LARGE and settled and not damaged:
        _levelled[key] = (now, *told, count)
    return damaged


def _time(folder: Path) -> int:
    """Returns when the folder last changed, in ns; 0 where there is none."""
    try:
        return stat(folder).st_mtime_ns
    except OSError:
        return 0


def _level(index: sqlite3.Connection, home: Path, runs: Path, only: Collection[str] | None) -> list[str]:
    """Updates the index from the folders; returns the ids of runs whose manifest is damaged."""
    plain = index.cursor()
    plain.row_factory = None
    known = {row[0]: row[1:] for row in plain.execute("SELECT id, signature, last_used FROM runs")}
    seen, fresh, used, damaged = set(), [], [], []
    for run_id, signature, last_used in _folders(home, runs, only):
        row = known.get(run_id)
        seen.add(run_id)
        if row is None or row[0] != signature:
            try:
                fresh.append(_row(home, runs / run_id, signature, last_used))
            except FileNotFoundError:
                seen.discard(run_id)
            except (Damaged, OSError):
                seen.discard(run_id)
                damaged.append(run_id)
        elif row[1] != last_used:
            used.append((last_used, run_id))
    gone = [(run_id,) for run_id in set(known) - seen]
    if fresh or used or gone:
        index.execute("BEGIN IMMEDIATE")
        index.executemany("DELETE FROM runs WHERE id = ?", gone)
        index.executemany("UPDATE runs SET last_used = ? WHERE id = ?", used)
        index.executemany(f"REPLACE INTO runs VALUES ({', '.join('?' * 20)})", fresh)
        index.execute("COMMIT")
    return damaged


def _folders(home: Path, runs: Path, only: Collection[str] | None) -> Iterator[tuple[str, str, float]]:
    """Yields (id, signature, time of last use) of every run folder, or of those in ``only``.

    Two questions to the disk a run, and paths as text: with 50,000 runs this is most of what a page of the list takes.
    """
    try:
        entries = [entry.name for entry in scandir(runs) if is_id(entry.name) and (only is None or entry.name in only)]
    except OSError:
        return
    labels = _label_stamps(home / "labels")
    for run_id in entries:
        folder = f"{runs}{sep}{run_id}{sep}"
        try:
            last_used = stat(folder + USED).st_mtime
        except OSError:
            last_used = 0.0
        yield run_id, f"{_stamp(folder + MANIFEST)} {labels.get(f'{run_id}.json', '-')}", last_used


def _label_stamps(folder: Path) -> dict[str, str]:
    """Returns {file name: its stamp} of all labels."""
    try:
        return {entry.name: _stamp(entry.path) for entry in scandir(folder)}
    except OSError:
        return {}


def _stamp(path: str) -> str:
    try:
        seen = stat(path)
    except OSError:
        return "-"
    return f"{seen.st_ino}.{seen.st_mtime_ns}.{seen.st_size}"


def _row(home: Path, folder: Path, signature: str, last_used: float) -> tuple:
    run_id, manifest = folder.name, read_manifest(folder)
    try:
        (name, starred), harmed = checked_label(home, run_id), False
    except Damaged:
        (name, starred), harmed = read_label(home, run_id), True
    info = manifest.info
    if manifest.schema != SCHEMA:  # cannot be opened, but can be seen and deleted
        info = {"prompt": f"(written by a Heed with schema {manifest.schema})"}
    texts = [_clean(str(info.get(field, ""))) for field in ("prompt", "answer", "model", "model_name")]
    haystack = _fold("\n".join([*texts, name, run_id]))
    prompt, answer, model, _ = texts
    told = [info.get(field) for field in ("finish", "tokens_in", "tokens_out")]
    head = (run_id, signature, info.get("created") or _iso(last_used), last_used, model)
    rest = (_preview(prompt), _preview(answer), _clean(name), int(starred), *told)
    sizes = (manifest.bytes, manifest.rows_bytes, manifest.components_bytes)
    values = (*head, *rest, *sizes, int(bool(info.get("scored"))), haystack, manifest.origin, int(harmed))
    return (*values, _row_check(values))


def _info(row: sqlite3.Row) -> RunInfo:
    _sound(row)
    return RunInfo(
        id=row["id"],
        created=row["created"] or "",
        last_used=_iso(row["last_used"]),
        model=row["model"],
        prompt=row["prompt"],
        answer=row["answer"],
        name=row["name"],
        starred=bool(row["starred"]),
        finish=row["finish"] or "",
        tokens_in=row["tokens_in"] or 0,
        tokens_out=row["tokens_out"] or 0,
        bytes=row["bytes"],
        has_rows=row["rows_bytes"] > 0,
        scored=bool(row["scored"]),
        origin=row["origin"],
        label_damaged=bool(row["label_damaged"]),
    )


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _clean(text: str) -> str:
    """Returns text that SQLite can hold: no lone surrogates, no NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ")


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", _clean(text)).casefold()


def _preview(text: str) -> str:
    line = " ".join(text[: PREVIEW * 4].split())
    return line if len(line) <= PREVIEW else f"{line[: PREVIEW - 1]}…"
