"""Heed's core: what a language model paid attention to while it wrote, and how far to trust that.

Every page imports this package, so nothing heavy is imported until it is used.
"""

import os

import lazy_loader

# torch's threads wait for each other by spinning, for long. When a browser or a second server wants the same cores,
# spinning starves the thread that is waited for: with one other busy process on 2 cores, 16 tokens took over 10 s
# instead of 2 s. With this limit they take 2 s, and 0.79 s instead of 0.76 s on idle cores. libgomp reads it when torch
# is first imported, so it is set here; a value that is set already stays.
os.environ.setdefault("GOMP_SPINCOUNT", "40000")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
