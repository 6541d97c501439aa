"""Puts the runs of shards into one study, and says what is missing, doubled, damaged, or was made by something else.

A run belongs to a cell, whose id is a hash of what was asked, so runs are joined by that, wherever the folders of the
shards have been. Each shard is taken in one transaction: a merge that was killed is done again and finds what is there.
What the study has finished stays as it is. A shard is left out, and named, whose runs were made by another version of
Heed or its libraries, by other files of a model, on another day where prompts tell the day, or are of another plan; of
two that ran the same cell with different results both are. Guarded by tests/core/test_study_merge_shards.py.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import StoreError
from ..processes import command_text
from . import database, mending, plan_store, table_checks
from .cell_copies import copy_cells, copy_ratings, copy_version_notes
from .cell_store import request_from_text
from .judging import count_unjudged
from .plan_cells import plan_cells_of
from .ran_with import Fact, all_values, differences_told, facts_of_runs, usual_values
from .relevance_pass import lacks_relevance
from .shard_folders import (
    PlanToCut,
    ShardSet,
    make_study_database,
    plan_of_study,
    read_shard_set,
    study_folders_below,
)
from .shards import Shard, cut_shards, shard_of
from .study import Study, find_study, folder_of_plan, list_studies
from .told_connection import study_words

Tell = Callable[[str], None]


@dataclass(frozen=True)
class ShardRuns:
    """What one shard has: read before anything is taken."""

    folder: Path
    shard: Shard
    done: dict[str, str]
    """{finished cell: hash of its contents}, intact ones only."""
    failed: frozenset[str]
    damaged: tuple[str, ...]
    facts: Counter[tuple[Fact, str]]
    """What its runs were made by."""


@dataclass
class Merge:
    """What a merge did, in numbers and in sentences."""

    folder: Path | None = None
    """The study's folder; None where nothing could be taken."""
    taken: dict[str, int] = field(default_factory=dict)
    """{shard: runs taken}."""
    there: int = 0
    """Runs that the study had already."""
    problems: list[str] = field(default_factory=list)
    """What is missing or was left out, one sentence each; empty where the study is whole."""
    remarks: list[str] = field(default_factory=list)
    """What is worth knowing and wrong with nothing."""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing and nothing was left out."""
        return not self.problems


def merge_shards(folder: Path, into: str | None = None, tell: Tell = lambda _: None) -> Merge:
    """Puts what the shards in ``folder`` have finished into a study, which is made where there is none.

    ``into``: its id, name or folder; None: the study of the plan below HEED_HOME. ``tell``: gets lines of progress.
    Raises StoreError where there are no shards, or the study cannot be used.
    """
    shards, merge = read_shard_set(folder), Merge()
    parts = _read_parts(folder, shards, merge, tell)
    if not parts:
        merge.problems.append(f"None of the {shards.count} shards in {folder} can be merged.")
        return merge
    with closing(database.connect(parts[0].folder / database.FILE)) as db:
        plan = plan_of_study(db)
    study = _open_target(plan, into, folder)
    with closing(study):
        merge.folder = study.folder
        known = _finished(study.db)
        parts = _agreeing(parts, study.db, merge)
        parts = _undoubled(parts, merge)
        for part in parts:
            _take(part, study.db, known, merge, tell)
        _tell_missing(study, plan, shards, folder, merge)
        _tell_late(study, merge)
    return merge


def _read_parts(folder: Path, shards: ShardSet, merge: Merge, tell: Tell) -> list[ShardRuns]:
    found = []
    for path in study_folders_below(folder):
        tell(f"reading {path.name}")
        try:
            part = _read_part(path, shards.plan)
        except StoreError as error:
            merge.problems.append(f"{path} is left out: {error}")
            continue
        if part.damaged:
            number, mend = len(part.damaged), command_text("study", "mend", study_words(path))
            what = "1 run was" if number == 1 else f"{number:,} runs were"
            merge.problems.append(
                f"{path}: {what} damaged on disk and left out: `{mend}`, then run it and merge again."
            )
        found.append(part)
    return found


def _read_part(folder: Path, plan: str) -> ShardRuns:
    """Reads and checks one shard. Raises StoreError, one sentence, where nothing of it can be taken."""
    with closing(database.connect(folder / database.FILE)) as db:
        shard = shard_of(db)
        if shard is None:
            raise StoreError("it is a study and no shard; move it elsewhere.")
        if shard.plan != plan:
            raise StoreError("it is a shard of another plan; move it elsewhere.")
        table_checks.check_tables(db)
        damaged = list(mending.damaged_cells(db))
        damaged += [cell for cell in _wrong_requests(db) if cell not in damaged]
        done = {cell: seen for cell, seen in _finished(db).items() if cell not in damaged}
        failed = {row["cell"] for row in db.execute("SELECT cell FROM cells WHERE state = 'failed'")}
        return ShardRuns(folder, shard, done, frozenset(failed.difference(damaged)), tuple(damaged), facts_of_runs(db))


def _wrong_requests(db: sqlite3.Connection) -> list[str]:
    """Returns finished cells that lack a part, or whose row names another request than the one that is stored."""
    rows = db.execute(
        "SELECT cells.cell, runs.run, request FROM cells LEFT JOIN kept USING (cell) LEFT JOIN runs USING (cell) "
        "WHERE state = 'done'"
    )
    return [row["cell"] for row in rows if not _is_request(row["request"], row["run"])]


def _is_request(text: str | None, ident: str | None) -> bool:
    try:
        return text is not None and request_from_text(text).id == ident
    except (StoreError, ValueError):
        return False


def _finished(db: sqlite3.Connection) -> dict[str, str]:
    """Returns {cell with an answer: hash of its contents}; of a study from before hashes an empty one."""
    rows = db.execute(
        "SELECT kept.cell, coalesce(cell_checks.kept, '') AS seen FROM kept JOIN cells USING (cell) "
        "LEFT JOIN cell_checks USING (cell) WHERE digest IS NOT NULL AND state != 'failed'"
    )
    return {row["cell"]: row["seen"] for row in rows}


def _agreeing(parts: list[ShardRuns], db: sqlite3.Connection, merge: Merge) -> list[ShardRuns]:
    """Returns the shards that were made by the same as the study's runs, or where it has none, as most of theirs."""
    own = facts_of_runs(db)
    counted: Counter[tuple[Fact, str]] = Counter()
    for part in parts:
        counted.update(part.facts)
    known = usual_values(counted) | all_values(own)
    found = []
    for part in parts:
        apart, rounding = differences_told(part.facts, known, "the study" if own else "the others")
        if apart:
            anew = "delete it, cut the plan again and run it as"
            again = f"{anew} the study was, or give --into another folder" if own else f"{anew} the others were"
            merge.problems.append(f"{part.folder} is left out: it {' and '.join(apart)}; {again}.")
            continue
        merge.remarks += [f"{part.folder} {told}: its numbers may differ by rounding." for told in rounding]
        found.append(part)
    return found


