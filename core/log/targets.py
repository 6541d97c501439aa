"""Where the log goes: lines for people on stderr, one JSON object a line there, or such lines in a file.

HEED_LOG unset: warnings and errors as lines for people. ``json``: each event as one JSON object a line on stderr. A
path: such lines in that file, which only its owner may read, moved aside at 10 MB with the last five kept, while stderr
stays as it is. Guarded by tests/core/test_log_targets.py.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .events import log_names
from .private_records import WITHHELD, PrivateRecord, prompts_allowed

LOG = logging.getLogger("heed")
TARGET = "HEED_LOG"
MOST_LOG_BYTES = 10_000_000
"""Size at which the file is moved aside."""
KEPT_LOGS = 5
"""How many older files are kept."""


class JsonLines(logging.Formatter):
    """A record as one JSON object on one line: time (UTC), level, event, for whom, its fields, and the text."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line, in ASCII."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        event = getattr(record, "event", "")
        line: dict[str, Any] = {"time": at, "level": record.levelname.lower(), "event": event or "message"}
        line |= log_names() | {"process": record.process} | getattr(record, "fields", {})
        if not event:
            line |= {"logger": record.name, "text": record.getMessage()}
        if getattr(record, "error", ""):
            line.setdefault("error", record.error)  # type: ignore[attr-defined]
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["traceback"] = record.exc_text
        return json.dumps(line, default=str)


class SharedLogFile(WatchedFileHandler):
    """A log file that several processes write and any of them moves aside when it is full."""

    def __init__(self, path: Path, most: int = MOST_LOG_BYTES, kept: int = KEPT_LOGS) -> None:
        """Opens the file, and makes its folder where needed. Raises OSError."""
        self.most, self.kept = most, kept
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, encoding="utf-8")

    def _open(self) -> Any:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        return open(self.baseFilename, self.mode, encoding=self.encoding, opener=private)

    def emit(self, record: logging.LogRecord) -> None:
        """Writes the record; before that, moves a full file aside."""
        if self._is_full():
            with suppress(OSError, Timeout), FileLock(f"{self.baseFilename}.lock", timeout=1, mode=0o600):
                if self._is_full():  # no other process did it meanwhile
                    self._move_aside()
        super().emit(record)

    def _is_full(self) -> bool:
        try:
            return os.stat(self.baseFilename).st_size >= self.most
        except OSError:
            return False

    def _move_aside(self) -> None:
        for number in range(self.kept - 1, 0, -1):
            with suppress(FileNotFoundError):
                os.replace(f"{self.baseFilename}.{number}", f"{self.baseFilename}.{number + 1}")
        os.replace(self.baseFilename, f"{self.baseFilename}.1")


_undo: list[Callable[[], None]] = []
"""What undoes the log of this process; empty where it is not set up."""


def log_target() -> str:
    """Returns HEED_LOG: empty, ``json``, or a path."""
    return os.environ.get(TARGET, "").strip()


def log_problems() -> list[str]:
    """Returns what is wrong with HEED_LOG, one sentence with the remedy; empty where nothing is. Writes nothing."""
    target = log_target()
    if not target or target == "json":
        return []
    try:
        path = Path(target).expanduser().absolute()
        there = next(folder for folder in (path, *path.parents) if folder.exists())
        if os.access(there, os.W_OK) and (there.is_file() if there == path else there.is_dir()):
            return []
    except (OSError, ValueError, RuntimeError):
        pass
    return [
        f"{TARGET} is {target!r}, a file that cannot be written: set it to json, or to a path in a folder of yours."
    ]


def start_log(json_allowed: bool = True) -> None:
    """Sets up the log of this process as HEED_LOG says; a second call changes nothing.

    ``json_allowed``: False for a process whose stderr is read by Heed itself. A file that cannot be written is told on
    stderr, and the process goes on without it. Call where a process begins; ``stop_log`` undoes it.
    """
    if _undo:
        return
    _keep(logging.getLogRecordFactory(), logging.setLogRecordFactory)
    logging.setLogRecordFactory(PrivateRecord)
    _tell_of_failures()
    people, target = logging.StreamHandler(), log_target()
    people.setLevel(logging.WARNING)
    if target == "json" and json_allowed:
        people.setLevel(logging.NOTSET)
        people.setFormatter(JsonLines())
    _add(people)
    if target and target != "json":
        try:
            file = SharedLogFile(Path(target).expanduser().absolute())
        except (OSError, ValueError, RuntimeError) as error:
            LOG.warning("The log cannot be written to the file that %s names: %s.", TARGET, error)
        else:
            file.setFormatter(JsonLines())
            _add(file)
    if target:
        _keep(LOG.level, LOG.setLevel)
        LOG.setLevel(logging.INFO)


def stop_log() -> None:
    """Undoes ``start_log``."""
    while _undo:
        _undo.pop()()


@contextmanager
def process_log(json_allowed: bool = True) -> Iterator[None]:
    """Sets the log up for the lines below it, as ``start_log``; an error that nobody caught is told in it, and ends the
    process with status 1. With HEED_LOG_PROMPTS=1 it is raised as it is."""
    start_log(json_allowed)
    try:
        yield
    except Exception as error:
        if prompts_allowed():
            raise
        LOG.critical("This ended with an error.", exc_info=error)
        raise SystemExit(1) from None
    finally:
        stop_log()


def _keep(value: Any, put_back: Callable[[Any], Any]) -> None:
    _undo.append(lambda: put_back(value))


def _add(handler: logging.Handler) -> None:
    root = logging.getLogger()
    root.addHandler(handler)
    _undo.append(handler.close)
    _keep(handler, root.removeHandler)


def _tell_of_failures() -> None:
    """Sends what Python itself would print with its message to the log: uncaught exceptions and warnings."""
    if prompts_allowed():
        return

    def uncaught(kind: Any, error: BaseException, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        LOG.critical("This ended with an error.", exc_info=error)

    def in_thread(told: Any) -> None:
        if told.exc_value is not None and not issubclass(told.exc_type, SystemExit):
            LOG.critical("A thread ended with an error.", exc_info=told.exc_value)

    def in_passing(told: Any) -> None:
        if told.exc_value is not None:
            LOG.error("An error could not be raised.", exc_info=told.exc_value)

    def warned(message: Any, kind: type, file: str, line: int, *more: Any) -> None:
        LOG.warning("A library warned: %s at %s:%d (its text: %s).", kind.__name__, file, line, WITHHELD)

    hooks = (
        *((sys, "excepthook", uncaught), (sys, "unraisablehook", in_passing)),
        *((threading, "excepthook", in_thread), (warnings, "showwarning", warned)),
    )
    for module, name, hook in hooks:
        _keep((module, name, getattr(module, name)), lambda was: setattr(*was))
        setattr(module, name, hook)
