"""A study on disk: runs it, stops and resumes it, extends it, and reads its tables.

``Study(plan)`` opens the study of that plan or begins it; everything is in one SQLite file below HEED_HOME/studies.
Every run resumes: finished cells are never run again, whichever process was killed at whatever moment. Guarded by
tests/core/test_study_run.py and test_study_resume.py.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import people, settings
from ..checks import check_whole
from ..errors import Cancelled, HeedError, PromptError, StoreError
from ..processes import command_text
from ..progress import IsCancelled, Progress, never_cancelled, no_progress
from ..records import Answered, Digest, Item, Request
from ..store.person_room import check_person_room
from . import cell_checks, cell_store, database, mending, plan_store, run_tables, table_checks, table_copy
from .judging import ask_judges, count_unjudged, judging_text
from .outdated_cells import outdated_cells
from .own_values import fill_own_checks
from .plan import Plan
from .ran_with import note_versions
from .relevance_pass import comparing_text, fill_relevance, lacks_relevance
from .study_status import Status, status_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ..cluster.ray_connection import RayEngine

GRID_NOTE = "grid"
"""The note that marks a study as a grid."""


class Study:
    """A study on disk, opened by its plan, the path of a plan.json, its id (or the id's beginning), or its folder."""

    def __init__(self, what: Plan | str | Path) -> None:
        """Raises PromptError for a plan that cannot be run, StoreError where there is no such study.

        What somebody else shares with a person who signed in is opened for reading: statements that write raise.
        """
        plan = what if isinstance(what, Plan) else plan_at(what)
        self.folder: Path = folder_of_plan(plan) if plan is not None else find_study(str(what))
        fresh = not (self.folder / database.FILE).exists()
        if fresh and plan is None:
            raise StoreError(f"There is no study {what}: `{command_text('study', 'status')}` lists them.")
        if fresh:
            check_person_room()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.db = database.connect(self.folder / database.FILE)
        if fresh:
            people.take_ownership("study", self.id)
        self.lost_rows: dict[str, int] = {}
        """What ``mend`` had to delete besides cells: {"ratings", "meta": rows}."""
        if plan is not None and plan.id not in plan_store.plan_ids(self.db):
            plan_store.put_plan(self.db, plan)
        if not people.is_owner("study", self.id):
            self.db.execute("PRAGMA query_only = 1")

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def plan(self) -> Plan:
        """The plan as it was given, or as it was last extended."""
        return plan_store.given_plan(self.db)

    @property
    def name(self) -> str:
        """The name it was given; its id where it has none."""
        return database.get_note(self.db, "name") or self.id

    def items(self) -> dict[str, Item]:
        """Returns {prompt_id: Item} as they are in this study."""
        return {item.id: item for item in plan_store.frozen_plan(self.db).all_items()}

    # running

    def run(
        self,
        workers: int | None = None,
        progress: Progress = no_progress,
        cancelled: IsCancelled = never_cancelled,
        pilot: bool = False,
        apart: bool = False,
        engine: RayEngine | None = None,
    ) -> Status:
        """Runs what is not done yet; returns early when ``cancelled``, and can be called again at any time.

        ``workers``: processes, each with its own model; 1 runs in this one, unless ``apart``; None: one per model, up
        to the cores. ``engine``: on Ray instead, see docs/cluster.md; the numbers are the same. ``progress(fraction,
        text)``. A cell that fails keeps its reason (``retry`` runs those again).
        """
        self._check_own()
        began = time.time()
        waiting = [m for m, s in self.status().by_model.items() if s.waiting or s.running]
        workers = min(max(1, len(waiting)), _cores()) if workers is None else max(1, int(workers))

        def tell() -> None:
            now = self.status(since=began, workers=workers, pilot=pilot)
            late = (judging_text(self.db) or comparing_text(self.db)) if now.over else ""
            progress(now.fraction, f"{now.text}{late}")

        def tick() -> bool:
            tell()
            return cancelled()

        tell()
        failures: list[str] = []
        if cancelled():
            return self.status()
        if waiting:
            note_versions(self.db)
        fill_own_checks(self.db, self.items(), progress, cancelled)
        if waiting or count_unjudged(self.db):
            if engine is None and workers == 1 and not apart:
                self._alone(pilot, tell, cancelled)
            else:
                failures = self._elsewhere(engine, workers, pilot, tick, cancelled)
        now = self.status(since=began, workers=workers, pilot=pilot)
        if failures and now.waiting and not cancelled():
            raise StoreError(
                f"{now.waiting} runs are left and the workers keep ending ({failures[-1]}): see {self.folder}."
            )
        if failures and not now.waiting and not cancelled() and count_unjudged(self.db):
            raise StoreError(f"The judge could not be asked: {failures[-1]}")
        if not cancelled():
            self.relevance_where_missing(progress, cancelled)
        self.copy_table()
        tell()
        return self.status(since=began, workers=workers, pilot=pilot)

    def _elsewhere(
        self, engine: RayEngine | None, workers: int, pilot: bool, tick: IsCancelled, cancelled: IsCancelled
    ) -> list[str]:
        """Runs what waits, and asks the judges, on Ray or in processes; returns why workers failed."""
        from .worker_pool import run_workers

        if engine is not None:
            return self._on_ray(engine, pilot, tick, cancelled)
        failures = run_workers(self.folder, workers, pilot, lambda: self.status(pilot=pilot).waiting, tick)
        if workers > 1 and not cancelled() and count_unjudged(self.db):
            failures = run_workers(self.folder, 1, pilot, lambda: 0, tick)
        return failures

    def _on_ray(self, engine: RayEngine, pilot: bool, tick: IsCancelled, cancelled: IsCancelled) -> list[str]:
        """Runs what waits, then asks the judges, on one connection; returns why actors failed."""
        from ..cluster.ray_connection import connected
        from .judge_on_ray import ray_judge
        from .ray_engine import run_on_ray

        told = time.monotonic()

        def stopped() -> bool:
            nonlocal told
            if time.monotonic() - told < 1:
                return cancelled()
            told = time.monotonic()
            return tick()

        with connected(engine.address):
            failures = run_on_ray(self.folder, engine, pilot, tick)
            if tick() or not count_unjudged(self.db):
                return failures
            try:
                ask_judges(self.db, self.items(), ray_judge(engine), lambda: None, stopped)
            except Cancelled:
                return []
            except HeedError as error:
                return [str(error)]
        return []

    def copy_table(self) -> None:
        """Stores the copy of the table of a large study that is done, so that it opens at once."""
        if self.status().over and self.count_runs() >= table_copy.COPIED_FROM:
            with suppress(StoreError):  # what is damaged is told where it is read
                self.table()

    def _check_own(self) -> None:
        if not people.is_owner("study", self.id):
            raise StoreError("Somebody else shares this study: use it as a new plan to have one of your own.")

    def _alone(self, pilot: bool, done: Callable[[], None], cancelled: IsCancelled) -> None:
        from .worker import Worker

        worker = Worker(self.folder, done, cancelled, pilot)
        try:
            worker.work()
        finally:
            worker.close()

    def pilot(
        self,
        items: int = 10,
        workers: int | None = 1,
        progress: Progress = no_progress,
        cancelled: IsCancelled = never_cancelled,
        apart: bool = False,
        engine: RayEngine | None = None,
    ) -> Status:
        """Runs all cells of the first few items, taken from the tasks in turn; they count for the whole study."""
        chosen = _in_turn(self.items().values(), items)
        with database.transaction(self.db):
            self.db.execute("UPDATE cells SET pilot = 0")
            self.db.executemany("UPDATE cells SET pilot = 1 WHERE item = ?", [(item,) for item in chosen])
        return self.run(workers, progress, cancelled, pilot=True, apart=apart, engine=engine)

    def cut_off(self) -> dict[str, int]:
        """Returns {cell: its tokens} of the answers that the token limit cut off."""
        return database.cut_off_cells(self.db)

    def kept_short(self) -> dict[str, int]:
        """Returns {reason: answers} that could not be made longer when ``lengthen`` was last asked for."""
        return dict(Counter(database.cell_notes(self.db, database.NOT_LONGER).values()))

    def lengthen(self, tokens: int) -> int:
        """Marks answers that the token limit cut off to be written anew with at most ``tokens``; returns how many.

        All other cells stay as they are. An answer that cannot be made longer (it would not fit the model) keeps what
        it had (``kept_short`` says why). Raises PromptError where none was cut off before ``tokens``.
        """
        shorter = [cell for cell, had in self.cut_off().items() if had < check_whole("tokens", tokens, 1, 1_000_000)]
        if not shorter:
            raise PromptError(f"No answer was cut off before {tokens} tokens: give a larger limit.")
        with database.transaction(self.db):
            database.put_note(self.db, database.LONGER, str(tokens))
            database.drop_notes(self.db, database.NOT_LONGER)
            for cell in shorter:
                database.drop_notes(self.db, database.AGAIN + cell)  # written anew, they will have every feature
            database.wait_again(self.db, shorter)
        return len(shorter)

    def outdated(self) -> list[str]:
        """Returns the cells whose runs lack features that reading their answers again would add.

        Those are runs of older versions of Heed, and runs from before a method was added to the plan or heads were
        learned for their model.
        """
        return outdated_cells(self.db, self.plan)

    def read_again(self) -> int:
        """Marks runs that lack features to be read again by the next ``run``, one pass each; returns how many.

        Answers, effects and metrics stay as they are, and so does a run that cannot be read again (``not_read_again``
        says why). Raises PromptError where no run lacks any.
        """
        cells = self.outdated()
        if not cells:
            raise PromptError("No run of this study lacks features that reading it again would add.")
        with database.transaction(self.db):
            database.drop_notes(self.db, database.NOT_AGAIN)
            for cell in cells:
                database.put_note(self.db, database.AGAIN + cell, " ".join(self.plan.methods))
            database.wait_again(self.db, cells)
        return len(cells)

    def not_read_again(self) -> dict[str, int]:
        """Returns {reason: runs} that could not be read again when that was last asked for."""
        return dict(Counter(database.cell_notes(self.db, database.NOT_AGAIN).values()))

    def mend(self) -> int:
        """Deletes the cells that were damaged on disk, so that the study runs them again; returns how many.

        Its list of cells is built anew from the plan where that was damaged; notes and ratings that were are deleted.
        Raises StoreError where the plan was damaged.
        """
        self.lost_rows = mending.mend_tables(self.db)
        found = mending.damaged_cells(self.db)
        mending.drop_cells(self.db, found)
        return len(found)

    def retry(self) -> int:
        """Marks failed cells to be run again; returns how many."""
        with database.transaction(self.db):
            return self.db.execute(
                f"UPDATE cells SET state = 'waiting', owner = '', tries = 0, batch = {database.NO_BATCH} "
                "WHERE state = 'failed' AND wanted"
            ).rowcount

    def extend(self, **more: Any) -> Study:
        """Extends the plan; only new cells will be run. Raises PromptError.

        ``structures, models, suites, items, seeds, controls, primary, templates, examples`` are added, other fields of
        Plan are replaced.
        """
        plan = self.plan
        joined: dict[str, Any] = {}
        for name, value in more.items():
            old = getattr(plan, name, None)
            if isinstance(old, tuple):
                several = (value,) if isinstance(value, str) else tuple(value)
                joined[name] = (*old, *(v for v in several if v not in old))
            elif isinstance(old, Mapping):
                joined[name] = {**old, **value}
            else:
                joined[name] = value
        return self.change(replace(plan, **joined))

    def change(self, plan: Plan) -> Study:
        """Replaces the plan: cells that both have are kept, items are read anew, other cells wait to be run."""
        plan_store.put_plan(self.db, plan)
        return self

    def status(self, since: float | None = None, workers: int = 1, pilot: bool = False) -> Status:
        """Returns the progress. ``since``: when this call of ``run`` began, for the time left."""
        return status_of(self.db, since, pilot)

    # reading

    def table(self) -> pd.DataFrame:
        """Returns one row per run, failed ones included; a column for every metric and feature, NaN where undefined.

        Raises StoreError where the study was damaged on disk.
        """
        version = cell_checks.data_version(self.db)
        stamp = table_copy.table_stamp(self.db)
        if stamp:
            table_checks.check_tables(self.db, table_checks.ALWAYS_CHECKED)
            copied = table_copy.read_copy(self.folder, stamp)
            if copied is not None:
                return copied
        table_checks.check_tables(self.db, table_checks.CHECKED_UNLESS_COPIED if stamp else table_checks.CHECKED_TABLES)
        found = run_tables.runs_table_of(self.db, self.items(), self.plan.methods)
        stamp = table_copy.table_stamp(self.db)  # again: reading gives hashes to rows that had none
        if stamp and cell_checks.data_version(self.db) == version:  # nobody wrote meanwhile
            table_copy.write_copy(self.folder, stamp, found)
        return found

    def latest_runs(self, limit: int, offset: int = 0) -> pd.DataFrame:
        """Returns a page of ``table``, its last rows first; only these rows are read and checked. Raises StoreError."""
        return run_tables.latest_runs_of(self.db, self.items(), self.plan.methods, limit, offset)

    def count_runs(self) -> int:
        """Returns how many rows ``table`` has."""
        return run_tables.count_runs_of(self.db)

    def instructions(self) -> pd.DataFrame:
        """Returns one row per run and instruction."""
        return run_tables.instructions_table_of(self.db)

    def heads(self, rows: pd.DataFrame, part: str = "all") -> np.ndarray:
        """Returns float32 [len(rows), features x layers x heads] of runs of one model; NaN without a digest."""
        return run_tables.head_features_table(self.db, rows, part)

    def head_names(self, rows: pd.DataFrame) -> tuple[str, ...]:
        """Returns the names of the columns of ``heads``: ``NAME L.H``, NAME one of HEAD_GROUPS or ``lookback``."""
        return run_tables.head_feature_names(self.db, rows)

    def head_entropies(self, rows: pd.DataFrame, part: str = "all") -> np.ndarray:
        """Returns float32 [len(rows), layers x heads]: 2-Renyi entropy of heads, of runs of one model.

        NaN where it is not known: ``read_again`` adds them to runs of older versions.
        """
        return run_tables.head_entropies_table(self.db, rows, part)

    def digest(self, cell: str) -> Digest:
        """Returns the digest of a run. Raises StoreError where it is not done."""
        digest = self._kept(cell).digest
        if digest is None:
            raise StoreError(f"The run {cell[:8]} has no answer: its row says why.")
        return digest

    def request(self, cell: str) -> Request:
        """Returns the request of a run; running it again gives the whole run. Raises StoreError."""
        return self._kept(cell).request

    def prompt(self, cell: str) -> str:
        """Returns the text of the user's messages. Raises StoreError."""
        request = self.request(cell)
        return "\n\n".join(m.content for m in request.messages if m.role == "user") or (request.text or "")

    def answered(self, cell: str) -> Answered:
        """Returns the input of metrics for a run. Raises StoreError."""
        item = self.db.execute("SELECT item FROM cells WHERE cell = ?", [cell]).fetchone()["item"]
        self.digest(cell)
        return cell_store.cell_record(self.items()[item], self._kept(cell), None)

    def prompts(self) -> dict[str, str]:
        """Returns {prompt_id: the item's own words, without any structure}."""
        return {ident: item.own_words for ident, item in self.items().items()}

    def _kept(self, cell: str) -> cell_store.KeptCell:
        kept = cell_store.read_cell(self.db, cell)
        if kept is None:
            raise StoreError(f"The run {cell[:8]} of this study is not done yet: run the study first.")
        return kept

    # computing anew

    def score(self, progress: Progress = no_progress, cancelled: IsCancelled = never_cancelled) -> int:
        """Computes features and metrics of all stored runs anew, e.g. after an update of Heed; returns how many."""
        items = self.items()
        done = database.query_rows(self.db, "SELECT * FROM cells WHERE state = 'done' AND wanted ORDER BY number")
        for number, place in enumerate(done, 1):
            if cancelled():
                raise Cancelled("Stopped.")
            cell_store.recompute_cell(self.db, place, items[place["item"]])
            progress(number / len(done), f"{number:,} of {len(done):,} runs measured")
        self.relevance(progress, cancelled)
        return len(done)

    def relevance(self, progress: Progress = no_progress, cancelled: IsCancelled = never_cancelled) -> None:
        """Computes the relevance of all answers anew, e.g. once the encoder has been fetched."""
        progress(None, "Comparing answers with prompts")
        fill_relevance(self.db, self.prompts(), cancelled)

    def relevance_where_missing(
        self, progress: Progress = no_progress, cancelled: IsCancelled = never_cancelled
    ) -> None:
        """Computes the relevance of all answers where some finished run has none yet."""
        if lacks_relevance(self.db):
            self.relevance(progress, cancelled)

    # out

    def export(self, folder: str | Path) -> list[Path]:
        """Writes tables, inspect_ai logs and the plan into ``folder``; returns the paths. Raises StoreError."""
        from .export_files import export_tables

        return export_tables(self.db, self.id, self.table(), self.instructions(), Path(folder))

    def close(self) -> None:
        """Closes its database."""
        self.db.close()

    def delete(self) -> None:
        """Deletes it from disk, for good. Raises StoreError where it is somebody else's."""
        self.close()
        self._check_own()
        people.give_up("study", self.id)
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class StudyInfo:
    """A study on this machine."""

    id: str
    name: str
    folder: Path
    created: float
    status: Status = field(repr=False)
    grid: bool = False
    """Made on the page Grid."""


def list_studies() -> list[StudyInfo]:
    """Returns every study of this machine that the viewer may see, newest first; unreadable ones are left out."""
    found = []
    for folder in study_folders():
        try:
            db = database.connect(folder / database.FILE)
            try:
                created, grid = float(database.get_note(db, "created") or 0), bool(database.get_note(db, GRID_NOTE))
                name = database.get_note(db, "name") or ""
                found.append(StudyInfo(folder.name, name, folder, created, status_of(db), grid))
            finally:
                db.close()
        except (HeedError, sqlite3.Error):
            continue
    return sorted(found, key=lambda known: -known.created)


def _cores() -> int:
    from .worker_pool import usable_cores

    return usable_cores()


def _in_turn(items: Iterable[Item], most: int) -> list[str]:
    """Returns the ids of the first few items, one of each task in turn."""
    tasks: dict[str, list[str]] = {}
    for item in items:
        tasks.setdefault(item.task, []).append(item.id)
    rounds = range(max((len(some) for some in tasks.values()), default=0))
    return [some[turn] for turn in rounds for some in tasks.values() if turn < len(some)][:most]


def plan_at(what: str | Path) -> Plan | None:
    """Returns the plan of a plan.json, None for an id or folder. Raises StoreError, PromptError."""
    if people.viewer() is not None:
        return None  # of paths of the server a visitor may type none
    path = Path(what)
    if path.suffix.lower() == ".json" and os.path.isfile(path):
        try:
            return Plan.from_json(path.read_text(encoding="utf-8-sig"), path.parent)
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{path} cannot be read ({error}): give a plan.json.") from error
    if path.suffix.lower() == ".json":
        raise StoreError(f"There is no file {path}: give the path of a plan.json or the id of a study.")
    return None


def _root() -> Path:
    return settings.home_path() / "studies"


def study_folders() -> list[Path]:
    """Returns the folder of every study on this machine that the viewer may see."""
    seen, every = people.visible_ids("study"), (path.parent for path in sorted(_root().glob(f"*/{database.FILE}")))
    return [folder for folder in every if seen is None or folder.name in seen]


def folder_of_plan(plan: Plan) -> Path:
    """Returns the folder of the study of this plan below HEED_HOME, existing or new."""
    for folder in study_folders():
        if not people.is_owner("study", folder.name):
            continue
        try:
            db = database.connect(folder / database.FILE)
        except StoreError:
            continue
        try:
            if plan.id in plan_store.plan_ids(db):
                return folder
        finally:
            db.close()
    settings.home()
    person = people.viewer()
    name = plan.id if person is None else sha256(f"{person.key} {plan.id}".encode()).hexdigest()
    return _root() / name[:16]


def find_study(what: str) -> Path:
    """Returns the folder of a study by that folder, its id or the beginning of its id. Raises StoreError."""
    given = Path(what)
    # os.path: False also for what is no path, such as a very long text
    if os.path.exists(os.path.join(what, database.FILE)) and (people.viewer() is None or given in study_folders()):
        return given
    folders: Sequence[Path] = [f for f in study_folders() if f.name.startswith(what)] if what else []
    if len(folders) != 1:
        raise StoreError(
            f"There is no study {what[:80]!r}: `{command_text('study', 'status')}` lists them with their ids."
        )
    return folders[0]
