"""Measures the prompts of a league on Ray: each actor holds the model, and this process, the driver, alone writes.

A prompt is measured as it would be in this process. An actor or a node that ends costs the prompts that were on it:
they are measured again by another one. Guarded by tests/core/test_trust_measure_on_ray.py and
test_cluster_real_ray.py.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..cluster.model_actors import HeldActor, ModelActors, ModelHolder
from ..cluster.ray_connection import RayEngine, connected
from ..errors import Cancelled, HeedError, MethodError, ModelError, StoreError
from ..progress import IsCancelled, never_cancelled
from ..records import HeadWeights
from .measure_prompt import measure_prompt
from .measurement import PromptMeasurement
from .trust_prompts import TrustPrompt

TICK = 0.5
"""Seconds between two looks at whether to stop."""
TRIES = 3
"""Most processes that a prompt may end before it is left out."""


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

    def __init__(self, ray: Any, model: str, engine: RayEngine, actor: type[PromptActor]) -> None:
        """``ray``: connected."""
        self.ray, self.model = ray, model
        self.actors = ModelActors(ray, engine, actor)
        self.fingerprint, self.caption, self.scored_in = "", "", ""

    def measured(
        self, prompts: Sequence[TrustPrompt], full: bool, weights: HeadWeights | None, cancelled: IsCancelled
    ) -> Iterator[tuple[TrustPrompt, PromptMeasurement | HeedError]]:
        """Yields each prompt as it is done, with what was measured or why it cannot be.

        Raises Cancelled; StoreError where no node has room or the actors keep ending; ModelError where none can load.
        """
        todo, tries = deque(prompts), Counter[TrustPrompt | None]()
        while todo or self._working():
            if cancelled():
                raise Cancelled("Stopped. What was measured is kept.")
            self._hire(len(todo))
            for held in self.actors.held:
                if todo and held.node and held.work is None:
                    held.work = todo.popleft()
                    held.waiting = held.handle.measure.remote(held.work, full, weights)
            for held in self.actors.ready(TICK):
                prompt = held.work
                try:
                    told = self.ray.get(held.waiting)
                except (self.ray.exceptions.RayError, OSError) as error:
                    tries[prompt] += self.actors.is_alive(held.node)
                    self.actors.died(held, error)
                    if prompt is not None and tries[prompt] < TRIES:
                        todo.appendleft(prompt)
                    elif prompt is not None:
                        yield prompt, MethodError(f"The process that measured this prompt ended {TRIES} times: {error}")
                    continue
                if prompt is None:
                    self._loaded(held, told)
                    continue
                held.work = held.waiting = None
                self.actors.deaths = 0
                yield prompt, MethodError(told) if isinstance(told, str) else told

    def start(self, prompts: int, cancelled: IsCancelled) -> None:
        """Waits for the first actor to have loaded the model, which says what it is. Raises as ``measured``.

        Actors for ``prompts`` prompts load at once: one that is refused ends nothing while another may do.
        """
        while not self.fingerprint:
            if cancelled():
                raise Cancelled("Stopped.")
            self._hire(prompts)
            for held in self.actors.ready(TICK):
                try:
                    self._loaded(held, self.ray.get(held.waiting))
                except (self.ray.exceptions.RayError, OSError) as error:
                    self.actors.died(held, error)

    def close(self) -> None:
        """Ends the actors."""
        for held in list(self.actors.held):
            self.actors.end(held)

    def _working(self) -> bool:
        return any(held.work is not None for held in self.actors.held)

    def _hire(self, todo: int) -> None:
        """Starts actors while there are more prompts than actors without one."""
        try:
            while sum(held.work is None for held in self.actors.held) < todo and self.actors.hire(self.model):
                pass
        except StoreError:  # a node that is gone for a moment ends nothing while others work
            if not self._working():
                raise

    def _loaded(self, held: HeldActor, told: dict[str, Any]) -> None:
        why = self.actors.refusal(held, told)
        if why and not self.actors.leave_out(held, why):
            raise ModelError(why)
        if not why:
            held.waiting = None
            self.fingerprint, self.caption, self.scored_in = told["fingerprint"], told["caption"], told["scored_in"]


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
    with connected(engine.address) as ray:
        found = RayMeasurer(ray, model, engine, actor)
        try:
            found.start(max(prompts, 1), cancelled)
            yield found
        finally:
            found.close()
