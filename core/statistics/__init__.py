"""Statistics over a table of runs: DataFrame in, DataFrame out; nothing here knows a record, a model or a page.

Names come on demand: scikit-learn and statsmodels take a second to import.
"""

from typing import Any

from core.lazy import lookup

_WHERE = {
    "against_control": "core.statistics.pairs",
    "auroc": "core.statistics.separation",
    "correlate": "core.statistics.correlating",
    "forest": "core.statistics.forests",
    "gate": "core.statistics.gates",
    "linked": "core.statistics.family",
    "paired": "core.statistics.pairs",
    "predict": "core.statistics.predicting",
    "q_values": "core.statistics.family",
    "smallest_rho": "core.statistics.gates",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    return lookup(__name__, _WHERE, name)


def __dir__() -> list[str]:
    return sorted(__all__)
