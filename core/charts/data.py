"""Records into a chart without asking the schema about each of them.

``alt.InlineData(values=records)`` checks every record against the whole schema of JSON: 0.35 s for 1,000 records,
2.5 s for the 7,000 cells of a large heatmap. Records are plain values made by our own functions, so they are put in
after the check of an empty list. Guarded by tests/core/test_charts_stability.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt


def inline(records: Sequence[dict[str, Any]]) -> alt.InlineData:
    """``records`` (plain numbers, texts and None) as the data of a chart."""
    data = alt.InlineData(values=[])
    data["values"] = list(records)
    return data
