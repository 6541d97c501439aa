"""Runs a study on Ray: actors on whatever machines hold one model each, and this process, the driver, alone writes.

So no machine but this one needs to see the study's folder. Batches are those that the plan fixed, so the numbers are
those of a study that runs here. An actor or a node that dies costs the cells that it had not sent back: they run again.
Actors end with the driver. ray.init() without an address starts Ray on this machine. Guarded by
tests/core/test_study_ray_engine.py and test_cluster_real_ray.py.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..cluster.model_actors import HeldActor, ModelActors
from ..cluster.ray_connection import RayEngine, cluster_size, connected
from ..errors import StoreError
from ..progress import IsCancelled
from . import database, plan_store
from .ledger import Ledger
from .ray_actor import ModelActor

ENGINE = "engine"
"""The note that says on what a study runs now, as JSON; empty while it does not."""
TICK = 1.0
"""Seconds between two looks at the progress, and at whether to stop."""
PATIENCE = 20.0
"""Seconds that actors get to end by themselves and send what they have finished."""


def run_on_ray(
    folder: Path, engine: RayEngine, pilot: bool, tick: IsCancelled, actor: type[ModelActor] = ModelActor
) -> list[str]:
    """Runs what waits in the study at ``folder``, until nothing does or ``tick()``, called each second, returns True.

    ``actor``: the class that runs batches. Returns why actors ended that did. Raises StoreError where Ray or the
    cluster is not there, or no node has room for a model.
    """
    with connected(engine.address) as ray:
        driver = _Driver(ray, folder, engine, pilot, tick, actor)
        try:
            return driver.work()
        finally:
            driver.close()


class _Driver:
    """Gives batches to actors and writes what they send back."""

    def __init__(
        self, ray: Any, folder: Path, engine: RayEngine, pilot: bool, tick: IsCancelled, actor: type[ModelActor]
    ) -> None:
        self.ray, self.tick = ray, tick
        self.actors = ModelActors(ray, engine, actor)
        self.ledger = Ledger(folder, pilot)
        self.given = ray.put(self.ledger.plan.to_json())
        self.date = plan_store.study_date(self.ledger.db)
        self.ticked = 0.0
        self.left: dict[HeldActor, dict[str, Any]] = {}
        """{actor: {cell: its place} of its batch that are not sent back yet}"""
        self.spent: set[str] = set()
        """Models of which nothing is left to claim."""

    def work(self) -> list[str]:
        while not self._told():
            if self.actors.look:  # not at each outcome: counting what waits takes longer than storing one
                self.actors.look = False
                self._hire()
            if not self.actors.held:
                break
            self._take(TICK / 2)
        return self.actors.failures

    def close(self) -> None:
        """Ends the actors, writes what they finished, frees the rest."""
        for held in self.actors.held:
            held.handle.stop.remote()
        until = time.monotonic() + PATIENCE
        with suppress(StoreError):  # actors that keep ending end nothing else
            while any(held.work is not None for held in self.actors.held) and time.monotonic() < until:
                self._take(TICK, more=False)
        for held in list(self.actors.held):
            self._end(held)
        self.ledger.release()
        database.put_note(self.ledger.db, ENGINE, "")
        database.put_note(self.ledger.db, "doing", "")
        self.ledger.close()

    def _told(self) -> bool:
        """Tells the progress now and then; returns whether to stop."""
        if time.monotonic() - self.ticked < TICK:
            return False
        self.ticked, self.actors.look = time.monotonic(), True
        self.ledger.refresh()
        size, held = cluster_size(self.ray), self.actors.held
        loading, no_room = sorted({one.model for one in held if one.work is None}), sorted(self.actors.no_room)
        doing = [f"loading {', '.join(loading)}"] * bool(loading)
        doing += [f"no node has room for {', '.join(no_room)}"] * bool(no_room)
        note = {
            "nodes": len(size.nodes), "cpus": size.cpus, "gpus": size.gpus, "memory": size.memory,
            "actors": len(held), "loading": sum(one.work is None for one in held),
            "running": sum(len(self.left.get(one, ())) for one in held),
        }  # fmt: skip
        database.put_note(self.ledger.db, ENGINE, json.dumps(note))
        database.put_note(self.ledger.db, "doing", "; ".join(doing))
        return bool(self.tick())

    def _hire(self) -> None:
        """Starts actors while there are batches for them, for the model that has fewest beside what is left of it.

        A model that gets no more actors now leaves the places to the others. Raises StoreError where nobody works and
        no node has room for what is left.
        """
        held, left, no_room = self.actors.held, self._waiting(), None
        while left:
            model = max(left, key=lambda name: left[name] / (1 + sum(one.model == name for one in held)))
            loading = sum(one.model == model and one.work is None for one in held)  # they will take a batch each
            try:
                hired = left[model] > self.ledger.size * loading and self.actors.hire(
                    model, self.given, self.date, self.ledger.longer, self.ledger.size
                )
            except StoreError as error:
                no_room, hired = error, False
            if not hired:
                del left[model]
        if no_room is not None and not held:
            raise no_room

    def _waiting(self) -> dict[str, int]:
        """Returns {model: cells that nobody who lives has claimed} of models of which something is left."""
        if database.release_ended(self.ledger.db, self.ledger.owner):
            self.spent.clear()
        where = "state = 'waiting' AND wanted" + (" AND pilot" if self.ledger.pilot else "")
        found = self.ledger.db.execute(f"SELECT model, count(*) AS n FROM cells WHERE {where} GROUP BY model")
        return {row["model"]: row["n"] for row in found.fetchall() if row["model"] not in self.spent}

    def _take(self, seconds: float, more: bool = True) -> None:
        """Takes what is ready of what actors do; ``more``: gives them their next batch."""
        for held in self.actors.ready(seconds, busy=not more):
            if held not in self.actors.held:
                continue  # ended with another one of its model, a moment ago
            try:
                if held.work is None:
                    self._loaded(held, self.ray.get(held.waiting))
                else:
                    self._outcomes(held, more)
            except (self.ray.exceptions.RayError, OSError) as error:
                self._died(held, error)

    def _loaded(self, held: HeldActor, told: dict[str, Any]) -> None:
        """Looks at what an actor loaded, and gives it its first batch.

        One that cannot work ends alone while others have or load its model; the cells fail with the last of them.
        """
        why = self.actors.refusal(held, told)
        if not why:
            self._next(held)
        elif not self.actors.leave_out(held, why):
            batch = self.ledger.claim(held.model)
            if batch is not None:
                self.ledger.fail_model(batch, why)
            self.spent.add(held.model)
            self._end(held)

    def _next(self, held: HeldActor) -> None:
        """Gives an actor its next batch; one whose model has none left ends, and so do those that still load it."""
        batch = self.ledger.claim(held.model)
        if batch is None:
            self.spent.add(held.model)
            for one in [one for one in self.actors.held if one.model == held.model and one.work is None]:
                self._end(one)
            return
        held.work, self.left[held] = batch, {place["cell"]: place for place in batch.places}
        held.waiting = held.handle.run.options(num_returns="streaming").remote(batch)

    def _outcomes(self, held: HeldActor, more: bool) -> None:
        """Stores what an actor sent; after the last of its batch it gets its next one."""
        try:
            outcomes = self.ray.get(next(held.waiting))
        except StopIteration:
            self.ledger.release(self.left.pop(held))  # stopped before they ran
            held.work = None
            if more:
                self._next(held)
            return
        with database.transaction(self.ledger.db):
            for outcome in outcomes:
                self.ledger.write(outcome)
        for outcome in outcomes:
            self.left[held].pop(outcome.place["cell"], None)
        self.actors.deaths = 0

    def _died(self, held: HeldActor, error: Exception) -> None:
        """Frees the cells of an actor that is gone. A process that died alone counts, one whose node went does not."""
        self.ledger.release(self.left.pop(held, {}), tried=self.actors.is_alive(held.node))
        self.spent.discard(held.model)
        self.actors.died(held, error)

    def _end(self, held: HeldActor) -> None:
        self.ledger.release(self.left.pop(held, {}))
        self.actors.end(held)


def engine_now(db: Any) -> dict[str, Any]:
    """Returns what a study runs on now, as ``run_on_ray`` notes it: nodes, cpus, gpus, memory in bytes, actors."""
    with suppress(ValueError):
        found = json.loads(database.get_note(db, ENGINE) or "{}")
        return found if isinstance(found, dict) else {}
    return {}
