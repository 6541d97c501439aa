"""Fixes which cells of a study run together, so that a study that was stopped gives the numbers of one that was not.

Batched sums are taken in an order that depends on who shares the batch, so log-probabilities of a cell differ by some
1e-5 from batch to batch. A cell therefore keeps the batch that it got when its plan was stored: consecutive cells of
one model and task, CELLS_AT_A_TIME of them. What a batch had finished when its process ended runs once more beside what
is left and is not stored again. Cells that a plan gains later make batches of their own. Not fixed: cells that failed
and are tried again, answers that are made longer, cells that ended their process three times and run alone, and studies
begun before 0.10. Guarded by tests/core/test_study_fixed_batches.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from . import database
from .plan_cells import Cell

CELLS_AT_A_TIME = 16
"""Cells of a batch, which are claimed at a time and run together."""


def numbered_batches(cells: Sequence[Cell], first: int, size: int = CELLS_AT_A_TIME) -> dict[str, int]:
    """Returns {cell: its batch}, counted from ``first``: consecutive cells of one model and task, ``size`` each."""
    found: dict[str, int] = {}
    for _, some in groupby(sorted(cells, key=_place), key=lambda cell: _place(cell)[:2]):
        for at, cell in enumerate(some):
            first += at > 0 and at % size == 0
            found[cell.id] = first
        first += 1
    return found


def put_batches(db: sqlite3.Connection, cells: Sequence[Cell], size: int = CELLS_AT_A_TIME) -> None:
    """Gives a batch to those of ``cells`` that are new and have none yet (inside a transaction)."""
    known = db.execute("SELECT cell, batch FROM cells").fetchall()
    new = {row["cell"] for row in known if row["batch"] == database.NEW_CELL}
    last = max((row["batch"] for row in known), default=-1)
    batches = numbered_batches([cell for cell in cells if cell.id in new], max(last + 1, 0), size)
    db.executemany("UPDATE cells SET batch = ? WHERE cell = ?", [(batch, cell) for cell, batch in batches.items()])


def cells_beside(
    db: sqlite3.Connection, claimed: Sequence[Mapping[str, Any]], pilot: bool = False
) -> list[dict[str, Any]]:
    """Returns the cells of the claimed ones' batch that are over already, and have to run beside them once more."""
    batch = claimed[0]["batch"] if claimed else database.NO_BATCH
    if batch < 0 or claimed[0]["tries"] > 2:
        return []
    where = "batch = ? AND wanted AND state IN ('done', 'failed')" + (" AND pilot" if pilot else "")
    return database.query_rows(db, f"SELECT * FROM cells WHERE {where} ORDER BY number", [batch])


def _place(cell: Cell) -> tuple[str, str, int]:
    return cell.model, cell.task, cell.number
