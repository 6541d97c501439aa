"""Long work off the page: queued, shared, reported and cancelled. ``jobs()`` is the one queue of this process."""

from .job import Job, State, Work
from .job_queue import Jobs

__all__ = ["Job", "Jobs", "State", "Work", "jobs"]


_JOBS = Jobs()  # starts no thread until something is submitted


def jobs() -> Jobs:
    """The queue that all sessions of this process share."""
    return _JOBS
