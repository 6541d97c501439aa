"""Tests what the driver of a study on Ray decides: whose cells fail, who is left out, what is freed. Ray is made up.

On a real Ray: tests/core/test_cluster_real_ray.py.
"""

import socket
import sys

import pytest

from core.cluster.ray_connection import RayEngine, connected
from core.errors import StoreError
from core.study import Study, ray_engine
from core.study.ledger import Ledger
from core.study.ray_actor import sent_together
from core.study.ray_engine import engine_now
from tests.core import models_made_up, study_tiny
from tests.core.ray_compared import numbers
from tests.core.ray_made_up import MadeUpRay

ON_BOTH = RayEngine("auto", actors=2, cpus=1)


@pytest.fixture
def made_up(monkeypatch):
    """A Ray of two nodes with one core each."""
    made = MadeUpRay()
    monkeypatch.setitem(sys.modules, "ray", made)
    return made


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
def model(models):
    return models[0]


@pytest.fixture
def study(model, tmp_path, monkeypatch):
    """Begins a study in a home of its own, of the first model where nothing else is said."""

    def begin(count, name="home", **more):
        monkeypatch.setenv("HEED_HOME", str(tmp_path / name))
        fields = {"structures": ("instruction_first",), "effects": True, "max_new_tokens": 2}
        return Study(study_tiny.plan(model, count, **fields | more))

    return begin


def test_of_two_models_the_numbers_are_those_of_this_process(made_up, study, models, monkeypatch):
    monkeypatch.setattr(ray_engine, "TICK", 0.0)
    seen = []

    def look():
        seen.append((engine_now(there.db).get("running", 0), there.status().done))
        return False

    more = {"models": tuple(models), "steering": {"instruction": [0.5]}}
    here, there = study(9, "here", **more), study(9, "there", **more)
    here.run(1)
    expected = numbers(here)
    status = there.run(engine=ON_BOTH, cancelled=look)
    assert status.over and not status.failed
    assert numbers(there) == expected and len(expected) == 36
    assert max(running for running, _ in seen) > 1 and all(running <= 36 - done for running, done in seen)
    assert {actor.made._name for actor in made_up.actors} == set(models)
    assert {actor.node for actor in made_up.actors} == {"first", "second"} and engine_now(there.db) == {}


def test_what_cannot_be_run_keeps_its_reason_and_leaves_the_others_alone(made_up, study, model, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}", "utf-8")
    (broken / "model.safetensors").write_bytes(b"")
    there = study(2, models=(model, str(broken)), max_new_tokens=5000)
    status = there.run(engine=ON_BOTH)
    assert status.over and status.failed == 4 and len(status.reasons) > 1
    assert any("damaged" in why for why in status.reasons)
    assert made_up.actors and all(actor.gone for actor in made_up.actors)


@pytest.fixture
def other_versions(monkeypatch):
    """Gives the nodes that are to say that they have other versions; returns a list of the nodes where one loaded."""
    run, loaded = ray_engine.run_on_ray, []

    def on(*nodes):
        class OtherActor(ray_engine.ModelActor):
            def load(self):
                found = super().load()
                loaded.append(found["node"])
                return found | {"versions": (("torch", "0.0"),)} if found["node"] in nodes else found

        monkeypatch.setattr(ray_engine, "run_on_ray", lambda *given: run(*given, actor=OtherActor))
        return loaded

    return on


def test_other_versions_are_not_let_beside(made_up, study, other_versions):
    other_versions("first", "second")
    status = study(1).run(engine=RayEngine("auto", 1, 1))
    assert status.failed == 1 and "other versions" in next(iter(status.reasons))


def test_a_node_with_other_versions_is_left_out_and_the_rest_goes_on(made_up, study, other_versions):
    there, loaded = study(20), other_versions("second")
    status = there.run(engine=ON_BOTH)
    assert status.over and not status.failed and status.done == 20
    assert set(loaded) == {"first", "second"} and engine_now(there.db) == {}


def test_actors_that_still_load_when_nothing_is_left_are_ended_at_once(made_up, study, other_versions, monkeypatch):
    monkeypatch.setattr(made_up, "wait", lambda waiting, num_returns, timeout: (waiting[:1], waiting[1:]))
    there, loaded = study(20), other_versions()
    status = there.run(engine=ON_BOTH)
    assert status.over and status.done == 20 and len(made_up.actors) == 2
    assert loaded == ["first"] and all(actor.gone for actor in made_up.actors)


def test_a_model_for_which_no_node_has_room_is_told_before_anything_runs(made_up, study):
    there = study(1)
    with pytest.raises(StoreError, match="No node has room"):
        there.run(engine=RayEngine("auto", cpus=64))
    assert there.status().waiting == 1 and not made_up.actors


def test_a_model_for_which_no_node_has_room_leaves_the_others_alone(made_up, study, models, monkeypatch):
    small, large = models
    monkeypatch.setattr("core.cluster.actor_resources._weights", lambda model: 10**11 if model == large else 0)
    there = study(20, models=(large, small))
    with pytest.raises(StoreError, match=f"No node has room for {large}"):
        there.run(engine=ON_BOTH)
    left = there.db.execute("SELECT model, state, count(*) FROM cells GROUP BY model, state").fetchall()
    assert {tuple(row) for row in left} == {(small, "done", 20), (large, "waiting", 20)}
    assert there.status().waiting == 20


def test_a_place_that_one_model_cannot_take_is_taken_by_another(made_up, study, models, monkeypatch):
    many, few = models
    run, seen = ray_engine.run_on_ray, []

    class OtherFiles(ray_engine.ModelActor):
        def load(self):
            seen.append((self._name, there.status().by_model[many].waiting))
            other = {"fingerprint": "other"} if (self._name, made_up.here) == (many, "second") else {}
            return super().load() | other

    monkeypatch.setattr(ray_engine, "run_on_ray", lambda *given: run(*given, actor=OtherFiles))
    monkeypatch.setattr(ray_engine, "TICK", 0.0)
    there = study(60, models=(many, few))
    there.db.execute("UPDATE cells SET state = 'failed' WHERE model = ? AND number % 4", [few])
    assert there.run(engine=ON_BOTH).over
    refused, after = [left for name, left in seen if name == many][1], [left for name, left in seen if name == few][0]
    assert after == refused > 15, "not only when less is left of the model with many runs"


def test_what_a_killed_driver_had_sent_out_is_run_also_where_that_was_all_that_is_left(made_up, study):
    there = study(3)
    ended = Ledger(there.folder)
    while ended.claim(there.plan.models[0]):
        pass
    there.db.execute("UPDATE cells SET owner = ?", [f"{socket.gethostname()} 1 0 ended"])
    assert there.run(engine=ON_BOTH).over and there.status().done == 3


def test_without_ray_and_without_a_cluster_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(StoreError, match=r"requirements-cluster\.txt"), connected():
        pass


def test_outcomes_that_come_at_once_are_sent_together_and_slow_ones_at_once():
    assert list(sent_together(range(20), soon=3600)) == [[0], [*range(1, 9)], [*range(9, 17)], [17, 18, 19]]
    assert list(sent_together(range(3), soon=-1)) == [[0], [1], [2]]
    assert list(sent_together([])) == []


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
