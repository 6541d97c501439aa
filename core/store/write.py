"""Saves, evicts and deletes runs, safely for several threads and processes at once.

A run is written into a folder of its own and then renamed, so it is never there in part. Replacing, evicting and
deleting hold the lock of ``core.store.lock``. A run's id is the hash of what was asked, so a stranger's file may carry
the id of a run that was made here: such a file never replaces an intact run. Guarded by tests/core/test_store_runs.py
and, for where runs come from, tests/core/test_store_origin.py.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .. import people, settings
from ..errors import StoreError
from ..records import Trace
from ..unfinished import unfinished_prefix
from . import run_files, run_index
from .folders import runs_folder
from .lock import deleting_lock, discard_folder, remove_abandoned, replace_folder, store_lock
from .maps_files import drop_maps
from .person_room import check_person_room
from .quarantine import rebuild_manifest, set_aside
from .query import store_usage
from .run_index import is_id

LOG = logging.getLogger("heed")


def save_run(trace: Trace) -> str:
    """Stores ``trace``, a run made here, and returns its id; then evicts rows of others if the store is over its limit.

    An intact run of the same id that has more rows or components is left as it is, unless it was opened from a file;
    probes beside one that is replaced are kept where it wrote the same tokens. Raises StoreError when it cannot be
    written; nothing half-written remains.
    """
    _store(trace, run_files.OWN)
    return trace.id


def import_run(trace: Trace) -> bool:
    """Stores a run from a file; False where an intact run of its id is stored, which stays and takes nothing from it.

    It is marked as imported until the same request is run here. Raises StoreError as ``save_run``, and where a person
    who signed in keeps too much.
    """
    check_person_room()
    return _store(trace, run_files.IMPORTED)


def _store(trace: Trace, origin: str) -> bool:
    root = runs_folder()
    new = root / f"{unfinished_prefix('.tmp-')}{secrets.token_hex(4)}"
    try:
        new.mkdir()
        manifest = run_files.write_run(new, trace, origin)
        with store_lock(root):
            remove_abandoned(root)
            existed = (root / trace.id).is_dir()
            stored = _publish(new, root / trace.id, manifest, trace)
            people.take_ownership("run", trace.id, existed)
    except OSError as error:
        raise StoreError(settings.unwritable_sentence(root, error)) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    try:
        evict_rows()
    except (StoreError, OSError):
        LOG.warning("The store could not be brought under its limit.", exc_info=True)
    return stored


def delete_runs(ids: Iterable[str]) -> int:
    """Deletes runs with their names and stars; returns how many there were. Needs no free space. Raises StoreError.

    Of a person who signed in only that person's own go, and the files of a run when nobody else has it.
    """
    root, gone = settings.home_path() / "runs", 0
    if not root.is_dir():
        runs_folder()  # there are none: says why where the folder cannot be made
    try:
        with deleting_lock(root):
            for run_id in filter(is_id, ids):
                own = people.is_owner("run", run_id)
                last = people.give_up("run", run_id)
                gone += discard_folder(root / run_id) if last else own
                if own:
                    (people.own_folder() / "labels" / f"{run_id}.json").unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(settings.unwritable_sentence(root, error)) from error
    return gone


def evict_rows() -> int:
    """Drops rows and components, least used first and starred last, until the store fits; returns the bytes freed.

    The maps of texts go before the rows of any run. The small records stay even when they alone exceed the limit.
    Raises StoreError.
    """
    with people.viewing(None):  # the limit is that of the whole store
        used, limit = store_usage()
    if limit >= used:
        return 0
    root, freed = runs_folder(), drop_maps(used - limit)
    if used - freed <= limit:
        return freed
    try:
        with store_lock(root):
            remove_abandoned(root)
            (taken, oldest), _ = run_index.query_index(root.parent, _oldest)
            oldest.sort(key=_starred_by_people(root.parent).__contains__)
            for run_id in oldest:
                if taken <= limit:
                    break
                with suppress(FileNotFoundError, run_files.Damaged):
                    gone = run_files.drop_rows(root / run_id)
                    taken, freed = taken - gone, freed + gone
    except OSError as error:
        raise StoreError(settings.unwritable_sentence(root, error)) from error
    return freed


def _starred_by_people(home: Path) -> set[str]:
    """Returns the ids of runs that anybody who signs in has starred."""
    labels = home.glob(f"{people.PEOPLE_FOLDER}/*/labels/*.json")
    return {path.stem for path in labels if run_index.read_label(path.parent.parent, path.stem)[1]}


def _oldest(runs: sqlite3.Connection) -> tuple[int, list[str]]:
    """Returns the bytes of all runs, and the runs with rows or components in the order in which they lose them."""
    taken = runs.execute("SELECT coalesce(sum(bytes), 0) FROM runs").fetchone()[0]
    found = runs.execute(
        "SELECT id FROM runs WHERE rows_bytes + components_bytes > 0 ORDER BY starred, last_used <= ?, last_used, id",
        [run_index.latest_time()],
    )
    return taken, [run_id for (run_id,) in found]


def _publish(new: Path, target: Path, manifest: run_files.Manifest, trace: Trace) -> bool:
    """Renames a finished folder to its place, unless the run there is intact and stays; carries its probes over."""
    try:
        rebuild_manifest(target)
        old = run_files.read_manifest(target)
        if _stays(old, manifest):
            run_files.verify_run(target)
            return False
        if old.origin == manifest.origin:
            _carry_probes(target, old, new, trace)
        elif old.info.get("created") == trace.created:  # the imported run itself, with heads that were read again
            run_files.mark_imported(new)
    except FileNotFoundError:
        pass
    except run_files.Damaged:
        set_aside(target)
    replace_folder(new, target)
    run_files.sync_folder(target.parent)
    return True


def _stays(old: run_files.Manifest, new: run_files.Manifest) -> bool:
    """Returns whether a stored run that proves intact keeps its place: always from a file, else where it has more."""
    if new.origin == run_files.IMPORTED:
        return True
    return old.origin == run_files.OWN and _richer(old, new)


def _richer(old: run_files.Manifest, new: run_files.Manifest) -> bool:
    """Returns whether a stored run holds what its new version lacks. Components come with all rows: they decide."""
    if bool(old.components_bytes) != bool(new.components_bytes):
        return bool(old.components_bytes)
    heads = [one.info.get("by_head") for one in (old, new)]
    if None not in heads and heads[0] != heads[1]:  # reductions of a layer with few heads take more room than these
        return bool(heads[0])
    return old.rows_bytes > new.rows_bytes


def _carry_probes(target: Path, old: run_files.Manifest, new: Path, trace: Trace) -> None:
    """Copies the probes beside a run into its new version ``trace``, where that wrote the same tokens."""
    names = [name for name in old.files if name.startswith(run_files.PROBE)]
    if not names:
        return
    with suppress(StoreError):  # damaged, or a run of another schema: probes can be made again
        found = run_files.read_files(target, names)
        same = run_files.read_run(target, rows=False).token_ids.tolist() == trace.token_ids.tolist()
        if found is not None and same:
            run_files.add_files(new, dict(zip(names, found, strict=True)))
