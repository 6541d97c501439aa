"""Runs functions in forked processes: to their end, or until a SIGKILL at a given moment.

The parent has imported everything and loaded the tiny model before it forks, with one thread, so that a try costs what
its work costs. Each fork knows nothing of the others: caches are those of the parent, which never touches a home.
"""

from __future__ import annotations

import faulthandler
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Tell = Callable[[str], None]
"""Says that something is finished: from here on a kill must not lose it."""


class ChildFailed(RuntimeError):
    """The work in a fork raised something; the message is its traceback."""


def in_fork(work: Callable[[], Any], seconds: float = 120.0) -> Any:
    """Returns what ``work()`` returns in a forked process, as JSON holds it. Raises ChildFailed with its traceback."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(read)
        _become(lambda: _send(write, work))
    os.close(write)
    data = _all_of(read, seconds)
    _end(pid)
    if not data:
        raise ChildFailed(f"ended without a word, or after {seconds} s")
    fine, value = json.loads(data)
    if not fine:
        raise ChildFailed(value)
    return value


def killed_after(work: Callable[[Tell], None], seconds: float) -> tuple[list[str], bool]:
    """Runs ``work(tell)`` in a fork and kills it after ``seconds``; returns (what it told, whether it still worked).

    Raises ChildFailed where the work failed by itself.
    """
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(read)

        def do() -> None:
            try:
                work(lambda what: os.write(write, f"{what}\n".encode()) and None)
            except BaseException:
                os.write(write, b"\0failed " + traceback.format_exc().replace("\n", " | ").encode() + b"\n")
                raise
            os.write(write, b"\0over\n")

        _become(do)
    os.close(write)
    time.sleep(seconds)
    _end(pid)
    told = _all_of(read, 10).decode().splitlines()
    over = "\0over" in told
    failed = [line for line in told if line.startswith("\0failed")]
    if failed:
        raise ChildFailed(failed[0])
    return [line for line in told if line[:1] != "\0"], not over


def _become(do: Callable[[], None]) -> None:
    """Runs ``do`` as the whole of this forked process, silently."""
    code = 0
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 1)
        if "HEED_TORTURE_LOUD" in os.environ:  # also says where a fork hangs
            faulthandler.dump_traceback_later(40)
        else:
            os.dup2(nowhere, 2)
        do()
    except BaseException:
        traceback.print_exc(file=sys.stderr)
        code = 1
    finally:
        os._exit(code)


def _send(write: int, work: Callable[[], Any]) -> None:
    try:
        data = json.dumps([True, work()]).encode()
    except BaseException:
        data = json.dumps([False, traceback.format_exc()]).encode()
    while data:
        data = data[os.write(write, data) :]


def _all_of(read: int, seconds: float) -> bytes:
    """Returns all that is written to a pipe until its other end closes, or what came within ``seconds``."""
    data, until = b"", time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and select.select([read], [], [], left)[0]:
        piece = os.read(read, 1 << 16)
        if not piece:
            break
        data += piece
    os.close(read)
    return data


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
