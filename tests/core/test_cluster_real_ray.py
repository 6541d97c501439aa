"""Tests studies and leagues on a real Ray: the same numbers as in this process, and what a lost actor, node, driver costs.

Every actor is a process that imports torch, so what is decided about actors is tested without any
(tests/core/test_study_ray_engine.py, test_trust_measure_on_ray.py), and here few do many things.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress

import psutil
import pytest

from core.cluster.ray_connection import RayEngine
from core.processes import module_environment
from core.study import Study, ray_engine
from core.study.ledger import Ledger
from core.study.ray_engine import engine_now
from tests.core import models_made_up, probe_made_up, study_tiny
from tests.core.ray_compared import PacedActor, PlainActor, league_here, league_on_ray, numbers, one_thread, same_league
from tests.core.test_trust_league import PROMPTS

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ON_ONE, ON_BOTH = RayEngine("auto", actors=1, cpus=1), RayEngine("auto", actors=2, cpus=1)


@pytest.fixture(scope="module")
def cluster():
    """A Ray of two nodes with one core each; the first is the driver's."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_prestart_worker_first_driver", "0")
        patch.setenv("PYTHONPATH", module_environment()["PYTHONPATH"])
        quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
        made = Cluster()
        room = {"num_cpus": 1, "memory": 4 * 10**9, "include_log_monitor": False}
        made.add_node(include_dashboard=False, no_monitor=True, _system_config=quick, **room)
        made.second = made.add_node(**room)
        ray.init(address=made.address, log_to_driver=False, logging_level="error")
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Begins a study of a tiny model in a home of its own."""
    model = study_tiny.model(tmp_path)

    def begin(count, name="ray", **more):
        monkeypatch.setenv("HEED_HOME", str(tmp_path / name))
        fields = {"structures": ("instruction_first",), "effects": True, "max_new_tokens": 2}
        return Study(study_tiny.plan(model, count, **fields | more))

    return begin


@pytest.fixture
def writes(monkeypatch):
    """{cell: how often its outcome was stored}."""
    seen, write = Counter(), Ledger.write

    def counted(self, outcome):
        seen[outcome.place["cell"]] += 1
        write(self, outcome)

    monkeypatch.setattr(Ledger, "write", counted)
    return seen


def actors(named):
    """The living actors of a class of this name."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        found += [process] * any(f"ray::{named}" in word for word in process.info["cmdline"] or ())
    return found


def kill_actors(named):
    """Kills them; returns their process ids."""
    killed = actors(named)
    for process in killed:
        os.kill(process.pid, signal.SIGKILL)
    return [process.pid for process in killed]


def test_a_study_that_loses_an_actor_is_stopped_and_loses_a_node_has_the_numbers_of_this_process(
    cluster, study, writes, tmp_path, monkeypatch
):
    run = ray_engine.run_on_ray
    monkeypatch.setattr(ray_engine, "TICK", 0.2)
    monkeypatch.setattr(ray_engine, "run_on_ray", lambda *given: run(*given, actor=PacedActor))
    more = {"steering": {"instruction": [0.5, 2.0]}}
    here = study(24, name="here", **more)
    with one_thread():
        here.run(1)
    expected = numbers(here)
    writes.clear()
    there = study(24, name="there", **more)
    killed, lost = [], []

    def kill_then_stop():
        """Kills the actor in its first batch; stops while the next one is in the same."""
        done = there.status().done
        if done and not killed:
            killed.extend(kill_actors("PacedActor"))
        return done > 1

    status = there.run(engine=ON_ONE, cancelled=kill_then_stop)
    assert len(killed) == 1 and not status.over and not status.failed and status.running == 0
    assert 3 <= status.done < 16, "the cell that it had finished when it was stopped came too"

    def lose_a_node():
        on = engine_now(there.db)
        if not lost and on.get("actors") == 2 and not on["loading"]:
            cluster.remove_node(cluster.second, allow_graceful=False)
            lost.append(on)
            (tmp_path / "go").touch()

    status = there.run(engine=ON_BOTH, cancelled=lose_a_node)
    assert lost[0]["nodes"] == 2 and lost[0]["running"] > 16, "both nodes were in a batch"
    assert status.over and not status.failed
    assert numbers(there) == expected and len(expected) == 72
    assert writes == dict.fromkeys(expected, 1)
    assert engine_now(there.db) == {}


def test_a_league_is_that_of_this_process_though_its_actor_is_killed(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    model = str(models_made_up.save_model(tmp_path / "llama", probe_made_up.random("llama")))
    killed = []

    def kill(fraction, text, stream=None):
        if fraction and fraction > 0.2 and not killed:
            killed.extend(kill_actors("PlainActor"))

    there = league_on_ray(model, PROMPTS, tmp_path / "there", 1, PlainActor, progress=kill)
    assert len(killed) == 1
    same_league(there, league_here(model, PROMPTS, tmp_path / "here"))
    until = time.monotonic() + 20
    while actors("PlainActor") and time.monotonic() < until:
        time.sleep(0.05)
    assert not actors("PlainActor")


DRIVER = """
import sys
from core.study import Study
from core.cluster.ray_connection import RayEngine
study = Study(sys.argv[1])
print("begun", flush=True)
study.run(engine=RayEngine(actors=1, cpus=1), progress=lambda done, text: print(done, flush=True))
"""


def _actors_below(parent):
    found = []
    for child in psutil.Process(parent).children(recursive=True):
        with suppress(psutil.Error):  # one that has just ended
            found += [child] * any("ray::ModelActor" in word for word in child.cmdline())
    return found


def test_a_driver_that_is_killed_takes_its_actors_along_and_is_resumed(study):
    """Ray on this machine, as without an address."""
    there = study(80)
    env = module_environment(RAY_USAGE_STATS_ENABLED="0")
    line = [sys.executable, "-c", DRIVER, there.id]
    driver = subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found = []
    until = time.monotonic() + 120
    while time.monotonic() < until and not (there.status().done and found):
        time.sleep(0.05)
        found = found or _actors_below(driver.pid)
    assert found and there.status().done
    driver.kill()
    driver.wait()
    done = there.status().done
    assert 0 < done < 80
    for actor in found:
        actor.wait(60)  # raises where it lives on
    assert there.status().running == 0
    there.run(1)
    assert there.status().over and there.status().done == 80
