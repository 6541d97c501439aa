"""Finds, fetches, loads and checks models. Names load lazily: importing this package imports nothing heavy."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
