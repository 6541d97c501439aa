"""Runs on disk: saved, found, named, starred, evicted, exported and opened again. No torch is needed to open one.

``files`` knows one run's folder, ``place`` the folder of them all; ``keeping`` saves, evicts and deletes,
``opening`` opens, ``shelf`` finds and names with the help of ``index``; ``serial`` takes records apart,
``exchange`` makes files to send to others, ``comparisons`` one of several runs, ``table`` one for
spreadsheets, ``examples`` brings the runs that come with Heed. Imported lazily, since every page imports this package.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
