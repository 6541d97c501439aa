"""Names of a package that are imported only when they are asked for: pages import core without paying for torch.

A package's ``__getattr__`` calls ``lookup``; ``where`` is its table {name: module}. A name must differ from its module,
since importing a module binds the module's own name in the package. Guarded by tests/core/test_lazy.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def lookup(package: str, where: Mapping[str, str], name: str) -> Any:
    """What ``package`` calls ``name``. Raises AttributeError, which lists the known names."""
    if name not in where:
        raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {', '.join(where)}")
    return getattr(import_module(where[name]), name)
