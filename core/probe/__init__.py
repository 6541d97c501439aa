"""Running a model again on purpose, with parts of the prompt hidden or taken out. Lazy: torch comes when it is used."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
