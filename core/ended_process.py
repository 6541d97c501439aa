"""Runs one function of Heed on a stranger's bytes in a process that can be ended: limits of time and memory.

A PDF or a Parquet file is parsed by a large library, and a file of a few bytes may make it loop, take gigabytes or
crash. Inside the app nothing could stop that. In a child, the worst is a sentence: its processor time and its memory
are limited by the system, and it is ended when it is late. The child starts in some 0.3 s and knows nothing but the
bytes; what it gives back are bytes. Guarded by tests/core/test_ended_process.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Literal

from . import errors
from .errors import HeedError
from .processes import PACKAGE, module_command, module_environment

WORK_SECONDS = 60.0
"""Seconds of processor time that the work may take where nothing else is said."""
WORK_BYTES = 4 << 30
"""Bytes of memory of the child, as addresses: a library reserves more than it uses."""
LATE = 5
"""How many times the processor time may pass on a busy machine before the child is ended."""


class EndedEarly(Exception):
    """The work did not come to its end; ``why``: "time", "memory" or "crash"."""

    def __init__(self, why: Literal["time", "memory", "crash"]) -> None:
        super().__init__(why)
        self.why = why


def run_ended(
    work: Callable[..., bytes], data: bytes, *arguments: str, seconds: float = WORK_SECONDS, memory: int = WORK_BYTES
) -> bytes:
    """Returns ``work(data, *arguments)``, called in a child process.

    ``work``: a function at the top of a module of this package. What it raises of HeedError is raised here. Raises
    EndedEarly where it takes longer than ``seconds`` or more than ``memory``, or where the child crashes.
    """
    place = f"{work.__module__.removeprefix(PACKAGE.name + '.')}:{work.__name__}"
    command = module_command("ended_process", place, str(seconds), str(memory), json.dumps(arguments))
    try:
        done = subprocess.run(
            command, input=data, capture_output=True, timeout=LATE * seconds + 30, env=module_environment(), check=False
        )
    except subprocess.TimeoutExpired as error:
        raise EndedEarly("time") from error
    head, _, body = done.stdout.partition(b"\n")
    try:
        told = json.loads(head)
    except ValueError as error:  # ended by the system: of the limits only that of time does so
        raise EndedEarly("time" if done.returncode in (-24, -9) else "crash") from error
    if told["ended"] == "memory":
        raise EndedEarly("memory")
    if told["ended"] in vars(errors):
        raise vars(errors)[told["ended"]](told["said"])
    return body


def limit_process(seconds: float, memory: int) -> None:
    """Limits this process to ``seconds`` of processor time from now on and to ``memory``, where the system can."""
    try:
        import resource
    except ImportError:  # Windows: the parent's time limit remains
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime + seconds) + 1
    for kind, limit in ((resource.RLIMIT_CPU, most), (resource.RLIMIT_AS, memory)):
        hard = resource.getrlimit(kind)[1]
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with suppress(ValueError, OSError):  # macOS has no limit of memory
            resource.setrlimit(kind, (allowed, allowed))


def main(arguments: list[str]) -> int:
    """The child: reads bytes from stdin, writes a line of JSON that says how it ended, and the result."""
    place, seconds, memory, more = arguments
    out, sys.stdout = os.fdopen(os.dup(1), "wb"), sys.stderr  # what a library prints is no result
    module, _, function = place.partition(":")
    work = getattr(import_module(f"{PACKAGE.name}.{module}"), function)
    data = sys.stdin.buffer.read()
    limit_process(float(seconds), int(memory))
    ended, said, made = "well", "", b""
    try:
        made = work(data, *json.loads(more))
    except MemoryError:
        ended = "memory"
    except HeedError as error:
        ended, said = type(error).__name__, str(error)
    out.write(json.dumps({"ended": ended, "said": said}).encode() + b"\n" + made)
    out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
