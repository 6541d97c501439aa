"""Runs batches of a study's cells on a loaded model, in whatever process or machine: it knows no database.

A ``CellBatch`` says what to run and can be sent anywhere; each cell comes back as a ``CellOutcome`` as soon as it is
there. What is in a batch is fixed by the plan (``fixed_batches``), so wherever it runs its numbers are the same. Where
a batch fails as a whole, its cells are run one at a time. Guarded by tests/core/test_study_run.py.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from ..errors import NO_MEMORY, Cancelled, HeedError, error_reason, is_out_of_memory
from ..progress import IsCancelled, never_cancelled
from ..records import Digest, Item, Request
from .cell_store import CellRows, KeptCell, rows_of_cell
from .fixed_batches import CELLS_AT_A_TIME
from .plan import Plan
from .plan_cells import cell_request, lay_out_item, steering_of_cell
from .prompt_structures import LaidOutItem

LOG = logging.getLogger("heed")
TRIES = 5
"""Times that the process may die while it holds a cell alone, before the cell counts as failed."""


@dataclass(frozen=True)
class CellBatch:
    """Cells of one model that run together."""

    places: tuple[dict[str, Any], ...]
    """Their rows of the table ``cells``."""
    beside: tuple[dict[str, Any], ...] = ()
    """Finished cells of the same batch, which run once more for the numbers of the others, and are not kept."""
    again: Mapping[str, tuple[KeptCell, tuple[str, ...]]] = field(default_factory=dict)
    """{cell: (what it holds, methods)} of the finished ones among ``places`` whose answers are only read again."""
    lengthened: frozenset[str] = frozenset()
    """Those whose answer was cut off, and is written anew with the larger limit."""

    @property
    def model(self) -> str:
        """The name of their model."""
        return str(self.places[0]["model"])


@dataclass(frozen=True)
class CellOutcome:
    """What became of one cell: rows to keep, a new digest of a finished one, or why there is neither."""

    place: dict[str, Any]
    rows: CellRows | None = None
    digest: Digest | None = None
    why: str = ""


class BatchRunner:
    """Holds a plan, written out, and what its cells share: ``BatchRunner(...).outcomes(model, batch)``."""

    def __init__(self, plan: Plan, date: str, longer: int = 0, size: int = CELLS_AT_A_TIME) -> None:
        """``date``: ISO date that templates print; ``longer``: token limit of lengthened answers; ``size``: how many
        cells the model takes at once."""
        self.plan, self.date, self.longer, self.size = plan, date, longer, size
        self.items: dict[str, Item] = {item.id: item for item in plan.all_items()}

    def outcomes(self, model: Any, batch: CellBatch, cancelled: IsCancelled = never_cancelled) -> Iterator[CellOutcome]:
        """Yields what became of each of the batch's cells, as it comes. Raises Cancelled; what was yielded is valid."""
        for place in batch.places:
            if place["cell"] in batch.again:
                yield self._read_again(model, place, *batch.again[place["cell"]], cancelled)
        left: dict[str, Any] = {}
        for place in batch.places:
            if place["cell"] in batch.again:
                continue
            _stop_if(cancelled)
            try:
                left[place["cell"]] = self._one(model, place, batch)
            except Exception as error:
                yield CellOutcome(place, why=failure_sentence(error))
        if left:
            yield from self._together(model, left, batch, cancelled)

    def _together(
        self, model: Any, left: dict[str, Any], batch: CellBatch, cancelled: IsCancelled
    ) -> Iterator[CellOutcome]:
        """Runs a batch; where it fails as a whole, one cell at a time."""
        failed: Exception | None = None
        try:
            yield from self._compute(model, left, self.size, cancelled, self._beside(model, batch))
        except Cancelled:
            raise
        except Exception as error:
            if len(left) > 1 and is_out_of_memory(error):
                gc.collect()
            failed = error if len(left) == 1 else None
        for cell in list(left):
            yield from self._alone(model, {cell: left[cell]}, failed, cancelled)

    def _alone(
        self, model: Any, one: dict[str, Any], failed: Exception | None, cancelled: IsCancelled
    ) -> Iterator[CellOutcome]:
        place = next(iter(one.values()))[0]
        try:
            if failed is not None:
                raise failed
            yield from self._compute(model, one, 1, cancelled)
        except Cancelled:
            raise
        except Exception as error:
            yield CellOutcome(place, why=failure_sentence(error))

    def _compute(
        self,
        model: Any,
        left: dict[str, Any],
        size: int,
        cancelled: IsCancelled,
        beside: Mapping[str, Any] = MappingProxyType({}),
    ) -> Iterator[CellOutcome]:
        """Yields each result, and takes it out of ``left``; nothing of ``beside``."""
        from .compute import compute_runs

        plan = self.plan
        together = sorted([*left.values(), *beside.values()], key=lambda one: one[0]["number"])
        for result in compute_runs(
            model,
            [one for _, one in together],
            effects=plan.effects,
            batch=size,
            methods=plan.methods,
            components=plan.components,
            cancelled=cancelled,
        ):
            if result.key in beside:
                continue
            place, one = left[result.key]
            spans = tuple(i.spans for i in one.instructions)
            facts = {
                "error": result.error,
                "seconds": result.seconds,
                "near_ties": result.near_ties,
                "prompt_tokens": result.prompt_tokens,
                "output_tokens": result.output_tokens,
            }
            kept = KeptCell(result.key, one.request, spans, result.digest, result.effects)
            rows = rows_of_cell(place, self.items[place["item"]], kept, facts, plan.metrics)
            del left[result.key]
            yield CellOutcome(place, rows)

    def _read_again(
        self, model: Any, place: dict[str, Any], kept: KeptCell, methods: Sequence[str], cancelled: IsCancelled
    ) -> CellOutcome:
        """Reads the answer of a finished cell once more and returns its new digest, or why there is none."""
        from .compute import read_again

        _stop_if(cancelled)
        try:
            _check_tries(place)
            if kept.digest is None:
                raise HeedError("This run has no answer that could be read again.")
            return CellOutcome(place, digest=read_again(model, kept.request, kept.digest, methods, cancelled))
        except Cancelled:
            raise
        except Exception as error:
            return CellOutcome(place, why=failure_sentence(error))

    def _beside(self, model: Any, batch: CellBatch) -> dict[str, Any]:
        found = {}
        for place in batch.beside:
            with suppress(HeedError):  # it failed in the same way before, and shared no batch
                found[place["cell"]] = self._one(model, place, batch)
        return found

    def _one(self, model: Any, place: dict[str, Any], batch: CellBatch) -> tuple[dict[str, Any], Any]:
        """Returns (place, its StudyRun). Raises HeedError for one that cannot be laid out."""
        from .compute import StudyRun

        _check_tries(place)
        form, request = self._request(model, place, place["cell"] in batch.lengthened)
        return place, StudyRun(place["cell"], request, form.instructions)

    def _request(self, model: Any, place: Mapping[str, Any], longer: bool) -> tuple[LaidOutItem, Request]:
        """Returns the item laid out for this cell (a control with filler for the instruction), and its Request."""
        plan, name, item = self.plan, place["structure"], self.items[place["item"]]

        def asked(form: LaidOutItem) -> Request:
            request = cell_request(plan, item, form, model.key, place["seed"], self.date)
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


def failure_sentence(error: Exception) -> str:
    """Returns why a run failed, for people; unexpected errors go to the log in full."""
    if isinstance(error, HeedError):
        return str(error)
    LOG.warning("A run of a study failed.", exc_info=error)
    return NO_MEMORY if is_out_of_memory(error) else f"This run failed ({error_reason(error)})."


def _check_tries(place: Mapping[str, Any]) -> None:
    if place["tries"] >= TRIES:
        raise HeedError(f"The process ended {place['tries']} times while it ran this: it may lack memory.")


def _stop_if(cancelled: IsCancelled) -> None:
    if cancelled():
        raise Cancelled("Stopped.")
