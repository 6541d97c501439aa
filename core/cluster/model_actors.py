"""Keeps actors on a Ray cluster that hold one model each: starts them, looks at what they loaded, ends them.

What they work on, and who writes it, is the caller's: ``core.study.ray_engine``, ``core.cluster.actor_calls``.
Guarded by tests/core/test_cluster_model_actors.py and test_cluster_real_ray.py.
"""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..errors import HeedError, StoreError
from ..settings import versions
from .actor_resources import ActorResources, actor_resources, most_actors
from .ray_connection import RayEngine, cluster_size

DEATHS = 12
"""Most actors that may die one after another, none having finished anything, beside those that one node may hold."""


class ModelHolder:
    """The part of an actor that loads its model and can be told to stop; methods run in two threads."""

    def __init__(self, model: str) -> None:
        """``model``: as ``load_model`` takes it."""
        from ..plugins import load_plugins

        load_plugins()
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

    def stop(self) -> None:
        """Makes what works in another thread end soon."""
        self._stop.set()


@dataclass(eq=False)
class HeldActor:
    """An actor, and what it does: it loads its model (``work`` None), or works."""

    handle: Any
    model: str
    takes: ActorResources
    waiting: Any
    """What Ray will give: a reference or a generator of them; None where nothing was asked."""
    work: Any = None
    node: str = ""


class ModelActors:
    """The actors of one piece of work, each with one model."""

    def __init__(self, ray: Any, engine: RayEngine, kind: type[ModelHolder]) -> None:
        """``ray``: connected; ``kind``: the class of the actors."""
        self.ray, self.engine, self.kind = ray, engine, kind
        self.held: list[HeldActor] = []
        self.failures: list[str] = []
        """Why actors ended that did."""
        self.deaths, self.most_held = 0, 0
        self.refused: Counter[str] = Counter()
        """{model: actors that were left out}, whose places stay free."""
        self.look = True
        """Whether there may be room for another actor."""
        self.no_room: set[str] = set()
        """Models for which no node is large enough now."""
        self._known: dict[str, dict[str, Any]] = {}

    def hire(self, model: str, *arguments: Any) -> bool:
        """Starts an actor of ``model`` where there is room for one; returns whether there was.

        Raises StoreError where no node is large enough now (``no_room`` has the model until one is): it may come back
        while others work.
        """
        size = cluster_size(self.ray)
        most = most_actors(model, size, self.engine.actors, self.engine.gpus)
        try:
            takes = actor_resources(model, size, most, self.engine.cpus, self.engine.gpus)
        except StoreError:
            self.no_room.add(model)
            raise
        self.no_room.discard(model)
        used = sum(held.takes.gpus for held in self.held) + takes.gpus
        if len(self.held) >= max(1, most - self.refused[model]) or (used > size.gpus and not self.engine.actors):
            return False
        actor: Any = self.ray.remote(self.kind).options(
            num_cpus=takes.cpus,
            num_gpus=takes.gpus,
            memory=takes.memory,
            max_concurrency=2,
            max_restarts=0,
            runtime_env={"env_vars": {name: str(takes.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}},
        )
        handle: Any = actor.remote(*arguments, model)
        self.held.append(HeldActor(handle, model, takes, handle.load.remote()))
        self.most_held = max(self.most_held, len(self.held))
        return True

    def ready(self, seconds: float, busy: bool = False) -> list[HeldActor]:
        """Returns the actors that have something to tell, after ``seconds`` at most; ``busy``: of those that work."""
        asked = [held for held in self.held if held.work is not None or not busy]
        waiting = [held.waiting for held in asked if held.waiting is not None]
        ready, _ = self.ray.wait(waiting, num_returns=1, timeout=seconds)
        if ready and len(waiting) > 1:
            ready, _ = self.ray.wait(waiting, num_returns=len(waiting), timeout=0)
        return [held for held in self.held if any(held.waiting is one for one in ready)]

    def refusal(self, held: HeldActor, told: dict[str, Any]) -> str:
        """Says why an actor, of which ``load`` has ``told``, must not work beside the others; "" where it may."""
        held.node = told["node"]
        if told["why"]:
            return str(told["why"])
        if told["versions"] != versions():
            theirs = ", ".join(f"{name} {number}" for name, number in told["versions"])
            return f"The machine {told['host']} has other versions than this one ({theirs}): install the same there."
        known = self._known.setdefault(held.model, told)
        if known["fingerprint"] != told["fingerprint"]:
            return f"The files of {held.model} on {told['host']} are others than elsewhere: fetch them anew there."
        for what in ("dtype", "scored_in"):
            if known.get(what) != told.get(what):
                return (
                    f"{held.model} was loaded in {told[what]} on {told['host']} and in {known[what]} on "
                    f"{known['host']}: name the precision ({held.model} as float32), or use machines that are alike."
                )
        return ""

    def leave_out(self, held: HeldActor, why: str) -> bool:
        """Ends a refused actor; returns whether its model may still be worked on.

        That is so where others hold or load it, and where one that is gone held it: another node may have a good one.
        """
        others = any(other.model == held.model for other in self.held if other is not held)
        if not others and (held.model not in self._known or self.refused[held.model] > len(self.ray.nodes())):
            return False
        self.failures.append(why)
        self.refused[held.model] += 1
        self.end(held)
        return True

    def is_alive(self, node: str) -> bool:
        """Returns whether the node of this id is there."""
        return any(one["Alive"] for one in self.ray.nodes() if one["NodeID"] == node)

    def died(self, held: HeldActor, error: Exception) -> None:
        """Notes an actor that is gone. Raises StoreError where they keep dying."""
        said = str(error).strip().splitlines() or [type(error).__name__]
        self.failures.append(" … ".join(dict.fromkeys([said[0][:200], said[-1].strip()[:200]])))
        self.deaths += 1
        self.end(held)  # one whose call failed lives on
        if self.deaths > DEATHS + self.most_held:
            raise StoreError(f"The actors keep ending ({self.failures[-1]}): see the logs of Ray on their machines.")

    def end(self, held: HeldActor) -> None:
        """Ends an actor at once."""
        with suppress(self.ray.exceptions.RayError):
            self.ray.kill(held.handle)
        self.held.remove(held)
        self.look = True
