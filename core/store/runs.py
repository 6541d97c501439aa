"""Saving, opening, evicting and deleting runs: what several threads and processes do to one folder.

A run is written into a folder of its own (``.tmp-host-pid-...``) and then renamed: it is there whole or
not at all. Whoever replaces, evicts or deletes holds a lock between processes; readers take none. A
reader that meets something odd looks again under the lock before it calls the run damaged, since
somebody may just be replacing it. Guarded by tests/core/test_store_runs.py.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import time

from core import settings
from core.errors import StoreError
from core.records import Request, Trace
from core.store import files, index
from core.store.index import RunInfo, is_id

LOG = logging.getLogger(__name__)
STALE = 24 * 3600
"""Seconds after which unfinished work of an unknown machine counts as abandoned."""


def save(trace: Trace) -> str:
    """Store ``trace`` and return its id; then drop rows of other runs if the store is over its limit.

    An intact run of the same id that has more rows is left as it is. Raises StoreError when it cannot
    be written; nothing half-written remains.
    """
    root = _root()
    new = root / f".tmp-{_owner()}-{secrets.token_hex(4)}"
    try:
        new.mkdir()
        manifest = files.write_run(new, trace)
        with _locked(root):
            _clean(root)
            _publish(new, root / trace.id, manifest)
    except OSError as error:
        raise StoreError(settings.unwritable(root, error)) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    try:
        evict()
    except (StoreError, OSError):
        LOG.warning("The store could not be brought under its limit.", exc_info=True)
    return trace.id


def load(which: Request | str, rows: bool = True) -> Trace | None:
    """The stored run of a request or id, or None when there is none.

    Asked with a Request, the trace carries that request's segments, author and keep; shares of other
    segments (``segment:*`` groups of ``mass``) are left out. ``trace.rows`` is None when the rows were
    not kept, were evicted, or with ``rows=False``. Raises StoreError when the run was damaged: it is
    gone then and can be run again.
    """
    run_id = which if isinstance(which, str) else which.id
    trace = open_run(run_id, rows)
    if trace is None:
        return None
    with suppress(OSError):
        os.utime(_folder(run_id) / files.USED)
    return trace if isinstance(which, str) else _asked(trace, which)


def open_run(run_id: str, rows: bool = True) -> Trace | None:
    """Like ``load`` by id, without counting as a use."""
    if not is_id(run_id):
        return None
    folder = _folder(run_id)
    try:
        return files.read_run(folder, rows)
    except FileNotFoundError:
        return None
    except files.Damaged as error:
        return _reopen(folder, rows, error)
    except OSError as error:
        raise StoreError(f"The run {run_id[:8]} cannot be read ({error.strerror}): check {folder}.") from error


def delete(ids: Iterable[str]) -> int:
    """Delete runs with their names and stars; returns how many there were. Raises StoreError."""
    root, gone = _root(), 0
    try:
        with _locked(root):
            for run_id in filter(is_id, ids):
                gone += _discard(root / run_id)
                (root.parent / "labels" / f"{run_id}.json").unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(settings.unwritable(root, error)) from error
    return gone


def evict() -> int:
    """Drop attention rows, least used first and starred last, until the store fits; returns the bytes freed.

    The small records stay even when they alone exceed the limit. Raises StoreError.
    """
    taken, limit = usage()
    if taken <= limit:
        return 0
    root, freed = _root(), 0
    oldest = "SELECT id FROM runs WHERE rows_bytes > 0 ORDER BY starred, last_used, id"
    try:
        with _locked(root):
            _clean(root)
            for (run_id,) in _ask(lambda runs: [tuple(row) for row in runs.execute(oldest)]):
                if taken - freed <= limit:
                    break
                with suppress(FileNotFoundError, files.Damaged):
                    freed += files.drop_rows(root / run_id)
    except OSError as error:
        raise StoreError(settings.unwritable(root, error)) from error
    return freed


def usage() -> tuple[int, int]:
    """(bytes that the runs take, limit)."""
    taken = _ask(lambda runs: runs.execute("SELECT coalesce(sum(bytes), 0) FROM runs").fetchone()[0])
    return taken, settings.store_limit()


def find(query: str = "", starred: bool = False, limit: int = 50, offset: int = 0) -> list[RunInfo]:
    """Runs whose prompt, answer, model, name or id hold every word of ``query``, last used first."""
    return _ask(lambda runs: index.search(runs, query, starred, limit, offset))


def count(query: str = "", starred: bool = False) -> int:
    """How many runs ``find`` has in all."""
    return _ask(lambda runs: index.count(runs, query, starred))


def name(run_id: str, text: str) -> None:
    """Give a run a name; an empty one takes it away. Raises StoreError."""
    _label(run_id, text=" ".join(text.split()))


def star(run_id: str, on: bool = True) -> None:
    """Star a run, so that its rows are dropped last. Raises StoreError."""
    _label(run_id, on=on)


def prefix(start: str) -> str | None:
    """The full id of the one run whose id starts like this; None when there is none, or more than one."""
    start = start.strip().lower()
    if is_id(start):
        return start if _folder(start).is_dir() else None
    if len(start) < 4 or set(start) - set("0123456789abcdef"):
        return None
    try:
        found = [entry for entry in os.listdir(settings.home_path() / "runs") if is_id(entry) and entry.startswith(start)]
    except OSError:
        return None
    return found[0] if len(found) == 1 else None


def _folder(run_id: str) -> Path:
    return settings.home_path() / "runs" / run_id


def _root() -> Path:
    root = settings.home() / "runs"
    try:
        root.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(settings.unwritable(root, error)) from error
    return root


def _owner() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Alone among all threads and processes that change this store. Raises StoreError, OSError."""
    from filelock import FileLock, Timeout

    lock = FileLock(root / ".lock", timeout=60)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError("Another Heed has kept the store busy for a minute: close it, then try again.") from error
    try:
        yield
    finally:
        lock.release()