def _undoubled(parts: list[ShardRuns], merge: Merge) -> list[ShardRuns]:
    """Returns the shards without those that ran a cell of another one with another result."""
    homes: dict[str, list[ShardRuns]] = {}
    for part in parts:
        for cell in part.done:
            homes.setdefault(cell, []).append(part)
    same: Counter[tuple[Path, ...]] = Counter()
    other: Counter[tuple[Path, ...]] = Counter()
    for cell, several in homes.items():
        if len(several) > 1:
            counted = same if len({part.done[cell] for part in several}) == 1 else other
            counted[tuple(part.folder for part in several)] += 1
    for folders, number in same.items():
        merge.remarks.append(f"{_are(number)} in {_and(folders)} alike, and taken once.")
    for folders, number in other.items():
        merge.problems.append(
            f"{_and(folders)} are left out: {_runs(number)} in both and different; delete the one that you do not want."
        )
    refused = {folder for folders in other for folder in folders}
    return [part for part in parts if part.folder not in refused]


def _open_target(plan: PlanToCut, into: str | None, shards: Path) -> Study:
    """Opens the study to merge into, or makes it as the shards' plan has it. Raises StoreError."""
    folder, plan = _target_folder(plan, into)
    if folder.resolve() == shards.resolve():
        raise StoreError(f"{folder} holds the shards: give another folder, or a name, with --into.")
    if not (folder / database.FILE).exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"No study can be made in {folder} ({error.strerror}): give another --into.") from error
        make_study_database(folder, plan, plan_cells_of(plan.whole))
    study = Study(str(folder))
    try:
        table_checks.check_tables(study.db)
        if shard_of(study.db) is not None:
            raise StoreError(f"{folder} is a shard itself: give a study with --into.")
        if plan.given.id not in plan_store.plan_ids(study.db):
            raise StoreError(f"The study {study.name!r} in {folder} is of another plan: give another one with --into.")
        if not _finished(study.db) and plan_store.study_date(study.db) != plan.day:
            database.put_note(study.db, "date", plan.day)
    except BaseException:
        study.close()
        raise
    return study


