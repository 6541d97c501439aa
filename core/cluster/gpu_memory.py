"""Asks the nodes of a Ray cluster how much memory their GPUs have.

Ray counts GPUs and does not know their size; ``nvidia-smi`` tells it without taking one. Guarded by
tests/core/test_cluster_actor_resources.py.
"""

from __future__ import annotations

import subprocess
from typing import Any

PATIENCE = 20.0
"""Seconds that a node gets to tell."""
MEBIBYTE = 2**20
_TOLD: dict[str, int] = {}
"""{node: bytes of its smallest GPU, 0 where it did not tell}: a node's GPUs do not change."""


def smallest_gpu(ray: Any, nodes: tuple[str, ...]) -> int:
    """Returns the bytes of the smallest GPU on ``nodes``, ids of nodes that have some; 0 where one does not tell."""
    new = [node for node in nodes if node not in _TOLD]
    if new:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ask = ray.remote(node_gpu_bytes)
        asked = {
            node: ask.options(
                num_cpus=0, max_retries=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
            ).remote()
            for node in new
        }
        ready, _ = ray.wait(list(asked.values()), num_returns=len(asked), timeout=PATIENCE)
        for node, answer in asked.items():
            try:
                _TOLD[node] = ray.get(answer) if answer in ready else 0
            except ray.exceptions.RayError:
                _TOLD[node] = 0
    return min((_TOLD[node] for node in nodes), default=0)


def node_gpu_bytes() -> int:
    """Returns the memory of the smallest GPU of this machine, in bytes; 0 where ``nvidia-smi`` does not tell."""
    line = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(line, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
        return min(int(number) for number in told.split()) * MEBIBYTE
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0
