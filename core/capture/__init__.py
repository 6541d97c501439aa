"""Running a model once: a Request becomes a Trace. Lazy: making a Request imports no torch."""

from typing import Any

from core.lazy import lookup

_WHERE = {
    "make_request": "core.capture.request",
    "run": "core.capture.running",
    "capture": "core.capture.running",
    "capture_all": "core.capture.batch",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    return lookup(__name__, _WHERE, name)
