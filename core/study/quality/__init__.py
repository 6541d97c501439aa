"""What an answer is worth: one registry of metrics, each a function of an Answered record.

``METRICS`` names them, ``score`` takes a run, ``score_answered`` what a study keeps; ``check_instructions`` is the
check of verifiable instructions by itself; ``relevance`` and ``embed`` need a small encoder and many prompts at once.
Names are imported when asked for. Guarded by tests/core/test_quality_metrics.py.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
