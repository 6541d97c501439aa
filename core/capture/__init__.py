"""Runs a model once: turns a Request into a Trace. Names load lazily: making a Request imports no torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
