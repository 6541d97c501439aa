"""Instructions that can be verified: what they are, whether an answer follows them, where a prompt asks for them.

``INSTRUCTIONS`` holds the 25 kinds of IFEval and our own (``heed:``). Lazy, as ``core`` itself.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
