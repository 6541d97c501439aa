"""What one actor of a study takes of a cluster: cores, share of a GPU, memory; from its model and the nodes.

Guarded by tests/core/test_study_actor_resources.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import HeedError, StoreError
from ..models.load_estimate import estimate_load
from ..models.memory_estimate import size_text

PROCESS = 700_000_000
"""Bytes of a Python process that has imported torch and transformers, and works."""


@dataclass(frozen=True)
class ClusterSize:
    """The nodes of a cluster, each as (cores, GPUs, bytes of memory)."""

    nodes: tuple[tuple[float, float, int], ...]

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


def actor_resources(
    model: str, size: ClusterSize, actors: int, cpus: float | None = None, gpus: float | None = None
) -> ActorResources:
    """Returns what an actor of ``model`` takes where up to ``actors`` work at a time; ``cpus``, ``gpus`` as given.

    Else the cores are shared among the actors, none below a tenth, and each takes one GPU where there are any. Memory
    is that of the weights (none beside a GPU's) and the process. Raises StoreError where no node has so much.
    """
    gpus = (1.0 if size.gpus else 0.0) if gpus is None else gpus
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
