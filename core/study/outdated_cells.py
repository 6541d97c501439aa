"""Finds the runs of a study that lack features which reading their answers again would add.

Guarded by tests/core/test_study_run.py.
"""

from __future__ import annotations

import sqlite3

from ..importance.methods import IN_RUN, METHODS
from . import cell_store, database
from .features import column_name
from .plan import Plan


def outdated_cells(db: sqlite3.Connection, plan: Plan) -> list[str]:
    """Returns the cells of the plan whose runs lack features of its methods; see ``Study.outdated``."""
    from .compute import study_records

    found: list[str] = []
    done = "FROM cells JOIN kept USING (cell) WHERE state = 'done' AND wanted AND model = ?"
    for model in plan.models:
        first = db.execute(f"SELECT request {done} LIMIT 1", [model]).fetchone()
        if first is not None:
            have = study_records(cell_store.request_from_text(first["request"]).model)
            able = [m for m in plan.methods if m in METHODS and set(METHODS[m].needs) <= {*IN_RUN, *have}]
            learned = have["weights"].id if "weights" in have else ""
            found += database.cells_lacking(db, model, [column_name("sink", m) for m in able], learned)
    return found
