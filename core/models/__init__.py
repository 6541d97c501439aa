"""From a name to a loaded, checked model. Lazy: importing this package imports nothing heavy."""

from typing import Any

from core.lazy import lookup

_WHERE = {
    "CATALOGUE": "core.models.catalogue",
    "DEFAULT": "core.models.catalogue",
    "resolve": "core.models.names",
    "locate": "core.models.names",
    "status": "core.models.names",
    "prints_date": "core.models.names",
    "known_ref": "core.models.names",
    "estimate": "core.models.memory",
    "fetch": "core.models.fetching",
    "load_model": "core.models.load",
    "loaded": "core.models.load",
    "Model": "core.models.load",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    return lookup(__name__, _WHERE, name)


def __dir__() -> list[str]:
    return sorted(__all__)
