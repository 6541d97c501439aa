"""Measures the prompts of a league on Ray: each actor holds the model, and this process, the driver, alone writes.

A prompt is measured as it would be in this process. An actor or a node that ends costs the prompts that were on it:
they are measured again by another one. Guarded by tests/core/test_trust_measure_on_ray.py and
test_cluster_real_ray.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..cluster.actor_calls import ActorCalls, calls_on_ray
from ..cluster.model_actors import ModelHolder
from ..cluster.ray_connection import RayEngine
from ..errors import HeedError, MethodError
from ..progress import IsCancelled, never_cancelled
from ..records import HeadWeights
from .measure_prompt import measure_prompt
from .measurement import PromptMeasurement
from .trust_prompts import TrustPrompt


class PromptActor(ModelHolder):
    """Holds one loaded model, and the same in bfloat16 where that is faster, and measures prompts on it."""

    def load(self) -> dict[str, Any]:
        """Loads the model; returns what ``ModelHolder.load`` does, its caption, and in what variants are scored."""
        from ..models import in_bfloat16

        found = super().load()
        if self._model is None:
            return found
        self._scorer = in_bfloat16(self._model) or self._model
        return found | {"caption": self._model.ref.caption, "scored_in": self._scorer.key.dtype}

    def measure(self, prompt: TrustPrompt, full: bool, weights: HeadWeights | None) -> PromptMeasurement | str:
        """Returns what was measured on ``prompt``, or why it cannot be measured; arguments as ``measure_prompt``'s."""
        try:
            return measure_prompt(
                self._model, prompt, self._scorer, full=full, weights=weights, cancelled=self._stop.is_set
            )
        except HeedError as error:
            return str(error)


class RayMeasurer:
    """Measures prompts by the actors of a cluster; made by ``measurer_on_ray``."""

    def __init__(self, calls: ActorCalls) -> None:
        self._calls = calls

    @property
    def fingerprint(self) -> str:
        """The model's."""
        return str(self._calls.loaded["fingerprint"])

    @property
    def caption(self) -> str:
        """The model's."""
        return str(self._calls.loaded["caption"])

    @property
    def scored_in(self) -> str:
        """The precision in which hidden variants are scored."""
        return str(self._calls.loaded["scored_in"])

    def measured(
        self, prompts: Sequence[TrustPrompt], full: bool, weights: HeadWeights | None, cancelled: IsCancelled
    ) -> Iterator[tuple[TrustPrompt, PromptMeasurement | HeedError]]:
        """Yields each prompt as it is done, with what was measured or why it cannot be.

        Raises Cancelled; StoreError where no node has room or the actors keep ending; ModelError where none can load.
        """

        def measure(actor: Any, prompt: TrustPrompt) -> Any:
            return actor.measure.remote(prompt, full, weights)

        for prompt, told in self._calls.results(prompts, measure, cancelled):
            yield prompt, MethodError(str(told)) if isinstance(told, (str, HeedError)) else told


@contextmanager
def measurer_on_ray(
    model: str,
    engine: RayEngine,
    prompts: int,
    cancelled: IsCancelled = never_cancelled,
    actor: type[PromptActor] = PromptActor,
) -> Iterator[RayMeasurer]:
    """Connects to the cluster, loads ``model`` (a name) there, and yields what measures on it; ends its actors.

    ``prompts``: how many will be measured; no more actors are started. ``actor``: the class that measures. Raises
    StoreError where Ray, the cluster or room is not there, ModelError, Cancelled.
    """
    with calls_on_ray(model, engine, actor, prompts, cancelled) as calls:
        yield RayMeasurer(calls)
