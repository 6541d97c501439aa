"""Events of the log: what happened, with the names of session, run, study and job, as fields of one record.

Fields are of a fixed list, so that a prompt cannot slip in under a new name. Who the work is done for is known to the
thread that draws a page (``log_as``); ``keep_log_names`` carries it to the thread that works. Guarded by
tests/core/test_log_events.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import wraps
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

from .private_records import error_name, prompts_allowed

LOG = logging.getLogger("heed")
WHO = ("session", "person")
"""Of the visitor: a random name of the browser's session, which is not its cookie; the key of who signed in."""
EVENT_FIELDS = frozenset(
    (
        *WHO,
        *("run", "study", "job", "model", "kind", "device"),
        *("seconds", "waited", "outcome", "error", "tokens_in", "tokens_out", "count", "bytes", "version"),
    )
)
"""What an event may have. ``seconds`` of work, ``waited``: those in the queue; ``error``: the class of an exception."""

_NAMES: ContextVar[Mapping[str, str]] = ContextVar("heed_log_names", default=MappingProxyType({}))

Given = ParamSpec("Given")
T = TypeVar("T")


def log_as(**names: str) -> None:
    """Says for whom this thread works from now on: ``session`` and ``person``, in every record that it writes.

    Raises ValueError for another name.
    """
    _check_fields(names, WHO)
    _NAMES.set(MappingProxyType({**_NAMES.get(), **names}))


def log_names() -> dict[str, str]:
    """Returns for whom this thread works, without what is not known."""
    return {name: value for name, value in _NAMES.get().items() if value}


def keep_log_names(work: Callable[Given, T]) -> Callable[Given, T]:
    """Returns ``work`` so that it writes under the names that are known here, in whatever thread it is called."""
    names = _NAMES.get()

    @wraps(work)
    def named(*given: Given.args, **more: Given.kwargs) -> T:
        token = _NAMES.set(names)
        try:
            return work(*given, **more)
        finally:
            _NAMES.reset(token)

    return named


def log_event(event: str, *, asked: Any = None, failed: BaseException | None = None, **fields: Any) -> None:
    """Writes one event, such as ``run_made``, with the fields that are known; None is left out.

    ``failed``: the exception, whose class becomes ``error``. ``asked``: the prompt or what
    holds it, written under HEED_LOG_PROMPTS=1 alone. Raises ValueError for a field that is not in ``EVENT_FIELDS``.
    """
    _check_fields(fields, EVENT_FIELDS)
    if failed is not None:
        fields["error"] = error_name(failed)
    known = {name: value for name, value in fields.items() if value not in (None, "")}
    if asked is not None and prompts_allowed():
        known["asked"] = str(asked)
    words = " ".join(f"{name}={value}" for name, value in known.items())
    LOG.info("%s %s", event, words, extra={"event": event, "fields": known}, stacklevel=2)


def _check_fields(given: Mapping[str, Any], known: Any) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"The log has no field {', '.join(unknown)}: there are {', '.join(sorted(known))}.")
