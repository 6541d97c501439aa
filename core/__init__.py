"""Heed's core: what a language model paid attention to while it wrote, and how far to trust that.

In a checkout the package is called ``core``, installed it is ``heed``. Every page imports it, so nothing heavy is
imported until it is used.
"""

import os
import sys

import lazy_loader

IS_HEED = True
"""Tells this package from any other ``core``."""

# Two copies in one process would not know each other's records and registries.
_OTHER = sys.modules.get("core" if __name__ == "heed" else "heed")
if getattr(_OTHER, "IS_HEED", False):
    raise ImportError(
        f"Heed is imported already, as {_OTHER.__name__} from {_OTHER.__file__}: a process can hold it once, so import "  # type: ignore[union-attr]
        f"{_OTHER.__name__} here too, or start again with `import {__name__}` alone."  # type: ignore[union-attr]
    )

# torch's threads wait for each other by spinning, for long. When a browser or a second server wants the same cores,
# spinning starves the thread that is waited for: with one other busy process on 2 cores, 16 tokens took over 10 s
# instead of 2 s. With this limit they take 2 s, and 0.79 s instead of 0.76 s on idle cores. libgomp reads it when torch
# is first imported, so it is set here; a value that is set already stays.
os.environ.setdefault("GOMP_SPINCOUNT", "40000")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
