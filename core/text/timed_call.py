"""Calls Python code of a stranger, such as a chat template, with a limit of time, in the thread that asks for it.

A chat template is compiled to Python and rendered inside the app; what it loops over may depend on one particular talk,
so no trial finds it out. After the limit a timer raises an exception in the calling thread, at the next of its Python
instructions (``PyThreadState_SetAsyncExc``). One long instruction of C, such as ``9**9**9``, is not interrupted: that
is what the trial in a child process is for. Guarded by tests/core/test_text_timed_call.py.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from threading import Lock, Timer, get_ident
from typing import TypeVar

T = TypeVar("T")


class _Late(BaseException):
    """Raised inside the work; no ``except Exception`` of a library holds it up."""


def call_within(seconds: float, work: Callable[[], T]) -> T:
    """Returns ``work()``. Raises TimeoutError where it takes longer than ``seconds``, and whatever it raises itself."""
    lock, thread = Lock(), get_ident()
    done = late = told = False

    def end() -> None:
        nonlocal late
        with lock:
            if not done:
                late = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Late))

    timer = Timer(seconds, end)
    timer.daemon = True
    try:
        timer.start()
        try:
            return work()
        except _Late:
            told = True
            raise
        finally:
            with lock:
                done = True
            timer.cancel()
            while late and not told:  # it is on its way: it must arrive here and not in the caller
                time.sleep(0)
    except _Late:
        raise TimeoutError(f"it takes longer than {seconds:g} s") from None
