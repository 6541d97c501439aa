"""Makes an Importance of zeros for a run: the units to draw before, or without, any shares.

In a class that guesses first the shares must not be in the page, and a run without attention rows has none; both still
have words to show, to pick and to ablate. Guarded by tests/core/test_importance_empty.py.
"""

from __future__ import annotations

import numpy as np

from ..records import Importance, Trace
from ..text.units import units


def empty_importance(trace: Trace, granularity: str) -> Importance:
    """Returns an Importance of zeros: columns by ``granularity``, rows are the output. Raises MethodError."""
    columns = units(trace.tokens, granularity, range(trace.prompt_length), trace.request.segments)
    rows = units(trace.tokens, granularity, range(trace.prompt_length, len(trace.tokens)))
    shape = (len(rows), len(columns))
    return Importance(
        trace_id=trace.id,
        method="none",
        values=np.zeros(shape, np.float32),
        columns=columns,
        rows=rows,
        unit="score",
        sums_to_one=False,
        removed=np.zeros(len(rows), np.float32),
        uniform=np.zeros(shape, np.float32),
        model=trace.model.caption,
        tokens=trace.tokens,
    )
