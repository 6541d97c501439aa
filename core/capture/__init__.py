"""Running a model once: a Request becomes a Trace. Lazy: making a Request imports no torch."""

from importlib import import_module
from typing import Any

_WHERE = {
    "make_request": "core.capture.request",
    "run": "core.capture.run",
    "capture": "core.capture.run",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'core.capture' has no attribute {name!r}; it has {', '.join(_WHERE)}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value  # "run" is also the name of a module, which the import has just put here
    return value
