"""Tests leagues of methods on a real Ray: the same league as in this process, and what is lost with an actor."""

import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from core.cluster.ray_connection import RayEngine, connected
from core.errors import Cancelled, ModelError, StoreError
from core.models.load import load_model
from core.trust.measure_league import measure_league, measure_league_by
from core.trust.measure_on_ray import PromptActor, measurer_on_ray
from core.trust.measurement import read_measurement
from tests.core import models_made_up, probe_made_up
from tests.core.test_trust_league import PROMPTS

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
TWO = RayEngine(actors=2, cpus=1)


@pytest.fixture(scope="module", autouse=True)
def local_ray():
    """Ray on this machine, for all tests here."""
    with connected():
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The name of a tiny model."""
    return str(models_made_up.save_model(tmp_path_factory.mktemp("models") / "llama", probe_made_up.random("llama")))


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))


def _here(model, folder):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return measure_league(load_model(model), PROMPTS, folder=folder)
    finally:
        torch.set_num_threads(threads)


def _on_ray(model, folder, actor=PromptActor, **more):
    with measurer_on_ray(model, TWO, len(PROMPTS), actor=actor) as measurer:
        return measure_league_by(measurer, PROMPTS, folder=folder, **more)


class PlainActor(PromptActor):
    """Scores in the model's own precision, as the league in this process."""

    def load(self):
        found = super().load()
        self._scorer = self._model
        return found | {"scored_in": self._model.key.dtype}


def _actors():
    import psutil

    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any("ray::PlainActor" in word for word in process.info["cmdline"] or ()):
            found.append(process)
    return found


def _same(one, other):
    pd.testing.assert_frame_equal(one.scores, other.scores, check_exact=True)
    assert one.fingerprint == other.fingerprint and one.model == other.model
    assert one.facts["scored_in"] == other.facts["scored_in"] and one.facts["left_out"] == other.facts["left_out"] == 1
    np.testing.assert_array_equal(one.weights.weights, other.weights.weights)


def test_on_ray_the_league_is_that_of_this_process(model, home, tmp_path):
    here = _here(model, tmp_path / "here")
    there = _on_ray(model, tmp_path / "there", PlainActor)
    _same(there, here)
    for path in sorted((tmp_path / "here").glob("*.npz")):
        one, other = read_measurement(path), read_measurement(tmp_path / "there" / path.name)
        np.testing.assert_array_equal(one.logprob, other.logprob)
        assert list(one.values) == list(other.values)
    assert not _actors()


def test_an_actor_that_is_killed_costs_the_prompt_that_was_on_it(model, home, tmp_path):
    killed = []

    def kill(fraction, text, stream=None):
        if fraction and fraction > 0.2 and not killed:
            for process in _actors():
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)

    there = _on_ray(model, tmp_path / "there", PlainActor, progress=kill)
    assert killed
    _same(there, _here(model, tmp_path / "here"))


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
    there = _on_ray(model, tmp_path / "there", HalfActor)
    assert (Path(model).parent / "first").exists() and there.prompts == len(PROMPTS) - 1


def test_a_stopped_league_goes_on_and_measures_nothing_twice(model, home, tmp_path):
    told = []
    with pytest.raises(Cancelled):
        _on_ray(model, tmp_path, progress=lambda *said: told.append(said), cancelled=lambda: len(told) > 4)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    assert 1 <= len(kept) < len(PROMPTS) - 1
    _on_ray(model, tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == len(PROMPTS) - 1
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())


def test_a_model_that_cannot_be_loaded_and_a_cluster_without_room_are_told(model, home, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}", "utf-8")
    (broken / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="damaged"), measurer_on_ray(str(broken), TWO, 2):
        pass
    with pytest.raises(StoreError, match="No node has room"), measurer_on_ray(model, RayEngine(cpus=64), 2):
        pass
