"""Statistics over a table of runs: DataFrame in, DataFrame out; nothing here knows a record, a model or a page.

Names come on demand: scikit-learn takes a second to import.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
