"""One model in a process of a Ray cluster: it runs batches of a study's cells and sends back each outcome as it comes.

It needs no file of the study: the plan comes with the actor, a batch with each call, and the machine that it is on
fetches the model once for all its actors. Guarded by tests/core/test_study_ray_engine.py.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import Cancelled, HeedError
from ..settings import versions
from .batch_runner import BatchRunner, CellBatch, CellOutcome
from .plan import Plan

SENT, SOON = 8, 0.2
"""Most outcomes that are sent together, and seconds since the last sending after which one is sent at once: each
sending costs the driver a millisecond."""


def sent_together(outcomes: Iterable[CellOutcome], soon: float = SOON) -> Iterator[list[CellOutcome]]:
    """Yields ``outcomes`` in lists: alone where they come seldom, up to ``SENT`` together where they come at once."""
    some: list[CellOutcome] = []
    last = 0.0
    for outcome in outcomes:
        some.append(outcome)
        if len(some) >= SENT or time.monotonic() - last > soon:
            yield some
            some, last = [], time.monotonic()
    if some:
        yield some


class ModelActor:
    """Holds one loaded model and the plan of one study."""

    def __init__(self, plan: str, date: str, longer: int, size: int, model: str) -> None:
        """``plan``: JSON with all items written out; other arguments as ``BatchRunner``'s."""
        from ..plugins import load_plugins

        load_plugins()
        self._runner = BatchRunner(Plan.from_json(plan), date, longer, size)
        self._name = model
        self._model: Any = None
        self._stop = threading.Event()

    def load(self) -> dict[str, Any]:
        """Loads the model; returns where that was and what it is, or under ``why`` the reason why it cannot be."""
        from ray import get_runtime_context

        from ..models.load import load_model

        found: dict[str, Any] = {
            "host": socket.gethostname(), "node": get_runtime_context().get_node_id(), "pid": os.getpid(),
            "versions": versions(), "why": "",
        }  # fmt: skip
        try:
            self._model = load_model(self._name, cancelled=self._stop.is_set)
        except HeedError as error:
            return found | {"why": str(error)}
        key = self._model.key
        return found | {"fingerprint": key.fingerprint, "dtype": key.dtype, "device": key.device}

    def run(self, batch: CellBatch) -> Iterator[list[CellOutcome]]:
        """Yields what became of each cell of ``batch``, together where they come at once; ends early when stopped."""
        yield from sent_together(self.outcomes(batch))

    def outcomes(self, batch: CellBatch) -> Iterator[CellOutcome]:
        """Yields what became of each cell of ``batch``; ends early when stopped."""
        try:
            yield from self._runner.outcomes(self._model, batch, self._stop.is_set)
        except Cancelled:
            return

    def stop(self) -> None:
        """Makes ``load`` or ``run``, which work in another thread, end soon."""
        self._stop.set()
