"""Runs long work outside the page: queued, shared, with progress, cancellable. ``jobs()`` is this process's queue."""

from .heartbeat import beat
from .job import Job, State, Work
from .job_queue import Jobs

__all__ = ["Job", "Jobs", "State", "Work", "jobs"]


_JOBS = Jobs(told=beat)  # starts no thread until something is submitted


def jobs() -> Jobs:
    """Returns the queue that all sessions of this process share."""
    return _JOBS
