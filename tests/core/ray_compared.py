"""Studies and leagues of tiny models as this process and as Ray runs them, and what of them must be equal.

A small module, since real actors of its classes import it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.cluster.ray_connection import RayEngine
from core.study.batch_runner import CellBatch, CellOutcome
from core.study.ray_actor import ModelActor
from core.trust.measure_on_ray import PromptActor, measurer_on_ray


class PacedActor(ModelActor):
    """Waits after the second cell of each batch until a file ``go`` stands beside its model, or it is stopped."""

    def outcomes(self, batch: CellBatch) -> Iterator[CellOutcome]:
        go = Path(self._name).parent / "go"
        for number, outcome in enumerate(super().outcomes(batch)):
            yield outcome
            while number == 1 and not go.exists() and not self._stop.is_set():
                time.sleep(0.02)


class PlainActor(PromptActor):
    """Scores in the model's own precision, as the league in this process."""

    def load(self) -> dict[str, Any]:
        found = super().load()
        if self._model is None:
            return found
        self._scorer = self._model
        return found | {"scored_in": self._model.key.dtype}


@contextmanager
def one_thread() -> Iterator[None]:
    """Gives torch one thread, as an actor with one core has: more add up in another order."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def numbers(study: Any) -> dict[str, Any]:
    """{cell: every number that its run gave}, exactly."""
    rows = study.db.execute("SELECT cell, request, digest, effects FROM kept").fetchall()
    runs = {row["cell"]: dict(row) for row in study.db.execute("SELECT * FROM runs").fetchall()}
    left_out = ("finished", "seconds")
    told = study.db.execute("SELECT * FROM instructions ORDER BY cell, number").fetchall()
    return {
        row["cell"]: (
            *tuple(row)[1:],
            json.dumps({k: v for k, v in runs[row["cell"]].items() if k not in left_out}),
            [tuple(one) for one in told if one["cell"] == row["cell"]],
        )
        for row in rows
    }


def league_here(model: str, prompts: Sequence[Any], folder: Path) -> Any:
    """The league as this process measures it."""
    from core.models.load import load_model
    from core.trust.measure_league import measure_league

    with one_thread():
        return measure_league(load_model(model), prompts, folder=folder)


def league_on_ray(
    model: str, prompts: Sequence[Any], folder: Path, actors: int, actor: type[PromptActor] = PromptActor, **more: Any
) -> Any:
    """The league as so many actors measure it."""
    from core.trust.measure_league import measure_league_by

    with measurer_on_ray(model, RayEngine(actors=actors, cpus=1), len(prompts), actor=actor) as measurer:
        return measure_league_by(measurer, prompts, folder=folder, **more)


def same_league(one: Any, other: Any) -> None:
    """Asserts that two leagues hold the same numbers, of the same model."""
    import numpy as np
    import pandas as pd

    pd.testing.assert_frame_equal(one.scores, other.scores, check_exact=True)
    assert one.fingerprint == other.fingerprint and one.model == other.model
    assert one.facts["scored_in"] == other.facts["scored_in"] and one.facts["left_out"] == other.facts["left_out"] == 1
    np.testing.assert_array_equal(one.weights.weights, other.weights.weights)
