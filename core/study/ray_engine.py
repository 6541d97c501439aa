"""Runs a study on Ray: actors on whatever machines hold one model each, and this process, the driver, alone writes.

So no machine but this one needs to see the study's folder. Batches are those that the plan fixed, so the numbers are
those of a study that runs here. An actor or a node that dies costs the cells that it had not sent back: they run again.
Actors end with the driver. ray.init() without an address starts Ray on this machine. Guarded by
tests/core/test_study_ray_engine.py.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import StoreError
from ..processes import PACKAGE, module_environment
from ..progress import IsCancelled
from ..settings import versions
from . import database, plan_store
from .actor_resources import ClusterSize, actor_resources
from .batch_runner import CellBatch
from .ledger import Ledger
from .ray_actor import ModelActor

ENGINE = "engine"
"""The note that says on what a study runs now, as JSON; empty while it does not."""
TICK = 1.0
"""Seconds between two looks at the progress, and at whether to stop."""
PATIENCE = 20.0
"""Seconds that actors get to end by themselves and send what they have finished."""
DEATHS = 12
"""Most actors that may die one after another, none of them having finished a cell."""
INSTALL = "Ray is not installed here: pip install -r requirements-cluster.txt."


@dataclass(frozen=True)
class RayEngine:
    """Where a study runs on Ray, and what each actor takes of it; None: from the model and what the cluster has."""

    address: str = ""
    """Of a cluster (``auto``, ``HOST:6379``); "" starts Ray on this machine."""
    actors: int | None = None
    """Most actors at a time."""
    cpus: float | None = None
    """Processor cores of each actor."""
    gpus: float | None = None
    """Share of a GPU, or GPUs, of each actor."""


def run_on_ray(
    folder: Path, engine: RayEngine, pilot: bool, tick: IsCancelled, actor: type[ModelActor] = ModelActor
) -> list[str]:
    """Runs what waits in the study at ``folder``, until nothing does or ``tick()``, called each second, returns True.

    ``actor``: the class that runs batches. Returns why actors ended that did. Raises StoreError where Ray or the
    cluster is not there, or no node has room for a model.
    """
    with connected(engine.address):
        driver = _Driver(folder, engine, pilot, tick, actor)
        try:
            return driver.work()
        finally:
            driver.close()


@contextmanager
def connected(address: str = "") -> Iterator[Any]:
    """Connects to a cluster, or starts Ray on this machine, and leaves it at the end; yields the module ``ray``.

    A connection that is there already is used and left open. Raises StoreError with the remedy.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to the makers of Ray
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "error")  # an address that does not answer is told once, in words
    try:
        import ray
    except ImportError as error:
        raise StoreError(INSTALL) from error
    if ray.is_initialized():
        yield ray
        return
    code: dict[str, Any] = {"env_vars": {"PYTHONPATH": module_environment()["PYTHONPATH"]}}
    if address:  # the code travels, unless it is installed there
        code = {"py_modules": [str(PACKAGE)]} if PACKAGE.name == "core" else {}
    local: dict[str, Any] = {} if address else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(
            address=address or "local", log_to_driver=False, logging_level=logging.ERROR, runtime_env=code, **local
        )
    except Exception as error:  # ConnectionError, RuntimeError, ValueError, or of gRPC
        where = f"The Ray cluster at {address!r}" if address else "Ray on this machine"
        raise StoreError(
            f"{where} cannot be reached ({str(error).splitlines()[0][:200]}): start it with `ray start --head`, or "
            "give the address that it printed."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def cluster_size(ray: Any) -> ClusterSize:
    """Returns the living nodes of the cluster with what they have."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return ClusterSize(tuple((float(n.get("CPU", 0)), float(n.get("GPU", 0)), int(n.get("memory", 0))) for n in nodes))


@dataclass(eq=False)
class _Held:
    """An actor, and what it does: load its model (``batch`` None), or run a batch."""

    handle: Any
    model: str
    waiting: Any
    batch: CellBatch | None = None
    left: dict[str, Any] = field(default_factory=dict)
    """{cell: its place} of the batch that are not sent back yet."""
    node: str = ""


class _Driver:
    """Gives batches to actors and writes what they send back."""

    def __init__(
        self, folder: Path, engine: RayEngine, pilot: bool, tick: IsCancelled, actor: type[ModelActor]
    ) -> None:
        import ray

        self.ray, self.engine, self.tick, self.actor = ray, engine, tick, actor
        self.ledger = Ledger(folder, pilot)
        self.given = ray.put(self.ledger.plan.to_json())
        self.date = plan_store.study_date(self.ledger.db)
        self.held: list[_Held] = []
        self.failures: list[str] = []
        self.deaths, self.refused, self.ticked = 0, 0, 0.0
        self.look = True
        """Whether there may be room for another actor."""
        self.fingerprints: dict[str, str] = {}
        self.spent: set[str] = set()
        """Models of which nothing is left to claim."""

    def work(self) -> list[str]:
        while not self._told():
            if self.look:  # not at each outcome: counting what waits takes longer than storing one
                self.look = False
                self._hire()
            if not self.held:
                break
            self._take([held.waiting for held in self.held], TICK / 2)
        return self.failures

    def close(self) -> None:
        """Ends the actors, writes what they finished, frees the rest."""
        for held in self.held:
            held.handle.stop.remote()
        until = time.monotonic() + PATIENCE
        while (busy := [held.waiting for held in self.held if held.batch]) and time.monotonic() < until:
            self._take(busy, TICK, more=False)
        for held in list(self.held):
            self._end(held)
        self.ledger.release()
        database.put_note(self.ledger.db, ENGINE, "")
        database.put_note(self.ledger.db, "doing", "")
        self.ledger.close()

    def _told(self) -> bool:
        """Tells the progress now and then; returns whether to stop."""
        if time.monotonic() - self.ticked < TICK:
            return False
        self.ticked, self.look = time.monotonic(), True
        self.ledger.refresh()
        size = cluster_size(self.ray)
        loading = sorted({held.model for held in self.held if held.batch is None})
        note = {
            "nodes": len(size.nodes), "cpus": size.cpus, "gpus": size.gpus, "memory": size.memory,
            "actors": len(self.held), "loading": sum(held.batch is None for held in self.held),
            "running": sum(len(held.left) for held in self.held),
        }  # fmt: skip
        database.put_note(self.ledger.db, ENGINE, json.dumps(note))
        database.put_note(self.ledger.db, "doing", f"loading {', '.join(loading)}" if loading else "")
        return bool(self.tick())

    def _hire(self) -> None:
        """Starts actors while there are batches for them, for the model that has fewest beside what is left of it."""
        size = cluster_size(self.ray)
        most = self._most(size)
        while len(self.held) < most - self.refused:
            left = {m: n for m, n in self._waiting().items() if m not in self.spent}
            if not left:
                return
            model = max(left, key=lambda name: left[name] / (1 + sum(held.model == name for held in self.held)))
            if left[model] <= self.ledger.size * sum(held.model == model and held.batch is None for held in self.held):
                return  # those that load it now take all of it
            takes = actor_resources(model, size, most, self.engine.cpus, self.engine.gpus)
            kind: Any = self.ray.remote(self.actor).options(
                num_cpus=takes.cpus,
                num_gpus=takes.gpus,
                memory=takes.memory,
                max_concurrency=2,
                max_restarts=0,
                runtime_env={"env_vars": {name: str(takes.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}},
            )
            handle: Any = kind.remote(self.given, self.date, self.ledger.longer, self.ledger.size, model)
            self.held.append(_Held(handle, model, handle.load.remote()))

    def _most(self, size: ClusterSize) -> int:
        """Most actors at a time: as asked, else one for every two cores, and one a GPU where there are any."""
        return max(1, self.engine.actors or int(size.gpus) or int(size.cpus // 2))

    def _waiting(self) -> dict[str, int]:
        where = "state = 'waiting' AND wanted" + (" AND pilot" if self.ledger.pilot else "")
        found = self.ledger.db.execute(f"SELECT model, count(*) AS n FROM cells WHERE {where} GROUP BY model")
        return {row["model"]: row["n"] for row in found.fetchall()}

    def _take(self, waiting: list[Any], seconds: float, more: bool = True) -> None:
        """Takes what is ready of what actors do; ``more``: gives them their next batch."""
        ready, _ = self.ray.wait(waiting, num_returns=1, timeout=seconds)
        if ready and len(waiting) > 1:
            ready, _ = self.ray.wait(waiting, num_returns=len(waiting), timeout=0)
        for held in [held for held in self.held if any(held.waiting is one for one in ready)]:
            try:
                if held.batch is None:
                    self._loaded(held, self.ray.get(held.waiting))
                else:
                    self._outcomes(held, more)
            except (self.ray.exceptions.RayError, OSError) as error:
                self._died(held, error)

    def _loaded(self, held: _Held, told: dict[str, Any]) -> None:
        """Looks at what an actor loaded, and gives it its first batch.

        One that cannot work ends alone while others have or load its model; the cells fail with the last of them.
        """
        held.node = told["node"]
        why = told["why"] or self._unlike(held.model, told)
        if why and any(other.model == held.model for other in self.held if other is not held):
            self.failures.append(why)
            self.refused += 1
            self._end(held)
            return
        if why:
            batch = self.ledger.claim(held.model)
            if batch is not None:
                self.ledger.fail_model(batch, why)
            self.spent.add(held.model)
            self._end(held)
            return
        self._next(held)

    def _unlike(self, model: str, told: dict[str, Any]) -> str:
        """Says why runs of this actor must not stand beside the others of the study; "" where they may."""
        if told["versions"] != versions():
            theirs = ", ".join(f"{name} {number}" for name, number in told["versions"])
            return f"The machine {told['host']} has other versions than this one ({theirs}): install the same there."
        known = self.fingerprints.setdefault(model, told["fingerprint"])
        if known != told["fingerprint"]:
            return f"The files of {model} on {told['host']} are others than elsewhere: fetch them anew there."
        return ""

    def _next(self, held: _Held) -> None:
        """Gives an actor its next batch; one whose model has none left ends."""
        batch = self.ledger.claim(held.model)
        if batch is None:
            self.spent.add(held.model)
            self._end(held)
            return
        held.batch, held.left = batch, {place["cell"]: place for place in batch.places}
        held.waiting = held.handle.run.options(num_returns="streaming").remote(batch)

    def _outcomes(self, held: _Held, more: bool) -> None:
        """Stores what an actor sent; after the last of its batch it gets its next one."""
        try:
            outcomes = self.ray.get(next(held.waiting))
        except StopIteration:
            self.ledger.release(held.left)  # stopped before they ran
            held.batch, held.left = None, {}
            if more:
                self._next(held)
            return
        with database.transaction(self.ledger.db):
            for outcome in outcomes:
                self.ledger.write(outcome)
        for outcome in outcomes:
            held.left.pop(outcome.place["cell"], None)
        self.deaths = 0

    def _died(self, held: _Held, error: Exception) -> None:
        """Frees the cells of an actor that is gone. A process that died alone counts, one whose node went does not."""
        alive = {node["NodeID"] for node in self.ray.nodes() if node["Alive"]}
        self.ledger.release(held.left, tried=held.node in alive)
        self.spent.discard(held.model)
        said = str(error).strip().splitlines()
        self.failures.append(" … ".join(dict.fromkeys([said[0][:200], said[-1].strip()[:200]])))
        self.deaths, self.look = self.deaths + 1, True
        self.held.remove(held)
        if self.deaths > DEATHS:
            raise StoreError(f"The actors keep ending ({self.failures[-1]}): see the logs of Ray on their machines.")

    def _end(self, held: _Held) -> None:
        self.ledger.release(held.left)
        with suppress(self.ray.exceptions.RayError):
            self.ray.kill(held.handle)
        self.held.remove(held)
        self.look = True


def engine_now(db: Any) -> dict[str, Any]:
    """Returns what a study runs on now, as ``run_on_ray`` notes it: nodes, cpus, gpus, memory in bytes, actors."""
    with suppress(ValueError):
        found = json.loads(database.get_note(db, ENGINE) or "{}")
        return found if isinstance(found, dict) else {}
    return {}
