"""Builds the command that starts a module of Heed in its own process.

It works in a checkout, where the package is ``core``, and installed, where it is ``heed``.

Guarded by tests/core/test_processes.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs ``module`` ("models.fetch_process") of this package with this Python."""
    return [sys.executable, "-m", f"{PACKAGE.name}.{module}", *arguments]


def command_text(*words: str) -> str:
    """The shell command for people to type: ``heed study status``, in a checkout ``python -m core study status``."""
    return " ".join(["heed" if PACKAGE.name == "heed" else f"python -m {PACKAGE.name}", *words])


def module_environment(**more: str) -> dict[str, str]:
    """This process's environment, in which ``module_command`` works from any folder, and ``more``."""
    path = os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path} | more
