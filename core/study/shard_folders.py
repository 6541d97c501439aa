"""Writes the shards of a plan as folders that can be copied to other machines, and tells how far they are.

Each is a study of its own: its database holds the plan with all items, so that nothing else need be on the machine that
runs it, and no machine sees the disk of another. ``shards.json`` beside them says what they are parts of. A shard is
written under another name and then moved to its own, so that a killed command leaves whole shards, and the same command
writes those that are missing. Of a study that is cut by its id, what it has finished goes along. Guarded by
tests/core/test_study_shards.py.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from ..errors import PromptError, StoreError
from ..models.paths import write_json_file
from ..processes import command_text
from ..seals import with_seal, without_seal
from ..unfinished import UNFINISHED, delete_path, remove_left_behind, unfinished_prefix
from . import database, plan_store
from .cell_copies import copy_cells, copy_version_notes
from .plan import Plan
from .plan_cells import Cell, plan_cells_of
from .ran_with import current_versions
from .shards import SHARD_NOTE, Shard, check_no_shard, cut_shards, sealed_shard, shard_of
from .study import GRID_NOTE, find_study, folder_of_plan, plan_at
from .study_status import Status, status_of
from .told_connection import SHARD_FILE, study_words

SHARDS_FILE = "shards.json"
"""What lies beside the shards of a plan."""


@dataclass(frozen=True)
class ShardSet:
    """The shards of one plan in a folder, as ``shards.json`` tells of them."""

    plan: str
    """The id of the plan."""
    name: str
    """The name of the study."""
    count: int
    versions: tuple[tuple[str, str], ...]
    """(name, version) of Heed and its libraries where the plan was cut."""

    @property
    def names(self) -> list[str]:
        """The names of the shards' folders, in order."""
        return [Shard(self.plan, number, self.count).name for number in range(self.count)]


@dataclass(frozen=True)
class PlanToCut:
    """A plan with all that its shards get: a new one, or that of a study that is there."""

    given: Plan
    whole: Plan
    """With its items written out."""
    day: str
    """ISO date that prompts tell, where a model's template prints one: the same in all shards."""
    study: Path | None
    """The folder of the study whose finished runs go along, None for a plan.json."""
    grid: bool = False
    """Whether it was made on the page Grid, which then shows the merged study."""


def write_shards(what: str, count: int, folder: Path, tell: Callable[[str], None] = lambda _: None) -> ShardSet:
    """Writes at most ``count`` shards of a plan into ``folder``; those that are there stay as they are.

    ``what``: the path of a plan.json, or a study that is there by its id. ``tell``: gets sentences on what was done.
    Raises PromptError for what cannot be cut, StoreError for a folder that holds something else.
    """
    if count < 1:
        raise PromptError("A plan is cut into at least one shard: give --shards 1 or more.")
    plan = _as_cut_before(folder, _plan_to_cut(what))
    cells = plan_cells_of(plan.whole)
    cut = cut_shards(cells, count)
    if not cut:
        raise PromptError("This plan has no run, so there is nothing to cut: look at its structures and items.")
    if len(cut) < count:
        several = "1 batch, which stays whole: there is 1 shard"
        if len(cut) > 1:
            several = f"{len(cut)} batches, which stay whole: there are {len(cut)} shards"
        tell(f"Its runs make {several}, not {count}.")
    made = ShardSet(plan.given.id, plan.given.name, len(cut), tuple(sorted(current_versions().items())))
    listed = _set_there(folder)
    _check_same(folder, listed, made)
    missing = [number for number, name in enumerate(made.names) if not _is_there(folder / name, made)]
    _prepare(folder, made if listed is None else None)
    copied = 0
    for number in missing:
        copied += _write_shard(folder, Shard(made.plan, number, made.count), plan, cells, cut[number])
    tell(_written_text(folder, made, [len(cut[number]) for number in missing]))
    if copied:
        tell(f"{copied:,} runs that the study has finished already were copied along.")
    return made


