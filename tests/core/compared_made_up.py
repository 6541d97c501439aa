"""A hand-made comparison of two runs with known numbers, for the tests of the charts; needs no model and no alignment.

Run A was asked "Name one red fruit", run B "Name two red fruit please": one word is replaced, one only B's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from core.records import Agreement, Aligned, Comparison
from tests.core import charts_made_up as made

A, B = ("Name", "one", "red", "fruit", ""), ("Name", "two", "red", "fruit", "please")
SHARES = np.array([[0.10, 0.20, 0.05, 0.30, np.nan], [0.20, 0.15, 0.05, 0.10, 0.25]])
NAMES = ("A · one", "B · two")


def runs() -> tuple[list[Any], list[Any]]:
    """(traces, importances) with the user's words as columns; A's answer has two words, B's one."""
    a, b = made.trace(" ".join(A[:4]), "apple pie"), made.trace(" ".join(B), "cherries")
    one = made.importance(a, values=np.array([[0.1, 0.2, 0.0, 0.4], [0.1, 0.2, 0.1, 0.2]]))
    two = made.importance(b, values=np.array([[0.20, 0.15, 0.05, 0.10, 0.25]]))
    return [a, b], [one, two]


def comparison(**changes: Any) -> Comparison:
    """The comparison; A's value of "please" is NaN, since only B has it: its share is in ``alone``."""
    values = SHARES.copy()
    values[:, 4] = np.nan
    alone = np.full((2, 5), np.nan)
    alone[1, 4] = 0.25
    uniform = np.full((2, 5), 0.1)
    uniform[:, 4] = np.nan
    known: dict[str, Any] = {
        "trace_ids": ("a" * 64, "b" * 64),
        "models": (made.model().caption, made.model().caption),
        "method": "mean-attention",
        "granularity": "word",
        "units": Aligned(("Name", "one", "red", "fruit", "please"), (A, B), [[0, 1, 2, 3, -1], [0, 1, 2, 3, 4]]),
        "values": values,
        "uniform": uniform,
        "pieces": np.array([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]),
        "alone": alone,
        "unaligned": np.array([0.0, 0.25]),
        "status": np.array(
            [
                ["matched", "replaced", "matched", "matched", "deleted"],
                ["matched", "replaced", "matched", "matched", "inserted"],
            ]
        ),
        "shares": {"sink": np.array([0.3, 0.2]), "markup": np.array([0.05, 0.05]), "own output": np.array([0.0, 0.0])},
        "agreements": (
            Agreement(0, 1, "spearman", -0.2, 0.4, 0.1, 4),
            Agreement(0, 1, "cosine", 0.9, 0.8, 0.7, 4),
            Agreement(0, 1, "top-5", np.nan, np.nan, np.nan, 4, "Only 4 words are in both, so any top 5 is all."),
        ),
        "sums_to_one": True,
    }
    return Comparison(**(known | changes))
