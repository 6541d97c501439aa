"""Keeps what a run was asked with while it waits or runs, so that a restart does not lose it.

One small file a request under HEED_HOME (a signed-in person's in that person's own folder), named by the random token
that stands in the page's address; it goes when the run is over or cancelled. After a restart the page whose address
names it fills its form with it and says so: nothing starts by itself, since nobody may be there any more. The files
hold prompts, as stored runs do; only their owner may read or list them. Nothing is raised where one cannot be written:
the run matters more. Guarded by tests/core/test_waiting_runs.py.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from pathlib import Path

from ..errors import StoreError
from ..people import own_folder
from ..records import Request
from ..seals import with_seal, without_seal
from ..store.run_files import write_file
from ..store.serialise import from_plain, to_plain

WAITING_FOLDER = "waiting"
KEPT_DAYS = 7
"""Days after which nobody is thought to come back for a request."""
MOST_BYTES = 50_000_000
"""A larger file is not read."""


def keep_waiting(token: str, request: Request) -> None:
    """Writes what the run named ``token`` was asked with, and removes what nobody came back for."""
    with suppress(OSError, StoreError):
        path = _file(token)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)  # the names of files open the page that waits for them
        write_file(path, json.dumps(with_seal(to_plain(request)[0])).encode())
        for old in path.parent.iterdir():
            if old.stat().st_mtime < time.time() - KEPT_DAYS * 86400:
                old.unlink(missing_ok=True)


def drop_waiting(token: str) -> None:
    """Removes what was kept for ``token``."""
    with suppress(OSError, StoreError):
        _file(token).unlink(missing_ok=True)


def waiting_request(token: str) -> Request | None:
    """Returns what the run named ``token`` was asked with; None where nothing was kept or it cannot be read."""
    with suppress(OSError, StoreError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        path = _file(token)
        if path.stat().st_size <= MOST_BYTES:
            found = from_plain(without_seal(json.loads(path.read_text("utf-8"))), {})
            return found if isinstance(found, Request) else None
    return None


def _file(token: str) -> Path:
    """Returns the file of a token. Raises StoreError for what is none: an address may hold anything."""
    if not re.fullmatch(r"[0-9a-f]{32}", token):
        raise StoreError("This address names no run: open the page anew.")
    return own_folder() / WAITING_FOLDER / f"{token}.json"
