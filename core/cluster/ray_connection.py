"""Connects to a Ray cluster, or starts Ray on this machine, and says what nodes there are.

Guarded by tests/core/test_cluster_real_ray.py.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import PromptError, StoreError
from ..processes import PACKAGE, module_environment
from .actor_resources import ClusterSize
from .gpu_memory import smallest_gpu

MOST_ACTORS = 10_000
NICE = "10"
"""How far actors that are started here stand behind pages: as far as work without Ray, not the 15 of Ray."""
PATIENCE = 10.0
"""Seconds within which a machine must take a connection."""
INSTALL = "Ray is not installed here: pip install -r requirements-cluster.txt."


@dataclass(frozen=True)
class RayEngine:
    """Where work runs on Ray, and what each actor takes of it; None: from the model and what the cluster has."""

    address: str = ""
    """Of a cluster (``auto``, ``HOST:6379``); "" starts Ray on this machine."""
    actors: int | None = None
    """Most actors at a time."""
    cpus: float | None = None
    """Processor cores of each actor."""
    gpus: float | None = None
    """Share of a GPU, or GPUs, of each actor."""

    def __post_init__(self) -> None:
        """Raises PromptError for what no actor can take."""
        if self.actors is not None and not 1 <= self.actors <= MOST_ACTORS:
            raise PromptError(f"The actors (--workers) must be from 1 to {MOST_ACTORS:,}, not {self.actors:,}.")
        if self.cpus is not None and not 0 < self.cpus < math.inf:
            raise PromptError(f"The cores of an actor (--cpus) must be above 0, not {self.cpus:g}.")
        if self.gpus is not None and not (0 <= self.gpus <= 1 or (1 < self.gpus < math.inf and self.gpus % 1 == 0)):
            raise PromptError(
                f"The GPUs of an actor (--gpus) must be a share from 0 to 1 or a whole number, not {self.gpus:g}."
            )


def ray_is_installed() -> bool:
    """Returns whether Ray can be imported here; it is in requirements-cluster.txt."""
    return importlib.util.find_spec("ray") is not None


@contextmanager
def connected(address: str = "") -> Iterator[Any]:
    """Connects to a cluster, or starts Ray on this machine, and leaves it at the end; yields the module ``ray``.

    A connection that is there already is used and left open. Raises StoreError with the remedy.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to the makers of Ray
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "error")  # an address that does not answer is told once, in words
    try:
        import ray
    except ImportError as error:
        raise StoreError(INSTALL) from error
    if ray.is_initialized():
        yield ray
        return
    _check_listens(address)
    code: dict[str, Any] = {"env_vars": {"PYTHONPATH": module_environment()["PYTHONPATH"]}}
    os.environ.setdefault("RAY_worker_niceness", NICE)
    os.environ.setdefault("RAY_prestart_worker_first_driver", "0")  # a process a core that no actor of Heed would use
    if address:  # the code travels, unless it is installed there
        code = {"py_modules": [str(PACKAGE)]} if PACKAGE.name == "core" else {}
    local: dict[str, Any] = {} if address else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(
            address=address or "local", log_to_driver=False, logging_level=logging.ERROR, runtime_env=code, **local
        )
    except Exception as error:  # ConnectionError, RuntimeError, ValueError, or of gRPC
        raise _unreachable(address, error) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_listens(address: str) -> None:
    """Raises StoreError where nothing listens at an address of a host and port: Ray itself tries for minutes."""
    given = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    host, _, port = given.rpartition("//")[2].rpartition(":")
    if not (host and port.isdecimal()):
        return  # Ray looks itself, or says what is wrong with it
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise _unreachable(given, error) from error


def _unreachable(address: str, error: Exception) -> StoreError:
    where = f"The Ray cluster at {address!r}" if address else "Ray on this machine"
    said = next(iter(str(error).splitlines()), type(error).__name__)[:200].rstrip(".")
    return StoreError(
        f"{where} cannot be reached ({said}): start it with `ray start --head`, or give the address that it printed."
    )


def cluster_size(ray: Any) -> ClusterSize:
    """Returns the living nodes of the cluster with what they have."""
    alive = [node for node in ray.nodes() if node["Alive"]]
    resources = [node["Resources"] for node in alive]
    with_gpus = [node["NodeID"] for node, has in zip(alive, resources, strict=True) if has.get("GPU")]
    return ClusterSize(
        tuple((float(n.get("CPU", 0)), float(n.get("GPU", 0)), int(n.get("memory", 0))) for n in resources),
        smallest_gpu(ray, tuple(sorted(with_gpus))),
    )
