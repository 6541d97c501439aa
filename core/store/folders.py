"""The folders of runs: that of one run, and that of them all. Guarded by tests/core/test_store_runs.py."""

from __future__ import annotations

from pathlib import Path

from .. import settings
from ..errors import StoreError


def run_folder(run_id: str) -> Path:
    """Returns the folder of the run of this id, whether or not it exists."""
    return settings.home_path() / "runs" / run_id


def runs_folder() -> Path:
    """Returns the folder of all runs, created and checked for writing. Raises StoreError."""
    root = settings.home() / "runs"
    try:
        root.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(settings.unwritable_sentence(root, error)) from error
    return root
