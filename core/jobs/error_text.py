"""Turns an exception from a job into one sentence for people; unexpected ones are logged in full.

torch is never imported to identify its errors: they are known by class name and text. Guarded by
tests/core/test_jobs.py.
"""

from __future__ import annotations

import errno
import logging

from ..errors import NO_MEMORY, HeedError, is_out_of_memory

LOG = logging.getLogger("heed")

DISK_FULL = "The disk is full: free some space, or set HEED_HOME and HEED_MODELS to another disk, and try again."
UNKNOWN = "Something went wrong that Heed did not expect ({name}): see the log where Heed was started, then try again."


def error_sentence(error: BaseException) -> str:
    """Returns one sentence with the remedy; what another library raised is logged with its traceback."""
    if isinstance(error, HeedError):
        if error.__cause__ is not None:
            LOG.warning("A job failed: %s", error, exc_info=error)
        return str(error)
    if is_out_of_memory(error):
        LOG.warning("A job ran out of memory.", exc_info=error)
        return NO_MEMORY
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        LOG.warning("A job met a full disk.", exc_info=error)
        return DISK_FULL
    LOG.error("A job failed.", exc_info=error)
    return UNKNOWN.format(name=type(error).__name__)
