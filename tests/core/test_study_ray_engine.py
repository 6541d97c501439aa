"""Tests studies on a real Ray of two nodes: the same numbers as in this process, and what is lost with a node."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress

import pytest

from core.cluster import model_actors
from core.cluster.ray_connection import RayEngine, connected
from core.errors import StoreError
from core.processes import module_environment
from core.study import Study, ray_engine
from core.study.ledger import Ledger
from core.study.ray_actor import sent_together
from core.study.ray_engine import engine_now
from tests.core import models_made_up, study_tiny

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.timeout(300)
ON_BOTH = RayEngine("auto", actors=2, cpus=1)


@pytest.fixture(scope="module")
def cluster():
    """A Ray of two nodes with one core each; the first is the driver's."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = Cluster()
    path = module_environment()["PYTHONPATH"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
        made.add_node(num_cpus=1, include_dashboard=False, memory=4 * 10**9, _system_config=quick)
        made.second = made.add_node(num_cpus=1, memory=4 * 10**9)
        ray.init(address=made.address, log_to_driver=False, logging_level="error")
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def two_nodes(cluster):
    """The cluster, whose second node is there again."""
    if cluster.second is None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", module_environment()["PYTHONPATH"])
            cluster.second = cluster.add_node(num_cpus=1, memory=4 * 10**9)
    return cluster


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The names of two tiny models."""
    made = tmp_path_factory.mktemp("models")
    names = []
    for layers in (2, 3):
        model = models_made_up.tiny_llama(max_position_embeddings=1024, num_hidden_layers=layers)
        names.append(str(models_made_up.save_model(made / f"model-{layers}", model)))
    return names


@pytest.fixture
def study(models, tmp_path, monkeypatch):
    """Begins a study of both models in a home of its own."""

    def begin(count=12, name="ray", **more):
        monkeypatch.setenv("HEED_HOME", str(tmp_path / name))
        fields = {"models": tuple(models), "structures": ("instruction_first",), "effects": True, "max_new_tokens": 2}
        return Study(study_tiny.plan(models[0], count, **fields | more))

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


def run_here(study):
    """Runs a study in this process with one thread, as an actor with one core has: more add up in another order."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        study.run(1)
    finally:
        torch.set_num_threads(threads)


def numbers(study):
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


def when(study, done, act):
    """A ``cancelled`` that calls ``act`` once, when so many cells are done, and returns what it returned."""
    state = {}

    def cancelled():
        if "said" not in state and study.status().done >= done:
            state["said"] = act()
        return bool(state.get("said"))

    return cancelled


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(ray_engine, "TICK", 0.02)


def test_on_ray_the_numbers_are_those_of_this_process(two_nodes, study, writes):
    more = {"steering": {"instruction": [0.5, 2.0]}}
    here = study(name="here", **more)
    run_here(here)
    expected = numbers(here)
    writes.clear()
    there = study(name="there", **more)
    status = there.run(engine=ON_BOTH)
    assert status.over and not status.failed
    assert numbers(there) == expected and len(expected) > 24
    assert writes == dict.fromkeys(expected, 1)
    assert engine_now(there.db) == {}


def test_a_node_that_goes_costs_its_running_cells_and_nothing_is_doubled(two_nodes, study, writes, often):
    here = study(30, name="here")
    run_here(here)
    expected = numbers(here)
    writes.clear()
    there = study(30, name="there")
    seen = []

    def remove():
        seen.append(engine_now(there.db)["actors"])
        two_nodes.remove_node(two_nodes.second, allow_graceful=False)
        two_nodes.second = None

    status = there.run(engine=ON_BOTH, cancelled=when(there, 5, remove))
    assert seen and status.over and not status.failed
    assert numbers(there) == expected
    assert writes == dict.fromkeys(expected, 1)


def test_an_actor_that_is_killed_runs_its_batch_once_more_and_a_stop_frees_the_rest(
    two_nodes, study, models, writes, often
):
    there = study(60, models=models[:1])
    killed = []

    def kill():
        import psutil

        for process in psutil.process_iter(["cmdline"]):
            if any("ModelActor" in word for word in process.info["cmdline"] or ()):
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)

    status = there.run(engine=RayEngine("auto", 1, 1), cancelled=when(there, 3, kill))
    assert len(killed) == 1 and status.over and not status.failed
    there.extend(seeds=(1,), items=tuple(study_tiny.item(n) for n in range(60, 120)))
    status = there.run(engine=RayEngine("auto", 1, 1), cancelled=when(there, 63, lambda: True))
    assert not status.over and status.done >= 63 and status.running == 0
    there.run(1)
    assert there.status().over and set(writes.values()) == {1} and len(writes) == there.status().total


