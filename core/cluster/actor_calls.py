"""Has the actors of one model work on pieces that do not depend on each other, and gives back what each one made.

A piece whose actor or node ends is worked on again by another one. Guarded by tests/core/test_trust_measure_on_ray.py,
test_study_judge_on_ray.py and test_cluster_real_ray.py.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ..errors import Cancelled, HeedError, ModelError, StoreError
from ..progress import IsCancelled
from .model_actors import HeldActor, ModelActors, ModelHolder
from .ray_connection import RayEngine, connected

TICK = 0.5
"""Seconds between two looks at whether to stop."""
TRIES = 3
"""Most processes that a piece may end before it is left out."""
Piece = TypeVar("Piece")


class ActorCalls:
    """The actors of one model, ready to work; made by ``calls_on_ray``."""

    def __init__(self, ray: Any, model: str, engine: RayEngine, kind: type[ModelHolder]) -> None:
        """``ray``: connected."""
        self.ray, self.model = ray, model
        self.actors = ModelActors(ray, engine, kind)
        self.loaded: dict[str, Any] = {}
        """What ``kind.load`` returned to the first one; empty until ``start``."""

    def results(
        self, pieces: Sequence[Piece], call: Callable[[Any, Piece], Any], cancelled: IsCancelled
    ) -> Iterator[tuple[Piece, Any]]:
        """Yields each piece as it is done, with what its actor returned, or a HeedError where its actors keep ending.

        ``call``: from the handle of an actor and a piece to what Ray will give. Raises Cancelled; StoreError where no
        node has room or the actors keep ending; ModelError where none can load.
        """
        todo, tries = deque(enumerate(pieces)), Counter[int]()
        while todo or self._working():
            if cancelled():
                raise Cancelled("Stopped. What was done is kept.")
            self._hire(len(todo))
            for held in self.actors.held:
                if todo and held.node and held.work is None:
                    held.work = todo.popleft()
                    held.waiting = call(held.handle, held.work[1])
            for held in self.actors.ready(TICK):
                try:
                    told = self.ray.get(held.waiting)
                except (self.ray.exceptions.RayError, OSError) as error:
                    self.actors.died(held, error)
                    if held.work is None:
                        continue
                    number, piece = held.work
                    tries[number] += self.actors.is_alive(held.node)
                    if tries[number] < TRIES:
                        todo.appendleft(held.work)
                    else:
                        said = self.actors.failures[-1]  # Ray's own words are of many lines
                        yield piece, HeedError(f"The process that worked on this ended {TRIES} times: {said}")
                    continue
                if held.work is None:
                    self._loaded(held, told)
                    continue
                _, piece = held.work
                held.work = held.waiting = None
                self.actors.deaths = 0
                yield piece, told

    def start(self, pieces: int, cancelled: IsCancelled) -> None:
        """Waits for the first actor to have loaded the model, which says what it is. Raises as ``results``.

        Actors for so many ``pieces`` load at once: one that is refused ends nothing while another may do.
        """
        while not self.loaded:
            if cancelled():
                raise Cancelled("Stopped.")
            self._hire(pieces)
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
        """Starts actors while there are more pieces than actors without one."""
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
            self.loaded = self.loaded or told


@contextmanager
def calls_on_ray(
    model: str, engine: RayEngine, kind: type[ModelHolder], pieces: int, cancelled: IsCancelled
) -> Iterator[ActorCalls]:
    """Connects to the cluster, loads ``model`` (a name) there, and yields its actors; ends them.

    ``kind``: their class; ``pieces``: how many there will be, no more actors are started. Raises StoreError where Ray,
    the cluster or room is not there, ModelError, Cancelled.
    """
    with connected(engine.address) as ray:
        found = ActorCalls(ray, model, engine, kind)
        try:
            found.start(max(pieces, 1), cancelled)
            yield found
        finally:
            found.close()
