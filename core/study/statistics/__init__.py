"""Statistics over a table of runs: DataFrame in, DataFrame out, independent of records, models and pages.

Names load lazily: scikit-learn takes a second to import.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
