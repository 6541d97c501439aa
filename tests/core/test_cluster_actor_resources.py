"""Tests what an actor takes of a cluster."""

import pytest

from core.cluster import actor_resources as resources
from core.cluster.actor_resources import PROCESS, ClusterSize, actor_resources, gpu_share, most_actors
from core.cluster.gpu_memory import MEBIBYTE, node_gpu_bytes
from core.errors import StoreError

GB = 10**9


@pytest.fixture(autouse=True)
def two_gigabytes(monkeypatch):
    class Known:
        need = 2 * GB

    monkeypatch.setattr(resources, "estimate_load", lambda name: Known)


def test_cores_are_shared_and_never_more_than_a_node_has():
    size = ClusterSize(((8.0, 0.0, 16 * GB), (4.0, 0.0, 16 * GB)))
    assert (size.cpus, size.gpus, size.memory) == (12.0, 0.0, 32 * GB)
    taken = actor_resources("m", size, 4)
    assert (taken.cpus, taken.threads, taken.gpus, taken.memory) == (3.0, 3, 0.0, PROCESS + 2 * GB)
    assert actor_resources("m", size, 1).cpus == 8.0


def test_more_actors_than_cores_take_a_share_of_one_and_one_thread():
    taken = actor_resources("m", ClusterSize(((2.0, 0.0, 16 * GB),)), 4)
    assert (taken.cpus, taken.threads) == (0.5, 1)
    assert actor_resources("m", ClusterSize(((2.0, 0.0, 16 * GB),)), 100).cpus == 0.1


def test_beside_a_gpu_the_weights_take_no_memory_of_the_machine():
    size = ClusterSize(((16.0, 2.0, 2 * GB),))
    assert actor_resources("m", size, 2) == resources.ActorResources(8.0, 1.0, PROCESS)
    assert actor_resources("m", size, 4, cpus=2, gpus=0.5) == resources.ActorResources(2, 0.5, PROCESS)


@pytest.mark.parametrize(
    ("size", "more"),
    [
        (ClusterSize(((8.0, 0.0, 1 * GB), (8.0, 0.0, 2 * GB))), {}),
        (ClusterSize(((8.0, 0.0, 16 * GB),)), {"gpus": 1.0}),
        (ClusterSize(((8.0, 0.0, 16 * GB),)), {"cpus": 9.0}),
        (ClusterSize(()), {}),
    ],
)
def test_a_model_that_fits_on_no_node_is_told_with_what_there_is(size, more):
    with pytest.raises(StoreError, match="No node has room for m"):
        actor_resources("m", size, 1, **more)


def test_models_share_a_gpu_whose_memory_is_known():
    """2 GB of weights, as much again for their work, and a context, on 24 GB: 0.196, so 0.2 of it."""
    size = ClusterSize(((16.0, 2.0, 32 * GB), (16.0, 1.0, 32 * GB)), gpu_bytes=24 * GB)
    assert gpu_share("m", size) == 0.2 and most_actors("m", size) == 15
    assert actor_resources("m", size, 15) == resources.ActorResources(2.0, 0.2, PROCESS)
    assert most_actors("m", size, actors=2) == 2 and gpu_share("m", size, 0.5) == 0.5
    assert most_actors("m", size, gpus=0) == 16, "one for every two cores"
    assert gpu_share("m", ClusterSize(((16.0, 2.0, 32 * GB),), gpu_bytes=4 * GB)) == 1.0
    assert gpu_share("m", ClusterSize(((16.0, 2.0, 32 * GB),))) == 1.0, "a GPU that does not tell"
    assert gpu_share("m", ClusterSize(((16.0, 0.0, 32 * GB),), gpu_bytes=4 * GB)) == 0.0
    assert most_actors("m", ClusterSize(((16.0, 2.0, 32 * GB),)), gpus=2) == 1, "Ray gives whole GPUs beyond one"


def test_a_machine_tells_its_smallest_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert node_gpu_bytes() == 0
    told = tmp_path / "nvidia-smi"
    for text, found in (("81559\n24576\n", 24576 * MEBIBYTE), ("No devices were found\n", 0), ("", 0)):
        told.write_text(f"#!/bin/sh\nprintf '{text}'\n", "utf-8")
        told.chmod(0o755)
        assert node_gpu_bytes() == found