def read_shard_set(folder: Path) -> ShardSet:
    """Returns what the shards in ``folder`` are. Raises StoreError where there are none, or their list is damaged."""
    found = _set_there(folder)
    if found is None:
        cutting = command_text("study", "shard", "plan.json", "--shards", "16", "--dir", study_words(folder))
        raise StoreError(f"There are no shards in {folder} (no {SHARDS_FILE}): `{cutting}` writes some.")
    return found


def study_folders_below(folder: Path) -> list[Path]:
    """Returns the folders right below ``folder`` that hold a study, shards and others, in order."""
    return sorted(path.parent for path in folder.glob(f"*/{database.FILE}") if not path.parent.name.startswith("."))


def shard_states(folder: Path) -> list[tuple[str, Status | str]]:
    """Returns (name, its status or why there is none) of every shard in ``folder``. Raises StoreError."""
    found: list[tuple[str, Status | str]] = []
    for name in read_shard_set(folder).names:
        if not (folder / name / database.FILE).exists():
            found.append((name, "not here"))
            continue
        try:
            with closing(database.connect(folder / name / database.FILE)) as db:
                found.append((name, status_of(db)))
        except StoreError as error:
            found.append((name, str(error)))
    return found


def make_study_database(
    folder: Path,
    plan: PlanToCut,
    cells: Sequence[Cell],
    shard: Shard | None = None,
    batches: Mapping[str, int] | None = None,
) -> None:
    """Makes the database of a study of ``plan`` with these cells; of a shard with its note and its batches."""
    with closing(database.connect(folder / database.FILE)) as db, database.transaction(db):
        database.put_note(db, "date", plan.day)
        database.put_note(db, "created", str(time.time()))
        if plan.grid:
            database.put_note(db, GRID_NOTE, "1")
        if shard is not None:
            database.put_note(db, SHARD_NOTE, shard.to_json())
        plan_store.store_plan(db, plan.given, plan.whole, cells, batches)


def plan_of_study(db: sqlite3.Connection, study: Path | None = None) -> PlanToCut:
    """Returns the plan of a study or shard with all that a study of it starts from. Raises StoreError."""
    grid = bool(database.get_note(db, GRID_NOTE))
    return PlanToCut(plan_store.given_plan(db), plan_store.frozen_plan(db), plan_store.study_date(db), study, grid)


def _plan_to_cut(what: str) -> PlanToCut:
    given = plan_at(what)
    folder = find_study(what) if given is None else folder_of_plan(given)
    if not (folder / database.FILE).exists():
        assert given is not None  # of an id or a folder there is a study
        return PlanToCut(given, plan_store.freeze_plan(given), date.today().isoformat(), None)
    with closing(database.connect(folder / database.FILE)) as db:
        check_no_shard(db)
        waiting = db.execute(
            "SELECT count(*) FROM cells JOIN kept USING (cell) WHERE state IN ('waiting', 'claimed') AND wanted "
            "AND digest IS NOT NULL"
        ).fetchone()[0]
        if waiting:
            going_on = command_text("study", "run", folder.name)
            raise StoreError(f"{waiting} answers of this study wait to be made longer or read again: `{going_on}`.")
        found = plan_of_study(db, folder if given is None else None)
    if given is not None and found.given.id != given.id:
        raise StoreError(
            f"The study {folder.name} began with this plan and has another one since: cut it by its id, {folder.name}."
        )
    return found


def _set_there(folder: Path) -> ShardSet | None:
    """Returns what ``shards.json`` tells; None where there is none. Raises StoreError for a damaged one."""
    path = folder / SHARDS_FILE
    try:
        plain = without_seal(json.loads(path.read_text(encoding="utf-8")))
        return ShardSet(plain["plan"], plain["name"], int(plain["count"]), tuple(sorted(plain["versions"].items())))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path} cannot be read ({error}): delete it and cut the plan again, which keeps the shards that are there."
        ) from error


