"""Queues jobs, with one worker thread per device, so that runs on one model never disturb each other.

Who waits for a device gets it in turns (``fair_order``), may have only so many jobs waiting, and leaves the queue when
its session is closed (``absences``). Scripts and notebooks have no session: their jobs share one turn and stay.

Why not a pool: two seeded generations at once draw from one random state and both come out different. Why not
Streamlit's own threads: a click there starts a second computation beside the first. A device is any name: work that
needs no model (fetching, converting) may use a queue of its own. Guarded by tests/core/test_jobs.py.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread, get_native_id
from time import monotonic, sleep
from typing import Any

from ..errors import Cancelled, HeedError
from ..log.events import keep_log_names
from ..log.private_records import error_name
from ..people import viewer, viewing
from ..store.person_room import check_person_room
from .absences import Absences
from .error_text import error_sentence
from .fair_order import FairOrder
from .job import Job, Work
from .job_events import tell_job

WAITING = 200
"""Most jobs that wait for one device."""
OWN_WAITING = 6
"""Most jobs of one session that wait for one device."""
TICK = 2.0
"""Seconds between two looks at who is still there."""
KEPT_JOBS = 32
"""Most finished jobs that are kept."""
FORGET = 600.0
"""Seconds after which a finished job is forgotten."""
NICE = 10
"""How far the operating system puts a worker behind the threads that draw pages, where both want the processor."""


class _Line:
    """What waits for one device, as it arrived; whose turn it is; and the job that the worker has in hand."""

    def __init__(self, in_memory: Callable[[str], bool | None]) -> None:
        self.waiting: list[Job] = []
        self.turns = FairOrder(in_memory)
        self.serving: Job | None = None


class Jobs:
    """Runs jobs in turns, one at a time on each device. Threads are daemons and start when needed.

    ``present``: whether a session is still there, and ``in_memory``: whether the model of a name is (see
    ``FairOrder``); pages set both. ``told``: called every two seconds while something
    waits or runs, with the jobs that the workers have in hand, and once more with none.
    """

    def __init__(
        self,
        waiting: int = WAITING,
        kept: int = KEPT_JOBS,
        forget: float = FORGET,
        own: int = OWN_WAITING,
        told: Callable[[list[Job]], None] | None = None,
    ) -> None:
        self.waiting, self.kept, self.forget, self.own = waiting, kept, forget, own
        self.present: Callable[[str], bool] = lambda session: True
        self.in_memory: Callable[[str], bool | None] = lambda model: None
        self._told = told
        self._lines: dict[str, _Line] = {}
        self._jobs: dict[str, Job] = {}
        self._absences = Absences()
        self._watched = False
        self._change = Condition()

    def submit(
        self,
        key: str,
        work: Work,
        device: str = "cpu",
        who: str = "",
        seconds: float | None = None,
        asked: Any = None,
        session: str = "",
        model: str = "",
    ) -> Job:
        """Queues ``work``, or joins the job that already waits or runs under ``key``.

        ``who`` names who waits, so that submitting twice counts once; the same name goes to ``job.leave``. ``session``
        is the one that takes turns; "" for scripts and notebooks. ``model``: the name of the one it needs in memory.
        ``seconds``: how long it should take; those who wait behind it are told. ``asked`` is kept as ``job.asked``.
        Raises HeedError when too many jobs wait, and where a person who signed in keeps too much.
        """
        check_person_room()
        with self._change:
            self._tidy()
            for job in self._jobs.values():
                if job.key == key and _seen(job) and job.join(who, session):
                    return job
            line = self._lines.get(device)
            person = viewer()
            self._check_room(line, device, session if person is None else f"person {person.key}")
            job = Job(key, keep_log_names(work), device, self._ahead, self._serving)
            job.seconds, job.asked, job.model = seconds, asked, model
            job.join(who, session)
            self._jobs[job.id] = job
            if line is None:
                line = self._lines[device] = _Line(lambda model: self.in_memory(model) if model else None)
                Thread(target=self._serve, args=(line,), name=f"heed-{device}", daemon=True).start()
            if not self._watched:
                self._watched = True
                Thread(target=self._watch, name="heed-watch", daemon=True).start()
            line.waiting.append(job)
            self._change.notify_all()
        tell_job(job)
        return job

    def _check_room(self, line: _Line | None, device: str, taker: str) -> None:
        """Raises HeedError where the queue, or the session's or person's part of it, is full (the lock is held)."""
        waiting = line.waiting if line is not None else []
        own = sum(taker in job.takers for job in waiting) if taker else 0
        if own >= self.own:
            raise HeedError(f"{own} of your jobs already wait for {device}: cancel one, or try again when one is done.")
        if len(waiting) >= self.waiting:
            raise HeedError(f"{len(waiting)} jobs already wait for {device}: try again when some are done.")

    def get(self, job_id: str) -> Job | None:
        """Returns the job of that id; None once it is forgotten, and for another person's."""
        with self._change:
            self._tidy()
            job = self._jobs.get(job_id)
            return job if job is not None and _seen(job) else None

    def shared_by(self, who: str) -> Job | None:
        """Returns the latest job that ``who`` waits for, or waited for when it ended; None where there is none."""
        return next((job for job in reversed(self.all()) if job.is_shared_by(who)), None)

    def all(self) -> list[Job]:
        """Returns every job that is kept, oldest first; to a person who signed in that person's own."""
        with self._change:
            self._tidy()
            return [job for job in self._jobs.values() if _seen(job)]

    def leave_absent(self) -> None:
        """Frees the places of sessions that were closed; a page that is loaded again in time keeps its own."""
        with self._change:
            waiting = [job for line in self._lines.values() for job in line.waiting]
            names = set().union(*(job.sessions for job in waiting))
            gone = self._absences.gone(names, self.present)
            for job in waiting:
                job.leave_sessions(gone)
            self._tidy()

    def _ahead(self, job: Job) -> list[Job]:
        with self._change:
            line = self._lines[job.device]
            waiting = line.turns.order([other for other in line.waiting if not other.over])
            running = [line.serving] if line.serving is not None and not line.serving.over else []
            return running + waiting[: waiting.index(job) if job in waiting else 0]

    def _serving(self, device: str) -> Job | None:
        with self._change:
            line = self._lines.get(device)
            return None if line is None else line.serving

    def _serve(self, line: _Line) -> None:
        _yield_to_pages()
        while True:
            with self._change:
                while not line.waiting:
                    line.turns.rest()
                    self._change.wait()
                job = line.turns.order(line.waiting)[0]
                work = job._begin()
                if work is not None:
                    line.turns.begin(job, line.waiting)
                    line.serving = job
                line.waiting.remove(job)
            if work is not None:
                with viewing(job.person):
                    _run(job, work)
                with self._change:
                    line.serving = None
            del job, work  # an idle worker must not keep a result alive

    def _watch(self) -> None:
        """Looks after those who wait until nothing waits or runs any more."""
        while self._watched:
            sleep(TICK)
            self.leave_absent()
            self._tell()

    def _tell(self) -> None:
        """Says which jobs the workers have in hand; without one, and with nobody who waits, the watch ends."""
        with self._change:
            serving = [line.serving for line in self._lines.values() if line.serving is not None]
            self._watched = bool(serving) or any(line.waiting for line in self._lines.values())
        if self._told is not None:
            self._told(serving)

    def _tidy(self) -> None:
        """Forgets old finished jobs and takes cancelled ones out of the queues (the lock is held)."""
        for line in self._lines.values():
            line.waiting[:] = [job for job in line.waiting if not job.over]
        over = [job for job in self._jobs.values() if job.over]
        late = monotonic() - self.forget
        surplus = len(over) - self.kept
        for i, job in enumerate(sorted(over, key=lambda job: job._ended_at)):
            if i < surplus or job._ended_at < late:
                del self._jobs[job.id]


def _yield_to_pages() -> None:
    """Gives this thread, and those that torch starts from it, the priority ``NICE``; only Linux has one a thread."""
    if sys.platform == "linux":
        with suppress(OSError):
            thread = get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, max(NICE, os.getpriority(os.PRIO_PROCESS, thread)))


def _seen(job: Job) -> bool:
    """Whether the viewer may see a job and wait for it."""
    person = viewer()
    return person is None or (job.person is not None and job.person.key == person.key)


def _run(job: Job, work: Work) -> None:
    try:
        result = work(job._progress, job._stopping)
    except Cancelled:
        job._close("cancelled")
    except BaseException as error:  # the worker must survive any exception
        job._close("failed", error=error_sentence(error), failure=error_name(error))
    else:
        job._close("done", result=result)
