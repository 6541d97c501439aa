"""What a Ray cluster has and what of it is free, asked by a process of its own: a server that looks does not join it.

Guarded by tests/core/test_cluster_look.py.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass

from ..errors import StoreError
from ..models.memory_estimate import size_text
from ..processes import module_command, module_environment
from .ray_connection import cluster_size, connected

PATIENCE = 60.0
"""Seconds within which the cluster must answer."""


@dataclass(frozen=True)
class ClusterLook:
    """A cluster at one moment."""

    nodes: int
    cpus: float
    free_cpus: float
    gpus: float
    free_gpus: float
    memory: int
    """Bytes."""
    free_memory: int

    @property
    def text(self) -> str:
        """One line for display."""
        nodes = f"{self.nodes} {'node' if self.nodes == 1 else 'nodes'}"
        gpus = f"{self.free_gpus:g} of {self.gpus:g} GPUs free" if self.gpus else "no GPU"
        memory = f"{size_text(self.free_memory)} of {size_text(self.memory)} of memory free"
        return f"{nodes} · {self.free_cpus:g} of {self.cpus:g} cores free · {gpus} · {memory}"


def cluster_look(address: str) -> ClusterLook:
    """Connects to the cluster and returns what it has. Raises StoreError where it cannot be reached."""
    with connected(address) as ray:
        size, free = cluster_size(ray), ray.available_resources()
    return ClusterLook(
        len(size.nodes), size.cpus, float(free.get("CPU", 0)), size.gpus, float(free.get("GPU", 0)), size.memory,
        int(free.get("memory", 0)),
    )  # fmt: skip


def look_from_outside(address: str) -> ClusterLook:
    """Returns ``cluster_look`` of a process that ends after it. Raises StoreError with what that said."""
    silent = f"The Ray cluster at {address!r} did not answer: look whether it runs."
    line = module_command("study", "cluster", "--address", address, "--json")
    try:
        done = subprocess.run(
            line, env=module_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise StoreError(silent) from error
    said = done.stdout.strip().splitlines()
    if done.returncode or not said:
        raise StoreError(said[-1] if said else silent)
    return ClusterLook(**json.loads(said[-1]))


def look_text(look: ClusterLook, as_json: bool) -> str:
    """Returns what the shell prints."""
    return json.dumps(asdict(look)) if as_json else look.text
