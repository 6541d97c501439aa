"""What a study on Ray costs beside its runs, how it scales here, and a simulation of how far that goes.

    python -m benchmarks.cluster [--actors 1 2 4] [--cells 192] [--sleep 0.25] [--real] [--simulate]

Cells of the made-up load sleep in place of a model, and send back what a real run of SmolLM2 wrote (200 columns, a
digest of the usual size), so what is measured is Ray and the driver: overhead a run and writes a second. ``--real``
runs the model. ``--simulate`` replays both in a simulation (benchmarks/cluster_simulation.py) with the measured costs,
compares it with what was measured, and says what 10, 100 and 1,000 actors would give.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cluster_simulation import Costs, simulate
from core.cluster.ray_connection import RayEngine, connected
from core.models.catalogue import DEFAULT_MODEL
from core.settings import models_path, versions
from core.study import Plan, Study
from core.study.batch_runner import CellBatch, CellOutcome
from core.study.cell_store import CellRows
from core.study.fixed_batches import CELLS_AT_A_TIME
from core.study.ledger import Ledger
from core.study.ray_actor import ModelActor
from core.study.ray_engine import run_on_ray
from core.study.worker_pool import usable_cores

say = partial(print, flush=True)
SIMULATED = (10, 100, 1_000)
TEMPLATE, SLEEP = "HEED_BENCH_TEMPLATE", "HEED_BENCH_SLEEP"


class SleepingActor(ModelActor):
    """Sleeps for each cell, and sends back the rows of one that a model ran."""

    def load(self) -> dict[str, Any]:
        """Loads nothing but the rows."""
        from ray import get_runtime_context

        rows = json.loads(Path(os.environ[TEMPLATE]).read_text("utf-8"))
        rows["kept"]["digest"] = bytes.fromhex(rows["kept"]["digest"])
        self._rows = CellRows(**rows)
        self._seconds = float(os.environ[SLEEP])
        node = get_runtime_context().get_node_id()
        return {"host": "", "node": node, "pid": os.getpid(), "versions": versions(), "why": "", "fingerprint": ""}

    def outcomes(self, batch: CellBatch) -> Iterator[CellOutcome]:
        """Yields the rows under the ids of ``batch``."""
        for place in batch.places:
            time.sleep(self._seconds)
            own = {"cell": place["cell"]}
            told = [one | own for one in self._rows.instructions]
            rows = replace(self._rows, kept=self._rows.kept | own, run=self._rows.run | own, instructions=told)
            yield CellOutcome(place, rows)


@dataclass(frozen=True)
class Measured:
    """One study on so many actors."""

    actors: int
    cells: int
    seconds: float
    """From the first batch, when an actor has its model, to the last outcome that was stored."""
    write: float
    """Median seconds of the driver for storing an outcome."""


def measured(plan: Plan, actors: int, ray: Any, actor: type[ModelActor], **fields: Any) -> Measured:
    """Runs ``plan`` as a new study on so many actors."""
    study = Study(replace(plan, name=f"{plan.name} {actors} {time.time()}"))
    begun, stored, writes = [], [], []  # type: list[float], list[float], list[float]
    write, claim = Ledger.write, Ledger.claim

    def claimed(self: Ledger, model: str) -> CellBatch | None:
        begun.append(time.perf_counter())
        return claim(self, model)

    def timed(self: Ledger, outcome: CellOutcome) -> None:
        began = time.perf_counter()
        write(self, outcome)
        writes.append(time.perf_counter() - began)
        stored.append(time.perf_counter())

    Ledger.write, Ledger.claim = timed, claimed  # type: ignore[method-assign]
    try:
        run_on_ray(study.folder, RayEngine("", actors, **fields), False, lambda: False, actor)
    finally:
        Ledger.write, Ledger.claim = write, claim  # type: ignore[method-assign]
    status = study.status()
    assert status.over and not status.failed, status.text
    study.delete()
    return Measured(actors, len(stored), stored[-1] - begun[0], statistics.median(writes))


def a_plan(cells: int, name: str, **more: Any) -> Plan:
    """A plan of so many cells of one model: 16 prompts of a shipped suite in two structures, with many seeds."""
    fields: dict[str, Any] = {"models": (DEFAULT_MODEL,), "suites": ("constrained",), "per_task": 16}
    fields |= {"max_new_tokens": 16, "temperature": 0.7, "seeds": tuple(range(max(1, cells // 32)))}
    return Plan(name=name, **fields | more)


def template(folder: Path) -> None:
    """Runs one batch on the model and keeps the rows of its first cell where ``SleepingActor`` finds them."""
    from core.models.load import load_model

    study = Study(a_plan(CELLS_AT_A_TIME, "rows"))
    ledger = Ledger(study.folder)
    batch = ledger.claim(DEFAULT_MODEL)
    assert batch is not None
    outcome = next(iter(ledger.runner().outcomes(load_model(DEFAULT_MODEL), batch)))
    assert outcome.rows is not None
    ledger.release()
    ledger.close()
    study.delete()
    digest, path = outcome.rows.kept["digest"], folder / "rows.json"
    rows = asdict(outcome.rows)
    rows["kept"]["digest"] = digest.hex()
    path.write_text(json.dumps(rows), "utf-8")
    say(f"a run writes {len(outcome.rows.run)} columns and a digest of {len(digest) / 1e3:,.0f} kB")
    os.environ[TEMPLATE] = str(path)


def scaling(plan: Plan, actors: list[int], ray: Any, actor: type[ModelActor], **fields: Any) -> list[Measured]:
    """Runs ``plan`` on each number of actors and prints a line of each."""
    found = []
    say(f"{'actors':>7} {'runs':>6} {'seconds':>8} {'runs a second':>14} {'times':>6} {'driver, ms a run':>17}")
    for number in actors:
        one = measured(plan, number, ray, actor, **fields)
        found.append(one)
        pace, first = one.cells / one.seconds, found[0].cells / found[0].seconds
        say(
            f"{one.actors:>7} {one.cells:>6} {one.seconds:>8.1f} {pace:>14.1f} {pace / first:>6.2f} "
            f"{1e3 * one.write:>17.2f}"
        )
    return found


def main() -> None:
    """Measures, then simulates."""
    options = argparse.ArgumentParser(description="Studies on Ray: overhead, scaling, simulation.")
    options.add_argument("--actors", type=int, nargs="+", default=[1, 2, 4])
    options.add_argument("--cells", type=int, default=256, help="cells of the sleeping load")
    options.add_argument("--sleep", type=float, default=0.25, help="seconds of a sleeping cell")
    options.add_argument("--real", action="store_true", help="the model too")
    given = options.parse_args()
    os.environ["HEED_MODELS"] = str(models_path())
    with tempfile.TemporaryDirectory() as home:
        os.environ["HEED_HOME"] = home
        template(Path(home))
        os.environ[SLEEP] = str(given.sleep)
        plan = a_plan(given.cells, "sleeping", effects=False)
        share = {"cpus": usable_cores() / max(given.actors) / 2}
        with connected() as ray:
            say(f"\nCells that sleep {given.sleep:g} s, {usable_cores()} cores:")
            slept = scaling(plan, given.actors, ray, SleepingActor, **share)
            os.environ[SLEEP] = "0"
        with connected() as ray:  # actors inherit what stood in the environment when Ray was started
            say("\nCells that take no time, so that the driver is the limit:")
            scaling(a_plan(1024, "empty", effects=False), [max(given.actors)], ray, SleepingActor, **share)
            if given.real:  # greedy, since answers that are sampled cannot share a batch
                say(f"\n{DEFAULT_MODEL}, {usable_cores()} cores shared by all actors:")
                greedy = {"suites": ("constrained", "fact"), "per_task": 32, "temperature": 0.0, "seeds": (0,)}
                scaling(a_plan(0, "real", **greedy), given.actors, ray, ModelActor)
    report(slept, given.sleep)


def report(slept: list[Measured], sleep: float) -> None:
    """Compares the simulation with what was measured, and goes on to more actors."""
    one = slept[0]
    overhead = one.seconds / one.cells - sleep
    write = statistics.median(found.write for found in slept)
    say(f"\noverhead a run: {1e3 * overhead:.1f} ms, of which the driver stores for {1e3 * write:.1f} ms")
    costs = Costs(cell=sleep, send=max(overhead - write, 0.0), write=write, batch=CELLS_AT_A_TIME)
    say(f"\n{'actors':>7} {'measured':>10} {'simulated':>10}   runs a second")
    for found in slept:
        pace = found.cells / found.seconds
        say(f"{found.actors:>7} {pace:>10.2f} {simulate(costs, found.actors, found.cells).pace:>10.2f}")
    for seconds in (sleep, 1.0, 10.0):
        say(f"\nsimulated, cells of {seconds:g} s:")
        say(f"{'actors':>7} {'runs a second':>14} {'of the ideal':>13} {'driver busy':>12}")
        for actors in SIMULATED:
            made = simulate(replace(costs, cell=seconds), actors, max(50_000, 64 * actors))
            say(f"{actors:>7} {made.pace:>14.1f} {made.pace * seconds / actors:>13.0%} {made.busy:>12.0%}")


if __name__ == "__main__":
    main()
