"""Tests how many actors are hired and how many may end, without a cluster: Ray is made up."""

from types import SimpleNamespace

import pytest

from core.cluster import model_actors
from core.cluster.actor_resources import ClusterSize
from core.cluster.model_actors import DEATHS, ModelActors, ModelHolder
from core.cluster.ray_connection import RayEngine
from core.errors import StoreError

GB = 10**9


class MadeUpRay:
    """Hires and ends actors that do nothing."""

    exceptions = SimpleNamespace(RayError=RuntimeError)

    def __init__(self):
        self.killed = []

    def remote(self, kind):
        handle = SimpleNamespace(load=SimpleNamespace(remote=object))
        made = SimpleNamespace(remote=lambda *_: handle)
        return SimpleNamespace(options=lambda **_: made)

    def kill(self, handle):
        self.killed.append(handle)

    def nodes(self):
        return [{}, {}]


@pytest.fixture
def actors(monkeypatch):
    """Makes actors on nodes with these cores each, which ``nodes`` may change."""
    nodes = []
    monkeypatch.setattr(
        model_actors, "cluster_size", lambda ray: ClusterSize(tuple((cpus, 0.0, 64 * GB) for cpus in nodes))
    )

    def made(*cpus, **engine):
        nodes[:] = cpus
        return ModelActors(MadeUpRay(), RayEngine(**engine), ModelHolder), nodes

    return made


def _hired(found, model):
    while found.hire(model):
        pass
    return len(found.held)


def _told(found, held, **more):
    mine = {"node": "n", "host": "two", "why": "", "versions": model_actors.versions(), "fingerprint": "f"}
    return found.refusal(held, mine | {"dtype": "float32", "scored_in": "float32"} | more)


def test_an_actor_whose_model_is_unlike_the_first_one_is_refused(actors):
    found, _ = actors(8.0, actors=4)
    _hired(found, "m")
    held = found.held[0]
    assert _told(found, held, host="one") == "" and _told(found, held) == "" and held.node == "n"
    assert "are others than elsewhere" in _told(found, held, fingerprint="g")
    assert "loaded in bfloat16 on two and in float32 on one" in _told(found, held, dtype="bfloat16")
    assert "m as float32" in _told(found, held, scored_in="bfloat16")
    assert "other versions" in _told(found, held, versions=(("torch", "0.0"),))
    assert _told(found, held, why="It cannot be loaded.") == "It cannot be loaded."


def test_a_node_with_many_actors_may_go_and_the_rest_works_on(actors):
    found, _ = actors(64.0, actors=40)
    assert _hired(found, "m") == 40
    for held in found.held[:30]:
        found.died(held, RuntimeError("node died"))
    assert len(found.held) == 10 and len(found.failures) == 30


def test_actors_that_keep_ending_end_the_work_and_none_is_left_alone(actors):
    found, _ = actors(2.0, actors=1)
    with pytest.raises(StoreError, match="keep ending .no memory"):
        for _ in range(DEATHS + 2):
            assert found.hire("m")
            found.died(found.held[0], RuntimeError("no memory"))
    assert not found.held and len(found.ray.killed) == DEATHS + 2, "one whose call failed lives on: it is ended"


def test_who_was_left_out_takes_no_place_of_another_model(actors):
    found, _ = actors(8.0, actors=3)
    assert _hired(found, "m") == 3
    for _ in range(2):
        assert found.leave_out(found.held[0], "other versions")
    assert not found.hire("m"), "the places of those that were left out stay free"
    found.end(found.held[0])
    assert _hired(found, "other") == 3


def test_one_is_hired_even_where_more_were_left_out_than_there_is_room_now(actors):
    found, nodes = actors(8.0)
    assert _hired(found, "m") == 4
    for _ in range(3):
        found.leave_out(found.held[0], "other versions")
    nodes[:] = [2.0]
    found.died(found.held[0], RuntimeError("node died"))
    assert found.hire("m"), "else who waits for one would wait for ever"


def test_a_model_has_no_room_while_the_node_that_is_large_enough_is_gone(actors):
    found, nodes = actors(8.0, 8.0, actors=2, cpus=4)
    assert found.hire("m")
    nodes[:] = [2.0]
    with pytest.raises(StoreError, match="No node has room for m"):
        found.hire("m")
    assert found.no_room == {"m"} and len(found.held) == 1
    nodes[:] = [2.0, 8.0]
    assert found.hire("m") and len(found.held) == 2 and not found.no_room


def test_after_the_last_good_actor_has_died_a_refused_one_is_not_the_end(actors):
    found, _ = actors(4.0, actors=2)
    assert _hired(found, "m") == 2
    good, other = found.held
    assert _told(found, good) == "" and found.leave_out(other, _told(found, other, why="damaged")) is True
    found.died(good, RuntimeError("killed"))
    tries = 0
    while found.hire("m") and found.leave_out(found.held[0], "damaged"):
        tries += 1
    assert tries == 2 and len(found.held) == 1, "as many as there are nodes, then its cells fail"
