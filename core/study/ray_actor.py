"""One model in a process of a Ray cluster: it runs batches of a study's cells and sends back each outcome as it comes.

It needs no file of the study: the plan comes with the actor, a batch with each call, and the machine that it is on
fetches the model once for all its actors. Guarded by tests/core/test_study_ray_engine.py.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator

from ..cluster.model_actors import ModelHolder
from ..errors import Cancelled
from .batch_runner import BatchRunner, CellBatch, CellOutcome
from .plan import Plan

SENT, SOON = 8, 0.2
"""Most outcomes that are sent together, and seconds since the last sending after which one is sent at once: each
sending costs the driver a millisecond."""


def sent_together(outcomes: Iterable[CellOutcome], soon: float = SOON) -> Iterator[list[CellOutcome]]:
    """Yields ``outcomes`` in lists: alone where they come seldom, up to ``SENT`` together where they come at once."""
    some: list[CellOutcome] = []
    last = -math.inf  # not 0: the clock may count from the start of the machine
    for outcome in outcomes:
        some.append(outcome)
        if len(some) >= SENT or time.monotonic() - last > soon:
            yield some
            some, last = [], time.monotonic()
    if some:
        yield some


class ModelActor(ModelHolder):
    """Holds one loaded model and the plan of one study."""

    def __init__(self, plan: str, date: str, longer: int, size: int, model: str) -> None:
        """``plan``: JSON with all items written out; other arguments as ``BatchRunner``'s."""
        super().__init__(model)
        self._runner = BatchRunner(Plan.from_json(plan), date, longer, size)

    def run(self, batch: CellBatch) -> Iterator[list[CellOutcome]]:
        """Yields what became of each cell of ``batch``, together where they come at once; ends early when stopped."""
        yield from sent_together(self.outcomes(batch))

    def outcomes(self, batch: CellBatch) -> Iterator[CellOutcome]:
        """Yields what became of each cell of ``batch``; ends early when stopped."""
        try:
            yield from self._runner.outcomes(self._model, batch, self._stop.is_set)
        except Cancelled:
            return
