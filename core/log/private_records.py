"""Log records without the words of people: what a visitor wrote never reaches the log unless HEED_LOG_PROMPTS=1.

Messages of exceptions quote what they failed on, and other libraries quote their input in warnings. So a record keeps
the class of an exception and the lines of code that it passed through, without its message; of another library's record
it keeps the template and the place. This is done where records are made (``logging.setLogRecordFactory``), so that it
holds for every logger and handler of the process. Guarded by tests/core/test_log_private_records.py.
"""

from __future__ import annotations

import logging
import os
import traceback
from typing import Any

ALLOWS_PROMPTS = "HEED_LOG_PROMPTS"
"""The variable that allows prompts and messages of exceptions in the log, where it is 1."""
OWN_TEXTS = (
    *("heed", "streamlit.config", "streamlit.web.bootstrap", "streamlit.web.cli", "uvicorn.error"),
    "streamlit.web.server.starlette.starlette_server",
)
"""Loggers whose texts are written by Heed itself, or before anybody can visit."""
WITHHELD = f"left out, {ALLOWS_PROMPTS}=1 shows it"
LONGEST_CHAIN = 10
"""Most exceptions of a chain that are told."""
FRAMES = 40
"""Most lines of code that are told of one exception."""


def prompts_allowed() -> bool:
    """Returns whether the log may hold prompts and messages of exceptions."""
    return os.environ.get(ALLOWS_PROMPTS, "").strip() == "1"


class PrivateRecord(logging.LogRecord):
    """A log record whose text, values and traceback hold nothing that a visitor wrote.

    ``error`` is the class of the exception that it tells of, or "". As they were written under HEED_LOG_PROMPTS=1.
    """

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        error = self.exc_info[1] if self.exc_info else _error_among(self.args)
        self.error = error_name(error) if error is not None else ""
        if prompts_allowed():
            return
        if self.exc_info and self.exc_info[1] is not None:
            self.exc_text, self.exc_info = private_traceback(self.exc_info[1]), None
        if self.name in OWN_TEXTS:
            self.args = _without_messages(self.args)
        elif self.args:
            self.msg, self.args = f"{self.msg} (its values: {WITHHELD})", None
        else:
            self.msg = f"(a text of {self.pathname}:{self.lineno}: {WITHHELD})"


def error_name(error: BaseException) -> str:
    """Returns the class of an exception and of what it was raised from, with the system's word for an OSError."""
    own = type(error).__name__
    if isinstance(error, OSError) and error.strerror and error.errno is not None:
        own = f"{own} ({os.strerror(error.errno)})"  # never its file
    cause = error.__cause__
    return f"{own} from {type(cause).__name__}" if cause is not None else own


def private_traceback(error: BaseException) -> str:
    """Returns the traceback of an exception and of those before it, the first one first, without their messages."""
    told: list[str] = []
    now: BaseException | None = error
    for _ in range(LONGEST_CHAIN):
        if now is None:
            break
        lines = "".join(traceback.format_tb(now.__traceback__, limit=-FRAMES))
        told.append(f"Traceback (most recent call last):\n{lines}{error_name(now)}: {WITHHELD}")
        now = now.__cause__ or (None if now.__suppress_context__ else now.__context__)
    return "\n\nand then\n\n".join(reversed(told))


def _error_among(values: Any) -> BaseException | None:
    several = values if isinstance(values, tuple) else ()
    return next((value for value in several if isinstance(value, BaseException)), None)


def _without_messages(values: Any) -> Any:
    if not isinstance(values, tuple):
        return values
    return tuple(error_name(value) if isinstance(value, BaseException) else value for value in values)
