"""Fills in own checks for runs that were stored before the check was added, from their stored answers.

Guarded by tests/core/test_study_own_values.py.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import Cancelled, error_reason
from ..progress import IsCancelled, Progress
from ..records import Item
from . import cell_store, database
from .plan_store import given_plan, own_metrics_of, put_plan
from .quality.metric_value import MetricValue, undefined_value
from .quality.own_metric import JUDGE, OwnMetric, own_value, try_own_metric

TRIED = 200
"""Most stored answers, the longest, on which a new pattern is tried before it is kept."""


def define_own_metrics(db: sqlite3.Connection, metrics: Iterable[OwnMetric]) -> None:
    """Gives a study these own metrics in place of those it has; its next ``run`` computes what is new.

    Raises PromptError, one sentence, for two of one name and for a pattern that does not end on a stored answer.
    """
    before = given_plan(db)
    plan = replace(before, metrics=tuple(metrics))
    sql = "SELECT DISTINCT answer FROM runs WHERE error = '' ORDER BY length(answer) DESC LIMIT ?"
    answers = [row["answer"] or "" for row in database.query_rows(db, sql, [TRIED])]
    for metric in set(plan.metrics) - set(before.metrics):
        try_own_metric(metric, answers)
    put_plan(db, plan)


def cells_lacking_metric(db: sqlite3.Connection, column: str, controls: bool = True) -> list[dict[str, Any]]:
    """Returns the finished cells of the plan that have neither a value of this metric nor a reason why not."""
    database.add_columns(db, [column])
    sql = (
        "SELECT cells.*, runs.answer, runs.why FROM runs JOIN cells USING (cell) WHERE state = 'done' AND wanted "
        f"AND {database.quote_column(column)} IS NULL AND error = ''{'' if controls else ' AND NOT cells.control'} "
        "ORDER BY number"
    )
    return [row for row in database.query_rows(db, sql) if column not in json.loads(row["why"] or "{}")]


def keep_metric_value(db: sqlite3.Connection, cell: str, column: str, value: MetricValue) -> None:
    """Stores one metric of one finished cell, with the reason where it has no value."""
    with database.transaction(db):
        row = db.execute("SELECT why FROM runs WHERE cell = ?", [cell]).fetchone()
        why = {name: said for name, said in json.loads((row and row["why"]) or "{}").items() if name != column}
        if value.value is None:
            why[column] = value.why
        db.execute(
            f"UPDATE runs SET {database.quote_column(column)} = ?, why = ? WHERE cell = ?",
            [database.sql_number(value.value), json.dumps(why), cell],
        )


def fill_own_checks(
    db: sqlite3.Connection, items: Mapping[str, Item], progress: Progress, cancelled: IsCancelled
) -> None:
    """Computes the own checks of all finished runs that lack them. Raises Cancelled."""
    for metric in own_metrics_of(db):
        lacking = [] if metric.kind == JUDGE else cells_lacking_metric(db, metric.column)
        for number, place in enumerate(lacking, 1):
            if cancelled():
                raise Cancelled("Stopped.")
            kept = cell_store.read_cell(db, place["cell"])
            if kept is not None and kept.digest is not None:
                record = cell_store.cell_record(items[place["item"]], kept, None)
                keep_metric_value(db, place["cell"], metric.column, _checked(metric, record))
            progress(number / len(lacking), f"{metric.name}: {number:,} of {len(lacking):,} answers")


def _checked(metric: OwnMetric, record: Any) -> MetricValue:
    try:
        return own_value(metric, record)
    except Exception as error:  # a file of the owner may raise anything
        return undefined_value(f"it failed ({error_reason(error)})")
