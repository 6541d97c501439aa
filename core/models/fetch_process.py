"""Fetches a model in a process of its own, so that cancelling really ends the download.

``fetch`` starts ``python -m core.models.fetch_process NAME`` and reads one JSON line per step from it: a download, a
check of the hash, a conversion. Cancelling kills the whole process group; the process also ends by itself when the one
that started it dies. With a file lock per model, two callers share one download: the second waits, shows the first
one's progress, and takes over if that one is cancelled. Guarded by tests/core/test_models_fetch_process.py.
"""

from __future__ import annotations

import errno
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from .. import errors
from ..errors import Cancelled, HeedError, ModelError
from ..processes import module_command, module_environment
from ..progress import FetchProgress, IsCancelled
from ..settings import models_path
from . import model_key
from .download_worker import download_model

POLL = 0.1
"""Seconds between two calls of ``cancelled``."""


def fetch(
    name: str,
    progress: FetchProgress | None = None,
    cancelled: IsCancelled | None = None,
    *,
    dtype: str | None = None,
) -> Path:
    """Downloads and converts what is missing of ``name`` and returns its folder, ready to load.

    ``progress(what, done, total)`` in bytes while downloading. Raises ModelError with the remedy (unknown name,
    no network, wrong hash, disk full, gated) or Cancelled; what was downloaded is kept for the next try.
    """
    model_key.locate(name)  # raises for an unknown name before a process is started
    with tempfile.TemporaryFile() as log:
        return _run(name, dtype, log, progress, cancelled)


def _run(
    name: str,
    dtype: str | None,
    log: IO[bytes],
    progress: FetchProgress | None,
    cancelled: IsCancelled | None,
) -> Path:
    command = module_command("models.fetch_process", "--child", name, *([dtype] if dtype else []))
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=module_environment(PYTHONUNBUFFERED="1", HF_HUB_DISABLE_PROGRESS_BARS="1"),
        start_new_session=True,
    )
    lines: queue.Queue[bytes | None] = queue.Queue()
    assert child.stdout is not None and child.stdin is not None
    threading.Thread(target=_pump, args=(child.stdout, lines), daemon=True).start()
    try:
        folder = _follow(lines, progress, cancelled)
        if folder is not None:
            return folder
        raise ModelError(_crash(name, child.wait(), log))
    finally:
        _end(child)


def _pump(stream: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _follow(
    lines: queue.Queue[bytes | None], progress: FetchProgress | None, cancelled: IsCancelled | None
) -> Path | None:
    """Returns the folder that the child reports, or None when it ends without reporting one."""
    while True:
        if cancelled is not None and cancelled():
            raise Cancelled("Stopped.")
        try:
            line = lines.get(timeout=POLL)
        except queue.Empty:
            continue
        if line is None:
            return None
        try:
            message = json.loads(line)
        except ValueError:
            continue  # a library printed something
        if "error" in message:
            raise getattr(errors, message.get("kind", ""), ModelError)(message["error"])
        if "folder" in message:
            return Path(message["folder"])
        if progress is not None:
            progress(message["what"], message["done"], message["total"])


def _crash(name: str, code: int, log: IO[bytes]) -> str:
    log.seek(0)
    words = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    reason = "probably out of memory" if code == -signal.SIGKILL else (words[-1][:300] if words else f"code {code}")
    return f"Fetching {name} ended unexpectedly ({reason}): try again, or pick a smaller model."


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kills the child and everything it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            stream.close()


class _Report:
    """Prints progress as JSON lines, at most ten a second for one kind of step."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._last = ("", 0.0)

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if what == self._last[0] and now - self._last[1] < 0.1 and done != total:
            return
        self._last = (what, now)
        self.send({"what": what, "done": done, "total": total})

    def send(self, message: dict[str, Any]) -> None:
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()


def _watch() -> None:
    """Ends this process group when the process that started it is gone (its end of stdin closes)."""
    sys.stdin.buffer.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """``python -m core.models.fetch_process [--child] NAME [DTYPE]``: JSON lines on stdout, 0 when it is ready."""
    out, sys.stdout = sys.stdout, sys.stderr  # libraries may print; stdout is ours
    report = _Report(out)
    if arguments[:1] == ["--child"]:
        arguments = arguments[1:]
        threading.Thread(target=_watch, daemon=True).start()
    try:
        folder = download_model(arguments[0], arguments[1] if len(arguments) > 1 else None, report)
    except HeedError as error:
        report.send({"error": str(error), "kind": type(error).__name__})
        return 1
    except OSError as error:
        report.send({"error": disk_sentence(error), "kind": "ModelError"})
        return 1
    report.send({"folder": str(folder)})
    return 0


def disk_sentence(error: OSError) -> str:
    """Returns the message for an OSError raised while writing model files."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk of {models_path()} is full: free some space or set HEED_MODELS to another disk."
    return f"{models_path()} cannot be written ({error}): set HEED_MODELS to a folder that you may write to."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
