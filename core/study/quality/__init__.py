"""Measures the quality of answers: one registry of metrics, each a function of an Answered record.

``METRICS`` names them, ``score`` takes a run, ``score_answered`` what a study stores; ``check_instructions`` checks
verifiable instructions by itself; ``score_relevance`` and ``embed_texts`` need a small encoder and many prompts at
once. Names load lazily. Guarded by tests/core/test_quality_metrics.py.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
