"""From a name to a loaded, checked model. Lazy: importing this package imports nothing heavy."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
