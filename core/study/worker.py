"""Works on a study in this process: claims a batch, runs it on the loaded model, and writes each result as it comes.

Several may work on the same study. The model of a cell stays loaded while there are cells of it; then the next model is
loaded. Guarded by tests/core/test_study_run.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import Cancelled, HeedError
from ..progress import IsCancelled
from ..speeds import note_speed
from . import database
from .batch_runner import CellBatch
from .fixed_batches import CELLS_AT_A_TIME
from .judging import ask_judges, local_judge
from .ledger import Ledger
from .plan import Plan
from .relevance_pass import fill_relevance, lacks_relevance
from .study_status import status_of


class Worker:
    """Holds the work list and one model: ``Worker(folder).work(...)``."""

    def __init__(
        self,
        folder: Path,
        done: Callable[[], None] = lambda: None,
        cancelled: IsCancelled = lambda: False,
        pilot: bool = False,
        batch: int = CELLS_AT_A_TIME,
    ) -> None:
        """Opens the database; ``done()`` is called after each run."""
        self.ledger = Ledger(folder, pilot, batch)
        self.runner = self.ledger.runner()
        self.done, self.cancelled = done, cancelled
        self.loaded: Any = None

    def work(self, first: int = 0) -> None:
        """Runs every cell that no other worker has claimed, beginning with model number ``first``.

        Returns early when ``cancelled``; what was not begun is free again.
        """
        models = self.runner.plan.models
        try:
            for place in range(len(models)):
                self._model(models[(first + place) % len(models)])
            if first == 0:  # one worker asks for all
                ask_judges(self.ledger.db, self.ledger.items, local_judge(self._load), self.done, self.cancelled)
        except Cancelled:
            pass
        finally:
            self.ledger.release()

    def fill_relevance(self) -> None:
        """Computes the relevance of all answers once every cell of the study is run and some answer has none."""
        db = self.ledger.db
        if status_of(db).over and lacks_relevance(db) and not self.cancelled():
            prompts = {ident: item.own_words for ident, item in self.ledger.items.items()}
            fill_relevance(db, prompts, self.cancelled)

    def close(self) -> None:
        """Closes its connection to the database."""
        self.ledger.close()

    def _model(self, name: str) -> None:
        model: Any = None
        while not self.cancelled():
            batch = self.ledger.claim(name)
            if batch is None:
                break
            try:
                model = model or self._load(name)
            except Cancelled:
                raise
            except HeedError as error:
                self.ledger.fail_model(batch, str(error), self.done)
                break
            self._batch(model, batch)

    def _batch(self, model: Any, batch: CellBatch) -> None:
        ran, began = len(batch.beside), time.monotonic()
        for outcome in self.runner.outcomes(model, batch, self.cancelled):
            self.ledger.write(outcome)
            ran += outcome.rows is not None
            self.done()
        plan, ref = self.runner.plan, model.ref
        if ran and not batch.again:
            note_speed(ref.key, ref.parameters, cells_kind(plan), ran * plan.max_new_tokens, time.monotonic() - began)

    def _load(self, name: str) -> Any:
        """Returns the loaded model of this name, after unloading the previous one."""
        from ..models.load import load_model, unload_models

        if self.loaded is not None:
            unload_models(self.loaded.key)
        told = 0.0

        def tell(what: str, done: int, total: int) -> None:
            nonlocal told
            if time.monotonic() - told > 1:
                told = time.monotonic()
                share = f" ({100 * done // total} %)" if total else ""
                database.put_note(self.ledger.db, "doing", f"{name}: {what}{share}")

        try:
            self.loaded = load_model(name, progress=tell, cancelled=self.cancelled)
        finally:
            database.put_note(self.ledger.db, "doing", "")
        return self.loaded


def cells_kind(plan: Plan) -> str:
    """Returns the kind of work of a plan's batches, for ``core.speeds``; its size is counted in new tokens at most."""
    kind = "cells with effects" if plan.effects else "cells"
    return f"{kind} and components" if plan.components else kind
