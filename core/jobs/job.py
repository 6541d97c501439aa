"""One job: its work, progress, result or error, and the sessions that wait for it.

A job may be shared: two sessions that request the same run wait for the same job, and one that cancels only leaves; the
work stops when the last has left. Cancelling returns at once, the working thread notices at its next check. Fields are
read by pages while a worker writes them, each change under a lock. Guarded by tests/core/test_jobs.py.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock
from time import monotonic, time
from typing import Any, Literal
from uuid import uuid4

from ..people import viewer
from ..probe.time_estimate import duration_text
from ..progress import IsCancelled, Progress

State = Literal["queued", "running", "done", "failed", "cancelled"]

Work = Callable[[Progress, IsCancelled], Any]
"""``work(progress, cancelled)`` returns the result, or raises HeedError (shown to people) or Cancelled."""

SILENT_WORKER = 600.0
"""Seconds without a word from running work after which people are told to restart Heed."""

SETTLED = 0.15
"""Share of a phase that must be done before its own pace says more than the estimate made beforehand."""


class Job:
    """A job, made by ``Jobs.submit``; only ``join``, ``leave``, ``cancel`` and ``wait`` are for other code to call."""

    def __init__(
        self, key: str, work: Work, device: str, ahead: Callable[[Job], list[Job]], serving: Callable[[str], Job | None]
    ) -> None:
        self.id = uuid4().hex
        """Random: whoever knows it may see the job and leave it."""
        self.key = key
        self.device = device
        self.seconds: float | None = None
        """How long it should take once it runs, estimated beforehand; None: not known."""
        self.model = ""
        """Name of the model that it needs in memory; "" where that is not known, or none."""
        self.passed = 0
        """How many jobs of the model in memory went before it, out of turn."""
        self.person = viewer()
        """For whom it works; None without sign-in. Nobody else sees it or shares it."""
        self.asked: Any = None
        """What was asked for (a Request or a Draft), for a page that finds the job again."""
        self.state: State = "queued"
        self.fraction: float | None = None
        self.text = "Waiting"
        self.stream = ""
        """All text that the work has written so far."""
        self.result: Any = None
        self.error = ""
        """One sentence for people when the state is ``failed``."""
        self.failure = ""
        """The class of the exception when the state is ``failed``, for the log."""
        self.forsaken = False
        """It was cancelled while it waited, since every session that waited for it was closed."""
        self.submitted = time()
        self.started: float | None = None
        """Seconds since the epoch, like ``finished``."""
        self.finished: float | None = None
        self._began = 0.0
        """When it started, on a clock that nobody puts back."""
        self._work: Work | None = work
        self._ahead, self._serving = ahead, serving
        self._phase = monotonic(), 0.0
        """When the present phase of the progress began, and at which fraction."""
        self._sharers: list[str] = []
        self._sessions: dict[str, str] = {}
        """Who waits -> the session in which; nothing for scripts, which have none."""
        self._heard = monotonic()
        self._lock = Lock()
        self._told: list[Callable[[Job], None]] = []
        self._stop = Event()
        self._ended = Event()
        self._ended_at = 0.0

    @property
    def position(self) -> int:
        """Number of jobs that would run before it on the same device as things stand; 0 once it runs."""
        return len(self._ahead(self)) if self.state == "queued" else 0

    @property
    def left(self) -> float | None:
        """Seconds of work that are left, about: by its own pace, or as estimated; None where neither is known."""
        if self.over:
            return 0.0
        if self.started is None:
            return self.seconds
        began, at = self._phase
        fraction = self.fraction
        if fraction is not None and fraction - at >= SETTLED * (1 - at):
            return (monotonic() - began) * (1 - fraction) / (fraction - at)
        return None if self.seconds is None else max(1.0, self.seconds - (monotonic() - self._began))

    @property
    def line(self) -> str:
        """What it does, or its place in the queue, with the time left where that is known; for display."""
        worker = None if self.over else self._serving(self.device)
        if worker is not None and worker.silent >= SILENT_WORKER:
            return f"The worker has not answered for {duration_text(worker.silent)}: restart Heed"
        ahead = self._ahead(self) if self.state == "queued" else []
        if not ahead and self.state == "queued" and worker is not None and worker.over:
            return "Next, when what was cancelled has ended"
        if not ahead:
            left = self.left if self.state == "running" else None
            return self.text if left is None or left < 2 else f"{self.text} · about {duration_text(left)} left"
        known = [job.left for job in ahead]
        times = [seconds for seconds in known if seconds is not None]
        about = "about" if len(times) == len(known) else "at least"
        wait = f": {about} {duration_text(sum(times))} until it begins" if sum(times) else ""
        return f"{len(ahead)} in the queue before this one{wait}"

    @property
    def over(self) -> bool:
        """Whether the job has ended and nothing will change any more."""
        return self._ended.is_set()

    @property
    def sharers(self) -> int:
        """Number of sessions that wait for it."""
        return len(self._sharers)

    @property
    def sessions(self) -> set[str]:
        """The sessions in which somebody waits for it; "" stands for scripts and notebooks."""
        with self._lock:
            return {self._sessions.get(who, "") for who in self._sharers}

    @property
    def takers(self) -> set[str]:
        """Who takes turns for it: the signed-in person, however many sessions that one has; else ``sessions``."""
        return self.sessions if self.person is None else {f"person {self.person.key}"}

    @property
    def silent(self) -> float:
        """Seconds since the running work last told its progress or asked whether it is cancelled."""
        return monotonic() - self._heard

    def is_shared_by(self, who: str) -> bool:
        """Returns whether the session ``who`` waits for it, or waited when it ended."""
        return who in self._sharers

    def join(self, who: str = "", session: str = "") -> bool:
        """Adds somebody who waits, in ``session``; returns False if the job has ended. A named ``who`` counts once."""
        with self._lock:
            if self.over:
                return False
            if not who or who not in self._sharers:
                self._sharers.append(who)
            if who and session:
                self._sessions[who] = session
            return True

    def when_over(self, tell: Callable[[Job], None]) -> None:
        """Calls ``tell`` once, when the job is over; by the thread that ends it: ``tell`` is quick, never raises."""
        with self._lock:
            if not self.over:
                self._told.append(tell)
                return
        tell(self)

    def move(self, who: str, session: str) -> None:
        """Says that ``who`` waits in another session now: a page that was loaded again is a new one."""
        with self._lock:
            if session and who in self._sharers:
                self._sessions[who] = session

    def leave_sessions(self, gone: set[str]) -> None:
        """Removes those whose session is gone from a job that waits; where nobody stays, it is cancelled."""
        with self._lock:
            if self.state != "queued" or not gone:
                return
            self._sharers = [who for who in self._sharers if self._sessions.get(who) not in gone]
            if not self._sharers:
                self.forsaken = True
                self._end("cancelled")

    def leave(self, who: str | None = None) -> None:
        """Removes a session that waits; when the last has left, the work is cancelled. Returns at once.

        Without a name one of those who wait is removed; with a name only that one, and only once.
        """
        with self._lock:
            if who is None and self._sharers:
                who = "" if "" in self._sharers else self._sharers[-1]
            if who in self._sharers:
                self._sharers.remove(who)
                self._sessions.pop(who, None)
            if not self._sharers and not self.over:
                self._stop.set()
                self._end("cancelled")

    cancel = leave

    def wait(self, timeout: float | None = None) -> bool:
        """Blocks until the job has ended; returns False after ``timeout`` seconds. For scripts: a page polls."""
        return self._ended.wait(timeout)

    def _progress(self, fraction: float | None, text: str, stream: str | None = None) -> None:
        self._heard = monotonic()
        with self._lock:
            if self.over:
                return
            new = None if fraction is None else min(1.0, max(0.0, float(fraction)))
            if new is not None and (self.fraction is None or new < self.fraction):
                self._phase = monotonic(), new
            self.fraction = new
            self.text = text
            if stream is not None:
                self.stream = stream

    def _stopping(self) -> bool:
        """Whether the work is cancelled; asking is a sign of life."""
        self._heard = monotonic()
        return self._stop.is_set()

    def _begin(self) -> Work | None:
        """Returns the work, once; None when no session waits for it any more."""
        with self._lock:
            work, self._work = self._work, None
            if self.over:
                return None
            self.state, self.started, self.text = "running", time(), "Starting"
            self._heard = self._began = monotonic()
            return work

    def _close(self, state: State, result: Any = None, error: str = "", failure: str = "") -> None:
        with self._lock:
            if not self.over:
                self.result, self.error, self.failure = result, error, failure
                if state == "done":
                    self.fraction = 1.0
                self._end(state)

    def _end(self, state: State) -> None:
        """Ends the job, as the last change to it. The lock must be held."""
        self.state, self.finished, self._ended_at, self._work = state, time(), monotonic(), None
        told, self._told = self._told, []
        try:
            for tell in told:
                tell(self)
        finally:
            self._ended.set()  # who waits for the end finds it told
