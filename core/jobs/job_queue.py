"""Queues jobs, with one worker thread per device, so that runs on one model never disturb each other.

Why not a pool: two seeded generations at once draw from one random state and both come out different. Why not
Streamlit's own threads: a click there starts a second computation beside the first. A device is any name: work that
needs no model (fetching, converting) may use a queue of its own. Guarded by tests/core/test_jobs.py.
"""

from __future__ import annotations

from collections import deque
from threading import Condition, Thread
from time import monotonic
from typing import Any

from ..errors import Cancelled, HeedError
from .error_text import error_sentence
from .job import Job, Work

WAITING = 16
"""Most jobs that wait for one device."""
KEPT_JOBS = 32
"""Most finished jobs that are kept."""
FORGET = 600.0
"""Seconds after which a finished job is forgotten."""


class Jobs:
    """Runs jobs in order of arrival, one at a time on each device. Threads are daemons and start when needed."""

    def __init__(self, waiting: int = WAITING, kept: int = KEPT_JOBS, forget: float = FORGET) -> None:
        self.waiting, self.kept, self.forget = waiting, kept, forget
        self._queues: dict[str, deque[Job]] = {}
        self._jobs: dict[str, Job] = {}
        self._change = Condition()

    def submit(
        self,
        key: str,
        work: Work,
        device: str = "cpu",
        who: str = "",
        seconds: float | None = None,
        asked: Any = None,
    ) -> Job:
        """Queues ``work``, or joins the job that already waits or runs under ``key``.

        ``who`` names the session, so that submitting twice counts once; the same name goes to ``job.leave``.
        ``seconds``: how long it should take; those who wait behind it are told. ``asked`` is kept as ``job.asked``.
        Raises HeedError when too many jobs wait.
        """
        with self._change:
            self._tidy()
            for job in self._jobs.values():
                if job.key == key and job.join(who):
                    return job
            queue = self._queues.get(device)
            if queue is not None and len(queue) >= self.waiting:
                raise HeedError(f"{len(queue)} jobs already wait for {device}: try again when some are done.")
            job = Job(key, work, device, self._ahead)
            job.seconds, job.asked = seconds, asked
            job.join(who)
            self._jobs[job.id] = job
            if queue is None:
                queue = self._queues[device] = deque()
                Thread(target=self._serve, args=(queue,), name=f"heed-{device}", daemon=True).start()
            queue.append(job)
            self._change.notify_all()
        return job

    def get(self, job_id: str) -> Job | None:
        """Returns the job of that id; None once it is forgotten."""
        with self._change:
            self._tidy()
            return self._jobs.get(job_id)

    def shared_by(self, who: str) -> Job | None:
        """Returns the latest job that ``who`` waits for, or waited for when it ended; None where there is none."""
        return next((job for job in reversed(self.all()) if job.is_shared_by(who)), None)

    def all(self) -> list[Job]:
        """Returns every job that is kept, oldest first."""
        with self._change:
            self._tidy()
            return list(self._jobs.values())

    def _ahead(self, job: Job) -> list[Job]:
        with self._change:
            waiting = [other for other in self._queues[job.device] if not other.over]
            running = [o for o in self._jobs.values() if o.device == job.device and o.state == "running"]
            return running + waiting[: waiting.index(job) if job in waiting else 0]

    def _serve(self, queue: deque[Job]) -> None:
        while True:
            with self._change:
                while not queue:
                    self._change.wait()
                job = queue.popleft()
                work = job._begin()
            if work is not None:
                _run(job, work)
            del job, work  # an idle worker must not keep a result alive

    def _tidy(self) -> None:
        """Forgets old finished jobs and takes cancelled ones out of the queues (the lock is held)."""
        for queue in self._queues.values():
            for job in [job for job in queue if job.over]:
                queue.remove(job)
        over = [job for job in self._jobs.values() if job.over]
        late = monotonic() - self.forget
        surplus = len(over) - self.kept
        for i, job in enumerate(sorted(over, key=lambda job: job._ended_at)):
            if i < surplus or job._ended_at < late:
                del self._jobs[job.id]


def _run(job: Job, work: Work) -> None:
    try:
        result = work(job._progress, job._stop.is_set)
    except Cancelled:
        job._close("cancelled")
    except BaseException as error:  # the worker must survive any exception
        job._close("failed", error=error_sentence(error))
    else:
        job._close("done", result=result)
