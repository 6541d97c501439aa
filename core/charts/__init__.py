"""Draws records: Altair charts, static diagrams, the two shaded texts, and a page that needs no server.

The diagrams' functions load lazily from here: ``from core.charts import attention_map``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