def _check_same(folder: Path, there: ShardSet | None, made: ShardSet) -> None:
    if there is not None and there.plan != made.plan:
        raise StoreError(f"{folder} holds shards of another plan, {there.name!r}: give another folder with --dir.")
    if there is not None and there.count != made.count:
        raise StoreError(
            f"{folder} holds this plan in {there.count} shards, not {made.count}: give --shards {there.count}, or "
            "another folder with --dir."
        )


def _as_cut_before(folder: Path, plan: PlanToCut) -> PlanToCut:
    """Returns the plan with items and day of a shard of it that is there, since another Heed may have cut it."""
    for path in study_folders_below(folder):
        with closing(database.connect(path / database.FILE)) as db:
            shard = shard_of(db)
            if shard is not None and shard.plan == plan.given.id:
                return plan_of_study(db, plan.study)
    return plan


def _is_there(folder: Path, made: ShardSet) -> bool:
    """Returns whether a shard is there. Raises StoreError where something else is."""
    if not (folder / database.FILE).exists():
        return False
    with closing(database.connect(folder / database.FILE)) as db:
        shard = shard_of(db)
    if shard is None or (shard.plan, shard.count, shard.name) != (made.plan, made.count, folder.name):
        raise StoreError(f"{folder} holds another study: give another folder with --dir.")
    return True


def _prepare(folder: Path, made: ShardSet | None) -> None:
    """Makes the folder, and ``shards.json`` in it where there is none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_left_behind(folder.glob(f"{UNFINISHED[0]}*"))
        if made is not None:
            write_json_file(folder / SHARDS_FILE, with_seal(asdict(made) | {"versions": dict(made.versions)}))
    except OSError as error:
        raise StoreError(f"Nothing can be written to {folder} ({error.strerror}): give another --dir.") from error


def _write_shard(folder: Path, shard: Shard, plan: PlanToCut, cells: Sequence[Cell], own: Mapping[str, int]) -> int:
    """Writes one shard, all of it or nothing; returns how many finished runs of the study went along."""
    new = Path(tempfile.mkdtemp(prefix=unfinished_prefix(), dir=folder))
    try:
        os.chmod(new, 0o755)
        make_study_database(new, plan, [cell for cell in cells if cell.id in own], shard, own)
        copied = _copy_finished(plan.study, new, own) if plan.study is not None else 0
        write_json_file(new / SHARD_FILE, sealed_shard(shard))
        os.replace(new, folder / shard.name)
    except OSError as error:
        raise StoreError(f"{folder / shard.name} cannot be written ({error.strerror}): give another --dir.") from error
    finally:
        delete_path(new)
    return copied


def _copy_finished(study: Path, shard: Path, own: Mapping[str, int]) -> int:
    """Copies what the study has finished of a shard's cells."""
    with (
        closing(database.connect(study / database.FILE)) as source,
        closing(database.connect(shard / database.FILE)) as target,
    ):
        rows = source.execute("SELECT cell FROM cells WHERE state = 'done'").fetchall()
        done = [row["cell"] for row in rows if row["cell"] in own]
        with database.transaction(target):
            copy_cells(source, target, done)
            if done:
                copy_version_notes(source, target)
    return len(done)


def _written_text(folder: Path, made: ShardSet, written: Sequence[int]) -> str:
    if not written:
        return f"{folder} has all {made.count} shards of this plan already: nothing was written."
    size = f"{min(written):,}" if min(written) == max(written) else f"{min(written):,} to {max(written):,}"
    what = (
        f"{made.count} shards"
        if len(written) == made.count
        else f"the {len(written)} of {made.count} that were missing"
    )
    running = command_text("study", "run", study_words(folder / made.names[0]))
    merging = command_text("study", "merge", study_words(folder))
    return (
        f"Written to {folder}: {what}, {sum(written):,} runs, {size} in each. `{running}` runs one, here or on any "
        f"machine to which its folder is copied; `{merging}` puts them together."
    )
