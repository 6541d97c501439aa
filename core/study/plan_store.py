"""Stores the plan of a study in its database: as given, and frozen with all items and held-out examples.

Built-in suites may be corrected in a later Heed; a study that began stays as it is until it is extended with the new
ones. Cells are identified by their prompt and settings, so a plan that grows or an item that is corrected makes new
cells and keeps the rest. Guarded by tests/core/test_study_run.py.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from functools import lru_cache
from hashlib import sha256

from ..errors import HeedError, StoreError
from . import database
from .fixed_batches import put_batches
from .plan import Plan
from .plan_cells import Cell, plan_cells_of
from .quality.own_metric import OwnMetric, own_metric_from
from .shards import check_no_shard


def freeze_plan(plan: Plan) -> Plan:
    """Returns ``plan`` with the items and examples of its suites written out; it has the same cells."""
    items = plan.all_items()
    tasks = dict.fromkeys(item.task for item in items)
    examples = {task: shown for task in tasks if (shown := plan.examples_of(task))}
    return replace(plan, suites=(), items=items, per_task=None, examples=examples)


def put_plan(db: sqlite3.Connection, plan: Plan) -> None:
    """Makes ``plan`` the plan of this study: cells that it shares with the plan before stay as they are.

    Raises StoreError for a shard, whose plan is fixed.
    """
    check_no_shard(db)
    whole = freeze_plan(plan)
    wanted = plan_cells_of(whole)
    with database.transaction(db):
        store_plan(db, plan, whole, wanted)


def store_plan(
    db: sqlite3.Connection, plan: Plan, whole: Plan, wanted: Sequence[Cell], batches: Mapping[str, int] | None = None
) -> None:
    """Stores a plan, as given and frozen, with its list of cells (inside a transaction).

    ``batches``: {cell: its batch} of every cell of a shard; without them, new cells make batches of their own.
    """
    db.execute(
        "INSERT INTO plans (id, at, json, frozen) VALUES (?, ?, ?, ?)",
        [plan.id, time.time(), plan.to_json(), whole.to_json()],
    )
    db.execute("UPDATE cells SET wanted = 0")
    db.executemany(
        "INSERT INTO cells (cell, number, item, task, structure, control, model, seed, steered, factor, batch) "
        f"VALUES (?,?,?,?,?,?,?,?,?,?,{database.NEW_CELL}) "
        "ON CONFLICT (cell) DO UPDATE SET number = excluded.number, wanted = 1, task = excluded.task",
        [
            (c.id, c.number, c.item, c.task, c.structure, int(c.control), c.model, c.seed, c.steered, c.factor)
            for c in wanted
        ],
    )
    if batches is None:
        put_batches(db, wanted)
    else:
        db.executemany("UPDATE cells SET batch = ? WHERE cell = ?", [(batch, cell) for cell, batch in batches.items()])
    _forget_redefined(db, plan.metrics)
    put_plan_notes(db, plan)


def put_plan_notes(db: sqlite3.Connection, plan: Plan) -> None:
    """Writes the notes that follow from ``plan``, whose row is the last of ``plans`` (inside a transaction)."""
    row = db.execute("SELECT json, frozen FROM plans ORDER BY number DESC LIMIT 1").fetchone()
    database.put_note(db, PLAN_HASH, _plan_hash(row["json"], row["frozen"]))
    if database.get_note(db, "date") is None:
        database.put_note(db, "date", date.today().isoformat())
        database.put_note(db, "created", str(time.time()))
    database.put_note(db, "name", plan.name)
    database.put_note(db, OWN_METRICS, json.dumps([metric.plain() for metric in plan.metrics]))


def mended_plan(db: sqlite3.Connection) -> Plan:
    """Returns the last plan with its items; written out anew where only that copy was damaged (inside a transaction).

    Raises StoreError where the plan as it was given was damaged too: its id is the hash of what it says.
    """
    row = db.execute("SELECT * FROM plans ORDER BY number DESC LIMIT 1").fetchone()
    known = database.get_note(db, PLAN_HASH)
    if row is not None and known in (None, _plan_hash(row["json"], row["frozen"])):
        with suppress(HeedError, ValueError):
            return Plan.from_json(row["frozen"])
    given = None
    with suppress(HeedError, ValueError):
        given = None if row is None else Plan.from_json(row["json"])
    if given is None or given.id != row["id"]:
        raise StoreError(_DAMAGED)
    whole = freeze_plan(given)
    db.execute("UPDATE plans SET frozen = ? WHERE number = ?", [whole.to_json(), row["number"]])
    return whole


def given_plan(db: sqlite3.Connection) -> Plan:
    """Returns the last plan as it was given. Raises StoreError where there is none."""
    return _plan_of(_last(db)["json"])


def frozen_plan(db: sqlite3.Connection) -> Plan:
    """Returns the last plan with its items written out. Raises StoreError where there is none."""
    return _plan_of(_last(db)["frozen"])


LONG_PLAN = 100_000
"""Characters of a stored plan from which it is not parsed anew each time that it is asked for."""


def _plan_of(text: str) -> Plan:
    return _kept_plan(text) if len(text) >= LONG_PLAN else Plan.from_json(text)


@lru_cache(4)
def _kept_plan(text: str) -> Plan:
    return Plan.from_json(text)


OWN_METRICS = "own metrics"
"""The note that holds the own metrics of the last plan, which every cell asks for: the plan itself may be long."""
DEFINED = "own metric: "
"""Notes that begin so name a column and hold the metric that its values are of."""


def own_metrics_of(db: sqlite3.Connection) -> tuple[OwnMetric, ...]:
    """Returns the own metrics of the last plan, checks and judges."""
    return _parsed(database.get_note(db, OWN_METRICS) or "[]")


def _forget_redefined(db: sqlite3.Connection, metrics: Iterable[OwnMetric]) -> None:
    """Empties the columns of metrics that were defined in another way before; one taken away keeps its values."""
    for metric in metrics:
        key, text = DEFINED + metric.column, json.dumps(metric.plain())
        if (database.get_note(db, key) or text) != text:
            database.add_columns(db, [metric.column])
            db.execute(f"UPDATE runs SET {database.quote_column(metric.column)} = NULL")
            for row in db.execute("SELECT cell, why FROM runs WHERE why LIKE '%:%'").fetchall():
                why = json.loads(row["why"])
                if why.pop(metric.column, None) is not None:
                    db.execute("UPDATE runs SET why = ? WHERE cell = ?", [json.dumps(why), row["cell"]])
        database.put_note(db, key, text)


@lru_cache(32)
def _parsed(text: str) -> tuple[OwnMetric, ...]:
    return tuple(own_metric_from(one) for one in json.loads(text))


def study_date(db: sqlite3.Connection) -> str:
    """Returns the ISO date that templates print: the day the study began, also when it continues on another day."""
    return database.get_note(db, "date") or date.today().isoformat()


def plan_ids(db: sqlite3.Connection) -> set[str]:
    """Returns the ids of every plan that this study has had."""
    return {row["id"] for row in db.execute("SELECT id FROM plans")}


def _last(db: sqlite3.Connection) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM plans ORDER BY number DESC LIMIT 1").fetchone()
    if row is None:
        raise StoreError("This study has no plan: delete its folder and start it again.")
    known = database.get_note(db, PLAN_HASH)
    if known and known != _plan_hash(row["json"], row["frozen"]):
        raise StoreError(_DAMAGED)
    return row


_DAMAGED = "The plan of this study was damaged on disk: start it again from its plan.json, which keeps the runs."
PLAN_HASH = "plan sha256"
"""The note that holds the hash of the last plan; studies of older versions have none until they are changed."""


def _plan_hash(given: str, frozen: str) -> str:
    return sha256(f"{given}\n{frozen}".encode("utf-8", "surrogatepass")).hexdigest()
