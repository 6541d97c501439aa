"""The work list of a study as one process claims from it and writes to it; where the cells run it does not know.

Claims are given batch by batch, and each outcome is stored at once, one transaction a cell. What cannot be run keeps
its reason and leaves the others alone. Guarded by tests/core/test_study_run.py.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import HeedError
from ..records import Item
from . import cell_store, database, plan_store, table_checks
from .batch_runner import BatchRunner, CellBatch, CellOutcome
from .fixed_batches import CELLS_AT_A_TIME, cells_beside
from .plan import Plan

LOG = logging.getLogger("heed")
REFRESH = 10.0
"""Seconds between two signs of life; a claim that shows none for database.SILENT is taken over."""


class Ledger:
    """Holds the database of a study, its plan, and the claims of this process."""

    def __init__(self, folder: Path, pilot: bool = False, size: int = CELLS_AT_A_TIME) -> None:
        """Opens the database. Raises StoreError where it is damaged."""
        self.db = database.connect(folder / database.FILE)
        table_checks.check_tables(self.db)
        self.plan: Plan = plan_store.frozen_plan(self.db)
        self.items: dict[str, Item] = {item.id: item for item in self.plan.all_items()}
        self.pilot, self.size = pilot, size
        self.owner = database.worker_name()
        self._refreshed = time.monotonic()
        self.longer = database.longer_limit(self.db)
        self.cut_off = database.cut_off_cells(self.db) if self.longer else {}

    def runner(self) -> BatchRunner:
        """Returns what runs the batches of this study."""
        return BatchRunner(self.plan, plan_store.study_date(self.db), self.longer, self.size)

    def claim(self, model: str) -> CellBatch | None:
        """Claims the next batch of a model; None when nothing of it is left unclaimed."""
        while claimed := database.claim_cells(self.db, self.owner, model, self.size, self.pilot):
            again: dict[str, Any] = {}
            places = []
            for place in claimed:  # looked up now: another process may have asked for it while this one worked
                try:
                    again |= self._asked_again(place["cell"])
                    places.append(place)
                except HeedError as error:
                    self._fail(place, str(error))
            if not places:
                continue
            fresh = [place for place in places if place["cell"] not in again]
            lengthened = frozenset(place["cell"] for place in fresh if place["cell"] in self.cut_off)
            beside = [] if lengthened else cells_beside(self.db, fresh, self.pilot)
            return CellBatch(tuple(places), tuple(beside), again, lengthened)
        return None

    def _asked_again(self, cell: str) -> dict[str, Any]:
        """Returns {cell: (what it holds, methods)} where its answer is to be read again. Raises StoreError."""
        asked = database.get_note(self.db, database.AGAIN + cell)
        kept = None if asked is None else cell_store.read_cell(self.db, cell)
        return {} if asked is None or kept is None else {cell: (kept, tuple(asked.split()))}

    def write(self, outcome: CellOutcome) -> None:
        """Stores what became of a cell of this process."""
        place, rows = outcome.place, outcome.rows
        if outcome.digest is not None:
            cell_store.replace_digest(self.db, place, self.items[place["item"]], outcome.digest)
        elif rows is None or (rows.run["error"] and place["cell"] in self.cut_off):
            self._fail(place, outcome.why if rows is None else rows.run["error"])
        else:
            cell_store.write_cell(self.db, rows)
            changed = plan_store.own_metrics_of(self.db) != self.plan.metrics  # of the plan, while this worked
            if changed or cell_store.was_rated(self.db, place["cell"]):
                cell_store.recompute_cell(self.db, place, self.items[place["item"]])
        self.refresh()

    def refresh(self) -> None:
        """Shows other machines now and then that this process still works on what it has claimed."""
        if time.monotonic() - self._refreshed > REFRESH:
            self._refreshed = time.monotonic()
            database.refresh_claims(self.db, self.owner)

    def fail_model(self, batch: CellBatch, why: str, done: Callable[[], None] = lambda: None) -> None:
        """Marks ``batch`` and all unclaimed cells of its model as failed; ``done()`` is called now and then."""
        claimed: Iterable[Mapping[str, Any]] = batch.places
        while claimed:
            for place in claimed:
                self._fail(place, why)
            done()
            claimed = database.claim_cells(self.db, self.owner, batch.model, 1000, self.pilot)

    def release(self, cells: Iterable[str] | None = None, tried: bool = False) -> None:
        """Frees claimed cells (None: all of this process); ``tried``: their process ended, which is counted."""
        if cells is None:
            database.release_claims(self.db, self.owner)
        else:
            database.release_cells(self.db, self.owner, cells, tried)

    def close(self) -> None:
        """Closes its connection to the database."""
        self.db.close()

    def _fail(self, place: Mapping[str, Any], why: str) -> None:
        """Stores why a cell could not be run; one that has an answer keeps that."""
        if database.get_note(self.db, database.AGAIN + place["cell"]) is not None:
            LOG.warning("The run of cell %s was not read again; the study says why.", place["cell"])
            database.keep_old_run(self.db, place["cell"], why, database.NOT_AGAIN)
        elif place["cell"] in self.cut_off:
            LOG.warning("The answer of cell %s was not made longer; the study says why.", place["cell"])
            database.keep_old_run(self.db, place["cell"], why)
        else:
            cell_store.fail_cell(self.db, place, why)
