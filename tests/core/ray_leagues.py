"""Leagues of a tiny model, here and on Ray, for tests; a small module, since a real actor imports it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.cluster.ray_connection import RayEngine
from core.trust.measure_on_ray import PromptActor, measurer_on_ray

TWO = RayEngine(actors=2, cpus=1)


class PlainActor(PromptActor):
    """Scores in the model's own precision, as the league in this process."""

    def load(self) -> dict[str, Any]:
        found = super().load()
        if self._model is None:
            return found
        self._scorer = self._model
        return found | {"scored_in": self._model.key.dtype}


def league_here(model: str, prompts: Sequence[Any], folder: Path) -> Any:
    """The league as this process measures it with one thread, as an actor with one core has."""
    import torch

    from core.models.load import load_model
    from core.trust.measure_league import measure_league

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return measure_league(load_model(model), prompts, folder=folder)
    finally:
        torch.set_num_threads(threads)


def league_on_ray(
    model: str, prompts: Sequence[Any], folder: Path, actor: type[PromptActor] = PromptActor, **more: Any
) -> Any:
    """The league as two actors measure it."""
    from core.trust.measure_league import measure_league_by

    with measurer_on_ray(model, TWO, len(prompts), actor=actor) as measurer:
        return measure_league_by(measurer, prompts, folder=folder, **more)


def same_league(one: Any, other: Any) -> None:
    """Asserts that two leagues hold the same numbers, of the same model."""
    import numpy as np
    import pandas as pd

    pd.testing.assert_frame_equal(one.scores, other.scores, check_exact=True)
    assert one.fingerprint == other.fingerprint and one.model == other.model
    assert one.facts["scored_in"] == other.facts["scored_in"] and one.facts["left_out"] == other.facts["left_out"] == 1
    np.testing.assert_array_equal(one.weights.weights, other.weights.weights)
