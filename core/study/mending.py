"""Mends a study that was damaged on disk: deletes damaged cells, so that they run again, and lists cells anew.

The list of cells follows from the plan; notes and ratings that are not what was written are deleted.

Guarded by tests/core/test_study_cell_checks.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from ..errors import StoreError
from . import database, plan_store, shards, table_checks
from .cell_checks import OtherVersion, run_hash, told_hash
from .cell_store import read_cell
from .plan_cells import Cell, plan_cells_of


def damaged_cells(db: sqlite3.Connection) -> list[str]:
    """Returns the finished cells that do not hold what was written, or cannot be read at all."""
    bad = []
    for known in db.execute("SELECT * FROM cell_checks").fetchall():
        cell = known["cell"]
        seen = {"run": run_hash(db, cell), "told": told_hash(db, cell)}
        if any(known[name] and known[name] != seen[name] for name in seen):
            bad.append(cell)
    for row in db.execute("SELECT cell FROM kept").fetchall():
        try:
            read_cell(db, row["cell"])
        except OtherVersion:
            continue
        except StoreError:
            bad.append(row["cell"])
    return list(dict.fromkeys(bad))


def drop_cells(db: sqlite3.Connection, cells: Iterable[str]) -> None:
    """Deletes what is stored of these cells, ratings excepted, so that they are run again; all of it or nothing."""
    with database.transaction(db):
        for cell in cells:
            for table in ("kept", "runs", "instructions", "cell_checks"):
                db.execute(f"DELETE FROM {table} WHERE cell = ?", [cell])
            db.execute("UPDATE cells SET state = 'waiting', owner = '', tries = 0 WHERE cell = ?", [cell])


def mend_tables(db: sqlite3.Connection) -> dict[str, int]:
    """Builds indexes and the list of cells anew from the plan; returns {table: rows of it that had to be deleted}.

    A finished cell stays finished. Raises StoreError where the plan itself was damaged.
    """
    db.execute("REINDEX")
    with database.transaction(db):
        bad = table_checks.damaged_tables(db)
        gone = table_checks.drop_damaged_rows(db)
        plan = plan_store.mended_plan(db)
        shards.mend_shard_note(db)
        if "cells" in bad:
            _list_anew(db, plan_cells_of(plan))
        if bad:
            plan_store.put_plan_notes(db, plan)
    table_checks.check_tables(db)
    return gone


def _list_anew(db: sqlite3.Connection, wanted: list[Cell]) -> None:
    """Writes the list of cells as the plan has it (inside a transaction); states follow from what is stored.

    Of a shard it is the shard's part of the plan.
    """
    batches = shards.listed_batches(db, wanted)
    wanted = [cell for cell in wanted if cell.id in batches]
    over = {row["cell"]: row["error"] for row in db.execute("SELECT cell, error FROM runs").fetchall()}
    planned = {cell.id for cell in wanted}
    for row in db.execute("SELECT cell FROM cells").fetchall():
        if row["cell"] not in planned and row["cell"] not in over:
            db.execute("DELETE FROM cells WHERE cell = ?", [row["cell"]])
    db.execute("UPDATE cells SET wanted = 0")
    for cell in wanted:
        facts = [cell.number, cell.item, cell.task, cell.structure, int(cell.control), cell.model, cell.seed]
        state = "waiting" if cell.id not in over else "failed" if over[cell.id] else "done"
        db.execute(
            "INSERT OR REPLACE INTO cells (cell, number, item, task, structure, control, model, seed, steered, factor, "
            "batch, state) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            [cell.id, *facts, cell.steered, cell.factor, batches[cell.id], state],
        )
