"""Verifiable instructions: detects them, checks whether an answer follows them, and finds where a prompt asks for them.

``INSTRUCTIONS`` holds the 25 kinds of IFEval and Heed's own (``heed:``). Names load lazily.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
