"""Runs studies: lays out items as prompts, runs the cells, and makes a table of runs. Lazy: no torch at import.

``Plan`` says what is run, ``Study`` runs it in a SQLite file and reads it back, ``python -m core.study`` does both
from a shell. ``STRUCTURES`` are the ways to lay out a prompt, the suites are built-in items.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
