"""One piece of long work: what it is doing now, how it ended, and who waits for it.

A job may be shared: two sessions that ask for the same run wait for the same job, and one that cancels
only leaves; the work stops when the last has left. Cancelling answers at once, the thread that works
notices at its next check. Fields are read by pages while a worker writes them, each change under a lock.
Guarded by tests/core/test_jobs.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from threading import Event, Lock
from time import monotonic, time
from typing import Any, Literal

from ..progress import IsCancelled, Progress

State = Literal["queued", "running", "done", "failed", "cancelled"]

Work = Callable[[Progress, IsCancelled], Any]
"""``work(progress, cancelled)``; it returns the result, raises HeedError for people, or Cancelled."""

_numbers = itertools.count(1)


class Job:
    """Made by ``Jobs.submit``; everything but ``join``, ``leave``, ``cancel`` and ``wait`` is for reading."""

    def __init__(self, key: str, work: Work, device: str, position: Callable[[Job], int]) -> None:
        self.id = str(next(_numbers))
        self.key = key
        self.device = device
        self.state: State = "queued"
        self.fraction: float | None = None
        self.text = "Waiting"
        self.stream = ""
        """What the work wrote so far, whole."""
        self.result: Any = None
        self.error = ""
        """One sentence for people when the state is ``failed``."""
        self.submitted = time()
        self.started: float | None = None
        """Seconds since the epoch, like ``finished``."""
        self.finished: float | None = None
        self._work: Work | None = work
        self._position = position
        self._sharers: list[str] = []
        self._lock = Lock()
        self._stop = Event()
        self._ended = Event()
        self._ended_at = 0.0

    @property
    def position(self) -> int:
        """How many jobs of the device come first; 0 once it runs."""
        return self._position(self) if self.state == "queued" else 0

    @property
    def over(self) -> bool:
        """True when nothing will change any more."""
        return self._ended.is_set()

    @property
    def sharers(self) -> int:
        """How many wait for it."""
        return len(self._sharers)

    def join(self, who: str = "") -> bool:
        """Wait for it too; False when it is over already. A named ``who`` (a session) counts once."""
        with self._lock:
            if self.over:
                return False
            if not who or who not in self._sharers:
                self._sharers.append(who)
            return True

    def leave(self, who: str | None = None) -> None:
        """No longer wait for it; when the last has left, the work is cancelled. Returns at once.

        Without a name one of those who wait is taken off; with a name only that one, and only once.
        """
        with self._lock:
            if who is None and self._sharers:
                who = "" if "" in self._sharers else self._sharers[-1]
            if who in self._sharers:
                self._sharers.remove(who)
            if not self._sharers and not self.over:
                self._stop.set()
                self._end("cancelled")

    cancel = leave

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it is over; False when ``timeout`` seconds passed first. For scripts: a page polls."""
        return self._ended.wait(timeout)

    def _progress(self, fraction: float | None, text: str, stream: str | None = None) -> None:
        with self._lock:
            if self.over:
                return
            self.fraction = None if fraction is None else min(1.0, max(0.0, float(fraction)))
            self.text = text
            if stream is not None:
                self.stream = stream

    def _begin(self) -> Work | None:
        """The work, once; None when nobody waits for it any more."""
        with self._lock:
            work, self._work = self._work, None
            if self.over:
                return None
            self.state, self.started, self.text = "running", time(), "Starting"
            return work

    def _close(self, state: State, result: Any = None, error: str = "") -> None:
        with self._lock:
            if not self.over:
                self.result, self.error = result, error
                if state == "done":
                    self.fraction = 1.0
                self._end(state)

    def _end(self, state: State) -> None:
        """The lock is held. The last thing to happen to a job."""
        self.state, self.finished, self._ended_at, self._work = state, time(), monotonic(), None
        self._ended.set()