def _publish(new: Path, target: Path, manifest: files.Manifest) -> None:
    """Rename a finished folder to its place, unless what stands there is intact and has more rows."""
    try:
        if files.read_manifest(target).rows_bytes > manifest.rows_bytes:
            files.verify(target)
            return
    except (FileNotFoundError, files.Damaged):
        pass
    _discard(target)
    os.rename(new, target)
    files.sync_folder(target.parent)


def _discard(folder: Path) -> bool:
    """Delete a run's folder (the lock is held); a reader sees all of it or nothing. False when there was none."""
    trash = folder.parent / f".trash-{_owner()}-{secrets.token_hex(4)}"
    try:
        os.rename(folder, trash)
    except FileNotFoundError:
        return False
    shutil.rmtree(trash, ignore_errors=True)
    return True


def _clean(root: Path) -> None:
    """Remove what killed writers left (the lock is held)."""
    for entry in os.listdir(root):
        if entry.startswith(".trash-") or (entry.startswith(".tmp-") and _abandoned(root / entry)):
            shutil.rmtree(root / entry, ignore_errors=True)


def _abandoned(folder: Path) -> bool:
    """True when the process that writes here has ended, as far as that can be known."""
    host, pid, _ = folder.name.removeprefix(".tmp-").rsplit("-", 2)
    if host == socket.gethostname() and pid.isdigit():
        from psutil import pid_exists

        if not pid_exists(int(pid)):
            return True
    try:
        return time() - folder.stat().st_mtime > STALE
    except OSError:
        return False


def _reopen(folder: Path, rows: bool, first: files.Damaged) -> Trace | None:
    """Look again, alone: a run that is still damaged is deleted and told."""
    told = f"The stored run {folder.name[:8]} was damaged ({first}) and is not shown: run it again."
    try:
        with _locked(folder.parent):
            try:
                return files.read_run(folder, rows)
            except FileNotFoundError:
                return None
            except files.Damaged as error:
                LOG.warning("Run %s is damaged and was deleted: %s", folder.name, error)
                _discard(folder)
                raise StoreError(told) from error
    except OSError as error:
        raise StoreError(told) from error


def _asked(trace: Trace, request: Request) -> Trace:
    """``trace`` with the segments, author and keep that this request asks with."""
    if trace.request.segments == request.segments:
        return replace(trace, request=request)
    kept = [i for i, group in enumerate(trace.groups) if not group.startswith("segment:")]
    groups = tuple(trace.groups[i] for i in kept)
    return replace(trace, request=request, groups=groups, mass=trace.mass[..., kept])


def _ask(question):
    """Put a question to the index; runs that turn out damaged are deleted, since they cannot be shown."""
    answer, damaged = index.ask(settings.home_path(), question)
    for run_id in damaged:
        with suppress(StoreError):
            open_run(run_id, rows=False)
    return answer


def _label(run_id: str, text: str | None = None, on: bool | None = None) -> None:
    root = _root()
    if not is_id(run_id) or not (root / run_id).is_dir():
        raise StoreError(f"There is no stored run {run_id[:8]!r}: it may have been deleted meanwhile.")
    try:
        with _locked(root):
            old_text, old_on = index.read_label(root.parent, run_id)
            index.write_label(
                root.parent, run_id, old_text if text is None else text, old_on if on is None else on
            )
    except OSError as error:
        raise StoreError(settings.unwritable(root, error)) from error