def _target_folder(plan: PlanToCut, into: str | None) -> tuple[Path, PlanToCut]:
    """Returns the folder of the study that ``into`` names, there or not, and the plan under its name."""
    if into is None:
        return folder_of_plan(plan.given), plan
    if os.sep in into or os.path.isdir(into):
        return Path(into), plan
    named = [known.folder for known in list_studies() if known.name == into]
    if len(named) > 1:
        raise StoreError(f"{len(named)} studies are called {into!r}: give --into the id of one of them.")
    if named:
        return named[0], plan
    try:
        return find_study(into), plan
    except StoreError:  # a name that no study has yet
        given = replace(plan.given, name=into)
    folder = folder_of_plan(given)  # found by the plan, of which the name is no part
    if (folder / database.FILE).exists():
        raise StoreError(
            f"No study is called {into!r}, and {folder.name} is of this plan already, under another name: leave --into "
            "out, or give a folder, which has a / in it."
        )
    return folder, replace(plan, given=given)


def _take(part: ShardRuns, target: sqlite3.Connection, known: dict[str, str], merge: Merge, tell: Tell) -> None:
    """Copies what the study lacks of one shard, all of it or nothing."""
    with closing(database.connect(part.folder / database.FILE)) as source, database.transaction(target):
        rows = target.execute("SELECT cell, state FROM cells").fetchall()
        states = {row["cell"]: row["state"] for row in rows}
        wanted = [cell for cell in part.done if cell not in known and cell in states]
        wanted += [cell for cell in sorted(part.failed) if cell not in known and states.get(cell) == "waiting"]
        copy_cells(source, target, wanted)
        copy_version_notes(source, target)
        copy_ratings(source, target)
    if strange := sum(cell not in states for cell in part.done):
        merge.problems.append(
            f"{_are(strange)} in {part.folder} and not in the study's list: another Heed wrote it; merge with that one."
        )
    there = [cell for cell in part.done if cell in known]
    merge.there += len(there)
    merge.taken[part.folder.name] = len(wanted)
    differing = sum(bool(known[cell]) and known[cell] != part.done[cell] for cell in there)
    if differing:
        verb = (
            "differs from what the study has, which stays"
            if differing == 1
            else "differ from what the study has, which stay"
        )
        merge.remarks.append(f"{_runs(differing)} of {part.folder} {verb}.")
    known |= {cell: part.done[cell] for cell in wanted if cell in part.done}
    tell(f"{part.folder.name}: {_runs(len(wanted))} taken")


def _tell_missing(study: Study, plan: PlanToCut, shards: ShardSet, folder: Path, merge: Merge) -> None:
    """Says how many runs of which shards are not there yet."""
    rows = study.db.execute("SELECT cell FROM cells WHERE wanted AND state NOT IN ('done', 'failed')").fetchall()
    missing = {row["cell"] for row in rows}
    cut = cut_shards(plan_cells_of(plan.whole), shards.count) if missing else []
    for name, cells in zip(shards.names, cut, strict=False):
        here = len(missing & cells.keys())
        missing -= cells.keys()
        if not here:
            continue
        if not (folder / name / database.FILE).exists():
            merge.problems.append(f"{folder / name} is not there: {_are(here)} missing.")
        elif name in merge.taken:
            going_on = command_text("study", "run", study_words(folder / name))
            merge.problems.append(f"{folder / name} is not done: {_are(here)} missing, and `{going_on}` goes on.")
        else:
            merge.problems.append(f"{folder / name} was left out: {_are(here)} missing.")
    if missing:
        merge.problems.append(f"{_are(len(missing))} in no shard: `{_run_text(study)}` runs them.")


def _tell_late(study: Study, merge: Merge) -> None:
    """Says what is computed of all runs together, once they are."""
    status = study.status()
    if status.failed:
        merge.remarks.append(f"{_runs(status.failed)} failed, and the study says why.")
    late = ["relevance"] if lacks_relevance(study.db) else []
    late += ["what judges say"] if count_unjudged(study.db) else []
    if late and merge.whole:
        merge.remarks.append(f"`{_run_text(study)}` adds {' and '.join(late)}; it runs nothing else.")


def _run_text(study: Study) -> str:
    return command_text("study", "run", study_words(study.folder))


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number:,} runs"


def _are(number: int) -> str:
    return f"{_runs(number)} {'is' if number == 1 else 'are'}"


def _and(folders: tuple[Path, ...]) -> str:
    return " and ".join(str(folder) for folder in folders)
