"""What an answer is worth: one registry of metrics, each a function of an Answered record.

``METRICS`` names them, ``score`` takes a run, ``score_answered`` what a study keeps; ``check_instructions`` is the
check of verifiable instructions by itself; ``relevance`` and ``embed`` need a small encoder and many prompts at once.
Names are imported when asked for. Guarded by tests/core/test_quality_metrics.py.
"""

from typing import Any

from core.lazy import lookup

_WHERE = {
    "METRICS": "core.quality.metrics",
    "Metric": "core.quality.metrics",
    "Value": "core.quality.value",
    "Score": "core.quality.scoring",
    "score": "core.quality.scoring",
    "score_answered": "core.quality.scoring",
    "answered": "core.quality.scoring",
    "check_instructions": "core.quality.instructions",
    "relevance": "core.quality.near",
    "embed": "core.quality.minilm",
    "fetch_minilm": "core.quality.minilm",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    return lookup(__name__, _WHERE, name)


def __dir__() -> list[str]:
    return sorted(__all__)
