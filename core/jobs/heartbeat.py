"""The heartbeat of the workers: what ``heed doctor`` sees of a dashboard whose work has stopped answering.

A process that works writes a file every two seconds: which devices are at work, and for how long each was silent. The
health page of the server says nothing of that, since another thread answers it. The file goes when nothing is left to
do; that of a process that was killed is removed by the next one. Guarded by tests/core/test_heartbeat.py.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import StoreError
from ..probe.time_estimate import duration_text
from ..settings import home_path
from ..store.run_files import write_file
from .job import SILENT_WORKER, Job

HEARTBEATS = "heartbeats"
STALE = 120.0
"""Seconds after which a heartbeat counts as stopped."""


def beat(serving: Sequence[Job]) -> None:
    """Writes which jobs the workers of this process have in hand; removes the file where there is none."""
    with suppress(OSError, StoreError):
        folder = home_path() / HEARTBEATS
        path = folder / f"{os.getpid()}.json"
        if not serving:
            path.unlink(missing_ok=True)
            return
        folder.mkdir(parents=True, exist_ok=True)
        silent = {job.device: round(job.silent, 1) for job in serving}
        write_file(path, json.dumps({"written": time.time(), "silent": silent}).encode())
        for other in folder.glob("*.json"):
            if not _lives(other):
                other.unlink(missing_ok=True)


def heartbeat_problems() -> list[str]:
    """Returns what is wrong with the dashboards that work in this home, one sentence each with the remedy."""
    found = []
    for path in sorted((home_path() / HEARTBEATS).glob("*.json")):
        try:
            kept = json.loads(path.read_text("utf-8"))
            age, silent = (
                abs(time.time() - float(kept["written"])),
                {str(k): float(v) for k, v in kept["silent"].items()},
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue  # it was removed meanwhile, or says nothing
        if not _lives(path):
            continue
        if age > STALE:
            found.append(f"Process {path.stem} of Heed stopped answering {duration_text(age)} ago: restart it.")
        for device, seconds in silent.items():
            if age <= STALE and seconds >= SILENT_WORKER:
                about = duration_text(seconds)
                found.append(
                    f"The worker of {device} in process {path.stem} has not answered for {about}: restart Heed."
                )
    return found


def _lives(path: Path) -> bool:
    from psutil import pid_exists

    return path.stem.isdigit() and pid_exists(int(path.stem))