def test_what_cannot_be_run_keeps_its_reason_and_leaves_the_others_alone(two_nodes, study, models, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}", "utf-8")
    (broken / "model.safetensors").write_bytes(b"")
    there = study(2, models=(models[0], str(broken)), max_new_tokens=5000)
    status = there.run(engine=ON_BOTH)
    assert status.over and status.failed == 4 and len(status.reasons) > 1
    assert any("damaged" in why for why in status.reasons)


def test_other_versions_are_not_let_beside(two_nodes, study, models, monkeypatch):
    monkeypatch.setattr(model_actors, "versions", lambda: (("torch", "0.0"),))
    status = study(1, models=models[:1]).run(engine=RayEngine("auto", 1, 1))
    assert status.failed == 1 and "other versions" in next(iter(status.reasons))


def _load_but_on(node):
    """A ``load`` that says on every other node that it has other versions."""

    def load(self):
        from ray import get_runtime_context

        found = ray_engine.ModelActor.load(self)
        here = get_runtime_context().get_node_id()
        return found if here == node else found | {"versions": (("torch", "0.0"),)}

    return load


def test_a_node_with_other_versions_is_left_out_and_the_rest_goes_on(two_nodes, study, models, monkeypatch, writes):
    there = study(40, models=models[:1])
    run = ray_engine.run_on_ray
    half = type("HalfActor", (ray_engine.ModelActor,), {"load": _load_but_on(two_nodes.head_node.node_id)})
    monkeypatch.setattr(ray_engine, "run_on_ray", lambda *given: run(*given, actor=half))
    status = there.run(engine=ON_BOTH)
    assert status.over and not status.failed and len(writes) == 40


def test_a_model_for_which_no_node_has_room_is_told_before_anything_runs(two_nodes, study):
    there = study(1)
    with pytest.raises(StoreError, match="No node has room"):
        there.run(engine=RayEngine("auto", cpus=64))
    assert there.status().waiting == 2


def test_without_ray_and_without_a_cluster_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(StoreError, match=r"requirements-cluster\.txt"), connected():
        pass


def test_outcomes_that_come_at_once_are_sent_together_and_slow_ones_at_once():
    assert list(sent_together(range(20), soon=3600)) == [[0], [*range(1, 9)], [*range(9, 17)], [17, 18, 19]]
    assert list(sent_together(range(3), soon=-1)) == [[0], [1], [2]]
    assert list(sent_together([])) == []


DRIVER = """
import sys
from core.study import Study
from core.cluster.ray_connection import RayEngine
study = Study(sys.argv[1])
print("begun", flush=True)
study.run(engine=RayEngine(actors=2, cpus=1), progress=lambda done, text: print(done, flush=True))
"""


def _actors(parent):
    import psutil

    found = []
    for child in psutil.Process(parent).children(recursive=True):
        with suppress(psutil.Error):  # one that has just ended
            found += [child] * any("ray::ModelActor" in word for word in child.cmdline())
    return found


def test_a_driver_that_is_killed_takes_its_actors_along_and_is_resumed(study):
    """Ray on this machine, as without an address."""
    there = study(120)
    env = module_environment(RAY_USAGE_STATS_ENABLED="0")
    line = [sys.executable, "-c", DRIVER, there.id]
    driver = subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    actors = []
    until = time.monotonic() + 120
    while time.monotonic() < until and not (there.status().done and actors):
        time.sleep(0.05)
        actors = actors or _actors(driver.pid)
    assert actors and there.status().done
    driver.kill()
    driver.wait()
    done = there.status().done
    assert 0 < done < 240
    for actor in actors:
        actor.wait(60)  # raises where it lives on
    assert there.status().running == 0
    there.run(1)
    assert there.status().over and there.status().done == 240


def test_actors_that_keep_ending_leave_nothing_claimed(study):
    there = study(1)
    driver = object.__new__(ray_engine._Driver)
    driver.ledger, driver.left = Ledger(there.folder), {}
    batch = driver.ledger.claim(there.plan.models[0])
    assert batch is not None and there.status().running
    ended = []
    held = type("Held", (), {"work": batch, "handle": type("H", (), {"stop": type("S", (), {"remote": int})})})()

    def end(one):
        driver.actors.held.remove(one)
        ended.append(one)

    def ready(*_, **__):
        raise StoreError("The actors keep ending.")

    driver.actors = type("Actors", (), {"held": [held], "end": staticmethod(end), "ready": staticmethod(ready)})()
    driver.close()
    assert ended == [held] and not there.status().running and engine_now(there.db) == {}
