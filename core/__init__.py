"""Heed's core: what a language model paid attention to while it wrote, and how far to trust that.

Every page imports this package, so nothing heavy is imported until it is used.
"""

import os
from importlib import import_module
from typing import Any

# torch's threads wait for each other by spinning. When a browser or a second server wants the same cores, spinning
# starves the thread that is waited for: a run on 2 busy cores took over 60 s instead of 1.5 s. Read by libgomp when
# torch is first imported, so it is set here; whoever sets it themselves keeps their value.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

_WHERE = {
    "load_model": "core.models",
    "run": "core.capture",
    "explain": "core.importance",
    "METHODS": "core.importance",
    "CATALOGUE": "core.models",
    "HeedError": "core.errors",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'core' has no attribute {name!r}; it has {', '.join(_WHERE)}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
