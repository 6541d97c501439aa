"""Keeps the pages of many visitors, and the model that runs beside them, from waiting for each other.

Four places of one Python process where threads wait for nothing: Python's own lock, which a model's run gives up at
each operation; the lock around Streamlit's options, which are asked for with every message to a browser; the garbage
collector, which holds all threads, and by itself Streamlit runs it after every page; and pages that are drawn at once,
each at a fraction of the speed, handing Python's lock to each other hundreds of times: they are drawn one after the
other. Guarded by tests/pages/test_many_threads.py.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Thread
from typing import Any

COLLECT = 10.0
"""Seconds between two collections of garbage, in the place of one after every page (a fifth of what a page costs)."""
LONGEST = 1.0
"""Seconds after which the next page begins although the one before it is not drawn yet: it reads much, or computes."""
TURN = 0.001
"""Seconds that a thread keeps Python's lock while another waits; Python's own 0.005 is long where a run waits for it
hundreds of times a token."""


def shorten_waits() -> None:
    """Sets all four for this process. Call before the server starts."""
    from streamlit import config
    from streamlit.runtime.scriptrunner.script_runner import ScriptRunner

    sys.setswitchinterval(TURN)
    if getattr(config.get_option, "under_lock", None) is None:
        config.get_option = _without_lock(config.get_option)
        ScriptRunner._run_script = _in_turns(ScriptRunner._run_script)  # type: ignore[method-assign]
        Thread(target=_collect_now_and_then, name="heed-collect", daemon=True).start()


class PageTurns:
    """Lets one page be drawn at a time, the one that has waited longest first; none waits for a slow one."""

    def __init__(self, longest: float = LONGEST) -> None:
        self._change = Condition()
        self._longest = longest
        self._waiting: deque[object] = deque()
        self._drawn: object = None
        self._since = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits until no page is drawn, or the one that is has been for ``longest`` seconds, and takes its place."""
        own = object()
        with self._change:
            self._waiting.append(own)
            try:
                while (left := self._left(own)) > 0:
                    self._change.wait(left)
            finally:
                self._waiting.remove(own)
                self._change.notify_all()
            self._drawn, self._since = own, time.monotonic()
        try:
            yield
        finally:
            with self._change:
                if self._drawn is own:
                    self._drawn = None
                    self._change.notify_all()

    def _left(self, own: object) -> float:
        """Seconds to wait at most before looking again (the lock is held); 0: it is this one's turn."""
        if self._waiting[0] is not own:
            return self._longest
        return 0.0 if self._drawn is None else self._since + self._longest - time.monotonic()


def _in_turns(draw: Any) -> Any:
    """Returns Streamlit's function that runs a page, or a part of it, so that it waits for its turn."""
    turns = PageTurns()

    def run_script(self: Any, rerun_data: Any) -> Any:
        with turns.turn():
            return draw(self, rerun_data)

    return run_script


def _collect_now_and_then() -> None:
    while True:
        time.sleep(COLLECT)
        gc.collect()


def _without_lock(under_lock: Any) -> Any:
    """Returns Streamlit's ``get_option``, which reads an option that is there without the lock.

    Reading one entry of a dict is whole in Python. Options that are not there yet are asked for under the lock.
    """
    from streamlit import config

    def get_option(key: str) -> Any:
        option = (config._config_options or {}).get(key)
        return under_lock(key) if option is None else option.value

    get_option.under_lock = under_lock  # type: ignore[attr-defined]
    return get_option
