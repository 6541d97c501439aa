"""What one actor takes of a cluster: cores, share of a GPU, memory; from its model and the nodes.

Guarded by tests/core/test_cluster_actor_resources.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import HeedError, StoreError
from ..models.load_estimate import estimate_load
from ..models.memory_estimate import size_text

PROCESS = 700_000_000
"""Bytes of a Python process that has imported torch and transformers, and works."""
GPU_CONTEXT = 700_000_000
"""Bytes that a process takes of a GPU before it holds anything."""
WORKING = 2.0
"""Memory of a model at work beside that of its weights: cache, rows and one pass of a batch."""
STEP = 0.05
"""Shares of a GPU are whole multiples of this."""


@dataclass(frozen=True)
class ClusterSize:
    """The nodes of a cluster, each as (cores, GPUs, bytes of memory)."""

    nodes: tuple[tuple[float, float, int], ...]
    gpu_bytes: int = 0
    """Memory of the smallest GPU; 0 where it is not known."""

    @property
    def cpus(self) -> float:
        """All cores."""
        return sum(cpus for cpus, _, _ in self.nodes)

    @property
    def gpus(self) -> float:
        """All GPUs."""
        return sum(gpus for _, gpus, _ in self.nodes)

    @property
    def memory(self) -> int:
        """Bytes of memory of all nodes."""
        return sum(memory for _, _, memory in self.nodes)


@dataclass(frozen=True)
class ActorResources:
    """What Ray is asked to keep free for one actor."""

    cpus: float
    gpus: float
    memory: int
    """Bytes."""

    @property
    def threads(self) -> int:
        """Threads of its model."""
        return max(1, math.floor(self.cpus))


def gpu_share(model: str, size: ClusterSize, gpus: float | None = None) -> float:
    """Returns how much of a GPU an actor of ``model`` takes: ``gpus`` where given, none where the cluster has none.

    Else the memory of the weights and of its work over that of the smallest GPU, in steps of STEP; a whole GPU where
    either is not known.
    """
    if gpus is not None:
        return gpus
    if not size.gpus:
        return 0.0
    weights = _weights(model)
    if not (weights and size.gpu_bytes):
        return 1.0
    return min(1.0, round(STEP * math.ceil((GPU_CONTEXT + WORKING * weights) / size.gpu_bytes / STEP), 2))


def most_actors(model: str, size: ClusterSize, actors: int | None = None, gpus: float | None = None) -> int:
    """Returns how many actors of ``model`` work at a time: ``actors`` where given, else as many as its share of GPUs
    allows, else one for every two cores."""
    share = gpu_share(model, size, gpus)
    room = sum(math.floor(round(has / share, 6)) for _, has, _ in size.nodes) if share else int(size.cpus // 2)
    return max(1, actors or room)


def actor_resources(
    model: str, size: ClusterSize, actors: int, cpus: float | None = None, gpus: float | None = None
) -> ActorResources:
    """Returns what an actor of ``model`` takes where up to ``actors`` work at a time; ``cpus``, ``gpus`` as given.

    Else the cores are shared among the actors, none below a tenth, and of a GPU each takes ``gpu_share``. Memory is
    that of the weights (none beside a GPU's) and the process. Raises StoreError where no node has so much.
    """
    gpus = gpu_share(model, size, gpus)
    largest = max((node[0] for node in size.nodes), default=1.0)
    share = size.cpus / max(actors, 1)
    cpus = min(largest, float(math.floor(share)) if share >= 1 else max(0.1, round(share, 2))) if cpus is None else cpus
    memory = PROCESS + (0 if gpus else _weights(model))
    if not any(c >= cpus and g >= gpus and m >= memory for c, g, m in size.nodes):
        most = ", ".join(f"{c:g} cores, {g:g} GPUs, {size_text(m)}" for c, g, m in size.nodes) or "none"
        raise StoreError(
            f"No node has room for {model}: an actor takes {cpus:g} cores, {gpus:g} GPUs and {size_text(memory)}, and "
            f"the nodes have {most}. Ask for less, or add a node."
        )
    return ActorResources(cpus, gpus, memory)


def _weights(model: str) -> int:
    """Returns the bytes of a model's weights; 0 where they are not known here: its actor says what is wrong."""
    try:
        return estimate_load(model).need
    except HeedError:
        return 0
