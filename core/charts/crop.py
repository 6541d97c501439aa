"""Restricts an Importance to some of its rows and columns; what is cut away is added to ``removed``.

Guarded by tests/core/test_importance.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..records import Importance, Units


def crop_importance(importance: Importance, rows: np.ndarray, columns: np.ndarray) -> Importance:
    """Returns ``importance`` with the rows and columns at these indices, in their order; the same object if all are."""
    every = (np.arange(len(units)) for units in (importance.rows, importance.columns))
    if all(np.array_equal(picked, all_of) for picked, all_of in zip((rows, columns), every, strict=True)):
        return importance
    values = importance.values[rows]
    gone = values.sum(1) - values[:, columns].sum(1)
    if importance.parameters.get("sink") == "drop" and importance.unit == "share":
        gone *= 1 - importance.shares["sink"][rows]  # removed is counted in shares of the whole
    return replace(
        importance,
        values=values[:, columns],
        uniform=importance.uniform[rows][:, columns],
        removed=importance.removed[rows] + np.maximum(gone, 0),
        shares={name: share[rows] for name, share in importance.shares.items()},
        rows=_pick(importance.rows, rows),
        columns=_pick(importance.columns, columns),
    )


def _pick(units: Units, picked: np.ndarray) -> Units:
    """Returns some of the units; a token that loses a part of itself keeps the parts that stay, scaled back to one."""
    place = np.full(len(units), -1)
    place[picked] = np.arange(len(picked))
    keep = place[units.unit] >= 0
    token, weight = units.token[keep], units.weight[keep]
    total = np.bincount(token, weight) if len(token) else np.zeros(0)
    return Units(
        granularity=units.granularity,
        labels=[units.labels[i] for i in picked],  # type: ignore[arg-type]
        message=units.message[picked],
        start=units.start[picked],
        end=units.end[picked],
        roles=[units.roles[i] for i in picked],  # type: ignore[arg-type]
        token=token,
        unit=place[units.unit][keep],
        weight=weight / total[token] if len(token) else weight,
    )
