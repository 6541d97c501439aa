"""Correlates columns of a study's table of runs, with pairs that are linked by construction marked.

Guarded by tests/core/test_study_links.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .links import link_reason
from .statistics.correlation import correlate_table
from .unsteered_runs import unsteered

if TYPE_CHECKING:
    import pandas as pd


def correlate(table: pd.DataFrame, features: Sequence[str], metrics: Sequence[str], **settings: Any) -> pd.DataFrame:
    """Returns rank correlations of features with metrics over a study's runs, as ``statistics.correlate_table``.

    ``settings``: those of ``correlate_table``. Pairs that are linked by construction are shown and left out of the
    family of tests, unless ``linked`` says otherwise. Steered runs are left out. Raises StudyError, one sentence.
    """
    table = unsteered(table) if hasattr(table, "columns") else table
    return correlate_table(table, features, metrics, **{"linked": link_reason, **settings})
