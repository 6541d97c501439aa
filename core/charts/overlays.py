"""Overlays for the two shaded texts: lines on hover, marked words, a signed colour under the answer.

None of it belongs to the numbers of the run, so none of it changes ``version``: the texts are not built anew and what a
reader picked stays picked. Everything is given by columns and rows of the importance, as in other charts. Guarded by
tests/core/test_charts_overlays.py.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from .text_labels import plain_text

Lines = Sequence[str | Sequence[str] | None]


class Tint(NamedTuple):
    """A signed number for each row; above 0 in the first colour (orange), below in the second (blue)."""

    values: Sequence[float] | np.ndarray
    """[row] NaN: none."""
    title: str = "log-probability lost"
    unit: str = "nats"
    above: str = "less likely without it"
    """What a value above 0 means, in words, for the legend."""
    below: str = "likelier without it"
    limit: float | None = None
    """The value drawn in the full colour; by default the largest."""


def text_overlays(
    columns: np.ndarray,
    rows: int,
    total: int,
    beside_text: Lines | None,
    marks: Collection[int] | None,
    tint: Tint | Sequence[float] | np.ndarray | None,
) -> dict[str, Any]:
    """Returns ``beside_text``, ``marks`` and ``tint`` as reader.js takes them, without those that are None.

    ``columns`` are the shown columns of ``total``, in their order. Raises ValueError where a length does not fit.
    """
    out: dict[str, Any] = {}
    if beside_text is not None:
        if len(beside_text) != total:
            raise ValueError(f"beside_text has {len(beside_text)} entries for {total} columns.")
        out["beside_text"] = [_lines(beside_text[int(c)]) for c in columns]
    if marks is not None and len(marks):
        wanted = {int(m) for m in marks}
        out["marks"] = [place for place, column in enumerate(columns) if int(column) in wanted]
    if tint is not None:
        out["tint"] = _tint(tint if isinstance(tint, Tint) else Tint(tint), rows)
    return out


def _lines(given: str | Sequence[str] | None) -> list[str]:
    lines = [given] if isinstance(given, str) else list(given or [])
    return [plain_text(str(line)) for line in lines if line]


def _tint(tint: Tint, rows: int) -> dict[str, Any]:
    values = np.asarray(tint.values, dtype="<f4")
    if values.shape != (rows,):
        raise ValueError(f"tint has shape {values.shape}, expected {(rows,)}.")
    known = np.abs(values[np.isfinite(values)])
    limit = tint.limit if tint.limit is not None else float(known.max(initial=0.0))
    return {
        "values": base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii"),
        "limit": limit if math.isfinite(limit) and limit > 0 else 1.0,
        "title": tint.title,
        "unit": tint.unit,
        "above": tint.above,
        "below": tint.below,
    }
