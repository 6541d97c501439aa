"""Tests leagues of methods on a made-up Ray: the same league as in this process, who is refused, what a stop keeps.

On a real Ray: tests/core/test_cluster_real_ray.py.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

from core.cluster.ray_connection import RayEngine
from core.errors import Cancelled, ModelError, StoreError
from core.trust.measure_on_ray import measurer_on_ray
from core.trust.measurement import read_measurement
from tests.core import models_made_up, probe_made_up
from tests.core.ray_compared import PlainActor, league_here, league_on_ray, same_league
from tests.core.ray_made_up import MadeUpRay
from tests.core.test_trust_league import PROMPTS

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    """A Ray of two nodes with one core each."""
    made = MadeUpRay()
    monkeypatch.setitem(sys.modules, "ray", made)
    return made


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The name of a tiny model."""
    return str(models_made_up.save_model(tmp_path_factory.mktemp("models") / "llama", probe_made_up.random("llama")))


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))


def test_the_league_of_two_actors_is_that_of_this_process(model, home, made_up, tmp_path):
    here = league_here(model, PROMPTS, tmp_path / "here")
    there = league_on_ray(model, PROMPTS, tmp_path / "there", 2, PlainActor)
    same_league(there, here)
    for path in sorted((tmp_path / "here").glob("*.npz")):
        one, other = read_measurement(path), read_measurement(tmp_path / "there" / path.name)
        np.testing.assert_array_equal(one.logprob, other.logprob)
        assert list(one.values) == list(other.values)
    assert len(made_up.actors) == 2 and all(actor.gone for actor in made_up.actors)


class HalfActor(PlainActor):
    """The first one that loads has other versions."""

    def load(self):
        found = super().load()
        try:
            (Path(self._name).parent / "first").touch(exist_ok=False)
        except FileExistsError:
            return found
        return found | {"versions": (("torch", "0.0"),)}


def test_an_actor_that_is_refused_first_ends_nothing_while_another_may_do(model, home, tmp_path):
    there = league_on_ray(model, PROMPTS, tmp_path / "there", 2, HalfActor)
    assert (Path(model).parent / "first").exists() and there.prompts == len(PROMPTS) - 1


def test_a_stopped_league_goes_on_and_measures_nothing_twice(model, home, tmp_path):
    told = []
    with pytest.raises(Cancelled):
        league_on_ray(
            model, PROMPTS, tmp_path, 2, progress=lambda *said: told.append(said), cancelled=lambda: len(told) > 4
        )
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    assert 1 <= len(kept) < len(PROMPTS) - 1
    league_on_ray(model, PROMPTS, tmp_path, 2)
    assert len(list(tmp_path.glob("*.npz"))) == len(PROMPTS) - 1
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())


def test_a_model_that_cannot_be_loaded_and_a_cluster_without_room_are_told(model, home, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}", "utf-8")
    (broken / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="damaged"), measurer_on_ray(str(broken), RayEngine(cpus=1), 2):
        pass
    with pytest.raises(StoreError, match="No node has room"), measurer_on_ray(model, RayEngine(cpus=64), 2):
        pass
