"""Several runs by the same words: aligning, comparing, agreement, stability, minimal pairs.

Lazy, as ``core`` itself. No module here has the name of a function (see core.lazy).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
