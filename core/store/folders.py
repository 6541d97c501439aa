"""The folders of runs: that of one run, and that of them all.

A run that the viewer may not see lies, for everything that reads, in a folder that never exists: it is as if it were
not stored. Guarded by tests/core/test_store_runs.py and, for who may see what, tests/core/test_store_people.py.
"""

from __future__ import annotations

from pathlib import Path

from .. import people, settings
from ..errors import StoreError

NOWHERE = ".hidden"


def run_folder(run_id: str) -> Path:
    """Returns the folder of the run of this id, whether or not it exists; of one that may not be seen it does not."""
    root = settings.home_path() / "runs"
    return root / run_id if people.may_see("run", run_id) else root / NOWHERE / run_id


def runs_folder() -> Path:
    """Returns the folder of all runs, created and checked for writing. Raises StoreError."""
    root = settings.home() / "runs"
    try:
        root.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(settings.unwritable_sentence(root, error)) from error
    return root
