"""How much one signed-in person keeps, and the limit of it: HEED_PERSON_GB.

Runs and studies that two people have count for both; what others share counts for none but them. Asked before work
begins, so that nothing is computed that cannot be kept. Guarded by tests/core/test_store_person_room.py.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from .. import people, settings
from ..errors import StoreError


def person_usage() -> tuple[int, int | None]:
    """Returns (bytes of the viewer's own runs, studies and maps of texts, the limit or None); 0 without sign-in."""
    home = settings.home_path()
    taken = sum(_folder_bytes(home / "runs" / ident) for ident in people.belonging_ids("run"))
    taken += sum(_folder_bytes(home / "studies" / ident) for ident in people.belonging_ids("study"))
    for ident in people.belonging_ids("text"):
        with suppress(OSError):
            taken += (home / "texts" / f"{ident}.maps").stat().st_size
    return taken, settings.person_limit()


def check_person_room() -> None:
    """Raises StoreError, with the remedy, where the viewer keeps as much as one person may."""
    limit = settings.person_limit() if people.viewer() is not None else None
    if limit is not None and (taken := person_usage()[0]) >= limit:
        raise StoreError(
            f"Your runs and studies take {taken / 1e9:.2g} GB of the {limit / 1e9:g} GB that one person may keep here: "
            "delete some on the pages Runs and Study."
        )


def _folder_bytes(folder: Path) -> int:
    with suppress(OSError):
        return sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(folder))
    return 0
