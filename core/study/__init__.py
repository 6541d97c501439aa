"""From items to a table of runs: Item -> laid-out prompts -> cells -> Digest -> row. Lazy: no torch at import.

``Plan`` says what is run, ``Study`` runs it in a SQLite file and reads it back, ``python -m core.study`` does both
from a shell. ``STRUCTURES`` are the ways to lay out a prompt, the suites are built-in items.
"""

from typing import Any

from core.lazy import lookup

_WHERE = {
    "TASKS": "core.study.items",
    "Example": "core.study.items",
    "suite": "core.study.items",
    "examples": "core.study.items",
    "read_items": "core.study.reading",
    "guess_mapping": "core.study.reading",
    "propose_segments": "core.study.splitting",
    "STRUCTURES": "core.study.structures",
    "lay_out": "core.study.structures",
    "possible": "core.study.structures",
    "check_template": "core.study.structures",
    "Plan": "core.study.plan",
    "baseline": "core.study.plan",
    "estimate": "core.study.estimating",
    "Study": "core.study.study",
    "studies": "core.study.study",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    return lookup(__name__, _WHERE, name)


def __dir__() -> list[str]:
    return sorted(__all__)
