"""Imports the example runs that come with Heed into the store, on the first visit.

They are files of ``run_to_json``, made by a script in the repository from the real model. Guarded by
tests/core/test_store_json_files.py.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from ..errors import StoreError
from ..people import share_with_all, viewer, viewing
from ..records import Trace
from .json_files import run_from_json
from .read import has_run, run_origin
from .run_files import OWN
from .write import save_run

LOG = logging.getLogger("heed")


def import_examples(folder: Path | str) -> list[str]:
    """Stores each ``*.json`` of ``folder`` that is missing; returns the ids in order of file name.

    Where people sign in they are everybody's. A file that cannot be read is logged and left out. Raises StoreError
    where the store cannot be written.
    """
    ids, signed_in = [], viewer() is not None
    with viewing(None):
        for example in _examples(folder):
            if run_origin(example.id) != OWN:  # missing, or opened from a file by somebody: these are Heed's own
                save_run(example)
            if signed_in:
                share_with_all("run", example.id)
            ids.append(example.id)
    return ids


def stored_examples(folder: Path | str) -> list[str]:
    """Returns the ids of the examples of ``folder`` that are stored; writes nothing."""
    return [example.id for example in _examples(folder) if has_run(example.id)]


def _examples(folder: Path | str) -> Iterator[Trace]:
    for path in sorted(Path(folder).glob("*.json")):
        try:
            yield _example(path, path.stat().st_mtime_ns)
        except (StoreError, OSError):
            LOG.warning("The example %s cannot be read.", path, exc_info=True)


@lru_cache(maxsize=16)
def _example(path: Path, _changed: int) -> Trace:
    """Reads an example once: they are asked for by many pages, and unpacking one takes as long as storing it."""
    return run_from_json(path.read_bytes())
