"""Long work off the page: queued, shared, reported and cancelled. ``jobs()`` is the one queue of this process."""

from core.jobs.job import Job, Progress, State, Work
from core.jobs.queue import Jobs

__all__ = ["Job", "Jobs", "Progress", "State", "Work", "jobs"]


_JOBS = Jobs()  # starts no thread until something is submitted


def jobs() -> Jobs:
    """The queue that all sessions of this process share."""
    return _JOBS
