"""Ablation: runs a model again with parts of the prompt hidden or removed. Names load lazily, torch with them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
