"""Works on a study in one process: claims a few cells, runs the model, and writes each result as it comes.

Several may work on the same study. The model of a cell stays loaded while there are cells of it; then the next model is
loaded. What cannot be run keeps its reason and leaves the others alone. Guarded by tests/core/test_study_run.py.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import NO_MEMORY, Cancelled, HeedError, error_reason, is_out_of_memory
from ..progress import IsCancelled
from ..records import Item, Request
from ..speeds import note_speed
from . import cell_store, database, plan_store, table_checks
from .fixed_batches import CELLS_AT_A_TIME, cells_beside
from .judging import ask_judges
from .plan import Plan
from .plan_cells import cell_request, lay_out_item, steering_of_cell
from .prompt_structures import LaidOutItem

LOG = logging.getLogger("heed")


class Worker:
    """Holds the database, the plan, and one model: ``Worker(folder).work(...)``."""

    def __init__(
        self,
        folder: Path,
        done: Callable[[], None] = lambda: None,
        cancelled: IsCancelled = lambda: False,
        pilot: bool = False,
        batch: int = CELLS_AT_A_TIME,
    ) -> None:
        """Opens the database; ``done()`` is called after each run."""
        self.db = database.connect(folder / database.FILE)
        table_checks.check_tables(self.db)
        self.plan: Plan = plan_store.frozen_plan(self.db)
        self.items: dict[str, Item] = {item.id: item for item in self.plan.all_items()}
        self.date = plan_store.study_date(self.db)
        self.done, self.cancelled, self.pilot, self.batch = done, cancelled, pilot, batch
        self.owner = database.worker_name()
        self.longer = database.longer_limit(self.db)
        self.cut_off = database.cut_off_cells(self.db) if self.longer else {}
        self.loaded: Any = None

    def work(self, first: int = 0) -> None:
        """Runs every cell that no other worker has claimed, beginning with model number ``first``.

        Returns early when ``cancelled``; what was not begun is free again.
        """
        models = self.plan.models
        try:
            for place in range(len(models)):
                self._model(models[(first + place) % len(models)])
            if first == 0:  # one worker asks for all
                ask_judges(self.db, self.items, self._load, self.done, self.cancelled)
        except Cancelled:
            pass
        finally:
            database.release_claims(self.db, self.owner)

    def close(self) -> None:
        """Closes its connection to the database."""
        self.db.close()

    def _model(self, name: str) -> None:
        model: Any = None
        while not self.cancelled():
            claimed = database.claim_cells(self.db, self.owner, name, self.batch, self.pilot)
            if not claimed:
                break
            try:
                model = model or self._load(name)
            except Cancelled:
                raise
            except HeedError as error:
                self._fail_all(name, claimed, str(error))
                break
            self._chunk(model, claimed)

    def _fail(self, place: Mapping[str, Any], why: str) -> None:
        """Stores why a cell could not be run; one that has an answer keeps that."""
        if self._is_read_again(place):
            LOG.warning("The run of cell %s was not read again; the study says why.", place["cell"])
            database.keep_old_run(self.db, place["cell"], why, database.NOT_AGAIN)
        elif place["cell"] in self.cut_off:
            LOG.warning("The answer of cell %s was not made longer; the study says why.", place["cell"])
            database.keep_old_run(self.db, place["cell"], why)
        else:
            cell_store.fail_cell(self.db, place, why)

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
                database.put_note(self.db, "doing", f"{name}: {what}{share}")

        try:
            self.loaded = load_model(name, progress=tell, cancelled=self.cancelled)
        finally:
            database.put_note(self.db, "doing", "")
        return self.loaded

    def _fail_all(self, name: str, claimed: Sequence[Mapping[str, Any]], why: str) -> None:
        """Marks all cells of a model that cannot be loaded as failed."""
        while claimed:
            for place in claimed:
                self._fail(place, why)
            self.done()
            claimed = database.claim_cells(self.db, self.owner, name, 1000, self.pilot)

    def _chunk(self, model: Any, claimed: Sequence[Mapping[str, Any]]) -> None:
        """Runs one batch; where it fails as a whole, one cell at a time. Finished answers are only read again."""
        again = [place for place in claimed if self._is_read_again(place)]
        for place in again:
            self._read_again(model, place)
        left = self._asked(model, [place for place in claimed if place not in again])
        if not left:
            return
        try:
            self._compute(model, left, self.batch, self._beside(model, left))
        except Cancelled:
            raise
        except Exception as error:
            if len(left) > 1 and is_out_of_memory(error):
                _tidy()
            for key in list(left):
                self._alone(model, {key: left[key]}, error if len(left) == 1 else None)

    def _alone(self, model: Any, one: dict[str, Any], failed: Exception | None) -> None:
        place = next(iter(one.values()))[0]
        try:
            if failed is not None:
                raise failed
            self._compute(model, one, 1)
        except Cancelled:
            raise
        except Exception as error:
            self._fail(place, failure_sentence(error))
            self.done()

    def _is_read_again(self, place: Mapping[str, Any]) -> bool:
        """Looked up for each cell: another process may ask for it while this one works."""
        return database.get_note(self.db, database.AGAIN + place["cell"]) is not None

    def _read_again(self, model: Any, place: Mapping[str, Any]) -> None:
        """Reads the answer of a finished cell again and computes its rows anew; keeps all as it was if that fails."""
        from .compute import read_again

        if self.cancelled():
            raise Cancelled("Stopped.")
        try:
            if place["tries"] >= database.TRIES:
                raise HeedError(f"The process ended {place['tries']} times while it ran this: it may lack memory.")
            kept = cell_store.read_cell(self.db, place["cell"])
            if kept is None or kept.digest is None:
                raise HeedError("This run has no answer that could be read again.")
            asked = database.get_note(self.db, database.AGAIN + place["cell"]) or ""
            made = read_again(model, kept.request, kept.digest, asked.split(), self.cancelled)
            cell_store.replace_digest(self.db, place, self.items[place["item"]], made)
        except Cancelled:
            raise
        except Exception as error:
            self._fail(place, failure_sentence(error))
        database.refresh_claims(self.db, self.owner)
        self.done()

    def _asked(self, model: Any, claimed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Returns {cell: (its place, its StudyRun, its item)} of those that can be run."""
        ready: dict[str, Any] = {}
        for place in claimed:
            if self.cancelled():
                raise Cancelled("Stopped.")
            try:
                if place["tries"] >= database.TRIES:
                    raise HeedError(f"The process ended {place['tries']} times while it ran this: it may lack memory.")
                ready[place["cell"]] = self._one(model, place)
            except Exception as error:
                self._fail(place, failure_sentence(error))
                self.done()
        return ready

    def _beside(self, model: Any, left: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what ``_asked`` gives of the finished cells in the batch of ``left``, which run beside it again."""
        if any(cell in self.cut_off for cell in left):
            return {}
        found = {}
        for place in cells_beside(self.db, [place for place, _, _ in left.values()], self.pilot):
            with suppress(HeedError):  # it failed in the same way before, and shared no batch
                found[place["cell"]] = self._one(model, place)
        return found

    def _one(self, model: Any, place: Mapping[str, Any]) -> tuple[Mapping[str, Any], Any, Item]:
        """Returns (place, its StudyRun, its item). Raises HeedError for one that cannot be laid out."""
        from .compute import StudyRun

        item = self.items[place["item"]]
        form, request = self._request(model, item, place)
        return place, StudyRun(place["cell"], request, form.instructions), item

    def _compute(
        self, model: Any, left: dict[str, Any], batch: int, beside: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        """Computes and writes each result, and takes it out of ``left``; of ``beside`` nothing is written."""
        from .compute import compute_runs

        together = sorted([*left.values(), *beside.values()], key=lambda one: one[0]["number"])
        asked = [one for _, one, _ in together]
        plan, count, began = self.plan, len(asked), time.monotonic()
        for result in compute_runs(
            model,
            asked,
            effects=plan.effects,
            batch=batch,
            methods=plan.methods,
            components=plan.components,
            cancelled=self.cancelled,
        ):
            if result.key in beside:
                continue
            place, one, item = left[result.key]
            spans = tuple(i.spans for i in one.instructions)
            kept = cell_store.KeptCell(result.key, one.request, spans, result.digest, result.effects)
            facts = {
                "error": result.error,
                "seconds": result.seconds,
                "near_ties": result.near_ties,
                "prompt_tokens": result.prompt_tokens,
                "output_tokens": result.output_tokens,
            }
            if result.error and place["cell"] in self.cut_off:
                self._fail(place, result.error)
            else:
                cell_store.write_cell(self.db, place, item, kept, facts)
            del left[result.key]
            database.refresh_claims(self.db, self.owner)
            self.done()
        work, ref = count * plan.max_new_tokens, model.ref
        note_speed(ref.key, ref.parameters, cells_kind(plan), work, time.monotonic() - began)

    def _request(self, model: Any, item: Item, place: Mapping[str, Any]) -> tuple[LaidOutItem, Request]:
        """Returns the item laid out for this cell (a control with filler for the instruction), and its Request."""
        plan, name = self.plan, place["structure"]

        def asked(form: LaidOutItem) -> Request:
            request = cell_request(plan, item, form, model.key, place["seed"], self.date)
            longer = place["cell"] in self.cut_off
            request = replace(request, steering=steering_of_cell(form, place["steered"], place["factor"]))
            return replace(request, max_new_tokens=self.longer) if longer else request

        form = lay_out_item(plan, item, name)
        if not place["control"]:
            return form, asked(form)
        form = lay_out_item(plan, item, name, self._filler(model, item, name, asked(form)))
        return form, asked(form)

    def _filler(self, model: Any, item: Item, name: str, request: Request) -> str:
        from ..text.render import render
        from .filler import neutral_filler

        def count(text: str) -> int:
            form = lay_out_item(self.plan, item, name, text)
            asked = replace(request, messages=form.messages, segments=())
            return len(render(model.tokenizer, asked, has_template=model.ref.has_template).tokens)

        return neutral_filler(count, item.segments["instruction"].strip())


def cells_kind(plan: Plan) -> str:
    """Returns the kind of work of a plan's batches, for ``core.speeds``; its size is counted in new tokens at most."""
    kind = "cells with effects" if plan.effects else "cells"
    return f"{kind} and components" if plan.components else kind


def failure_sentence(error: Exception) -> str:
    """Returns why a run failed, for people; unexpected errors go to the log in full."""
    if isinstance(error, HeedError):
        return str(error)
    LOG.warning("A run of a study failed.", exc_info=error)
    return NO_MEMORY if is_out_of_memory(error) else f"This run failed ({error_reason(error)})."


def _tidy() -> None:
    import gc

    gc.collect()
