"""The shell's options that say where work runs. Guarded by tests/core/test_cluster_engine_options.py."""

from __future__ import annotations

import argparse

from ..errors import PromptError
from .ray_connection import RayEngine


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Adds --engine, --address, --cpus and --gpus; --workers is the caller's."""
    parser.add_argument("--engine", choices=("processes", "ray"), default="processes", help="where it runs")
    parser.add_argument("--address", default="", help="of a Ray cluster, e.g. auto; without it Ray starts here")
    parser.add_argument("--cpus", type=float, help="cores of each Ray actor")
    parser.add_argument("--gpus", type=float, help="GPUs, or the share of one, of each Ray actor")


def asked_engine(options: argparse.Namespace) -> RayEngine | None:
    """Returns the engine that was asked for; None: processes of this machine. Raises PromptError for half a choice."""
    if options.workers is not None and options.workers < 1:
        raise PromptError("--workers must be at least 1: leave it out for the number that suits.")
    if options.engine == "ray":
        return RayEngine(options.address, options.workers, options.cpus, options.gpus)
    if options.address or options.cpus is not None or options.gpus is not None:
        raise PromptError("--address, --cpus and --gpus are for --engine ray: add that, or leave them out.")
    return None
