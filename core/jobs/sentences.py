"""What went wrong in a job, as one sentence for people; everything unforeseen goes to the log in full.

torch is never imported to ask about its errors: they are known by class name and text.
Guarded by tests/core/test_jobs.py.
"""

from __future__ import annotations

import errno
import logging

from core.errors import HeedError

LOG = logging.getLogger("heed")

NO_MEMORY = "There was not enough memory for this: use a smaller model or a shorter text, or close other programs."
DISK_FULL = "The disk is full: free some space, or set HEED_HOME and HEED_MODELS to another disk, and try again."
UNKNOWN = "Something went wrong that Heed did not expect ({name}): see the log where Heed was started, then try again."

_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory", "bad_alloc")


def sentence(error: BaseException) -> str:
    """One sentence with the remedy; an error that is neither ours nor a known shortage is logged with its traceback."""
    if isinstance(error, HeedError):
        return str(error)
    if _is_memory(error):
        LOG.warning("A job ran out of memory.", exc_info=error)
        return NO_MEMORY
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        LOG.warning("A job met a full disk.", exc_info=error)
        return DISK_FULL
    LOG.error("A job failed.", exc_info=error)
    return UNKNOWN.format(name=type(error).__name__)


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _MEMORY)
