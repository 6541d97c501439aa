"""Compares runs by shared words: alignment, agreement, stability, effects of ablation, minimal pairs.

Names load lazily. No module here has the name of a public function, which it would replace once imported.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
