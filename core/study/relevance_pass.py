"""Computes relevance for all answers of a study at once: how near each is to its own prompt among its task's.

The encoder is needed for nothing else; without it the columns stay undefined with a reason. Guarded by
tests/core/test_study_run.py.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Mapping

from ..errors import Cancelled, error_reason
from ..progress import IsCancelled
from . import database
from .shards import shard_of

LOG = logging.getLogger("heed")
RANK, COSINE = RELEVANCE = ("relevance_rank", "relevance_cosine")


def lacks_relevance(db: sqlite3.Connection) -> bool:
    """Returns whether some finished run has neither a relevance nor a reason why not; False in a shard."""
    if shard_of(db) is not None:
        return False  # an answer is compared with the prompts of all shards
    database.add_columns(db, RELEVANCE)
    sql = (
        "SELECT 1 FROM runs JOIN cells USING (cell) WHERE state = 'done' AND wanted "
        f"AND {RANK} IS NULL AND why NOT LIKE '%{RANK}%' LIMIT 1"
    )
    return db.execute(sql).fetchone() is not None


def comparing_text(db: sqlite3.Connection) -> str:
    """Returns that answers are compared with prompts, to stand behind a line of progress; empty where none lacks it."""
    return " · comparing answers with prompts" if lacks_relevance(db) else ""


def fill_relevance(db: sqlite3.Connection, prompts: Mapping[str, str], cancelled: IsCancelled) -> None:
    """Computes and stores the relevance of all finished runs; in a shard none. Raises Cancelled."""
    if shard_of(db) is not None:
        return
    sql = (
        "SELECT runs.cell, prompt_id, runs.task, answer, why FROM runs JOIN cells USING (cell) "
        "WHERE state = 'done' AND wanted"
    )
    rows = [row for row in database.query_rows(db, sql) if row["prompt_id"] in prompts]
    if cancelled():
        raise Cancelled("Stopped.")
    if not rows:
        return
    whys: list[tuple[str, str]]
    values: list[tuple[float | None, float | None]]
    try:
        from .quality import score_relevance as compute

        found = compute(
            [row["answer"] for row in rows], [prompts[row["prompt_id"]] for row in rows], [row["task"] for row in rows]
        )
        values = [
            (database.sql_number(a), database.sql_number(b)) for a, b in zip(found[RANK], found[COSINE], strict=True)
        ]
        whys = list(zip(found["why_rank"], found["why_cosine"], strict=True))
    except Exception as error:
        LOG.warning("Relevance was not computed: %s", error)
        values, whys = [(None, None)] * len(rows), [(error_reason(error),) * 2] * len(rows)
    with database.transaction(db):
        database.add_columns(db, RELEVANCE)
        for row, pair, why in zip(rows, values, whys, strict=True):
            told = json.loads(row["why"] or "{}")
            for name, value, said in zip(RELEVANCE, pair, why, strict=True):
                told.pop(name, None)
                if value is None:
                    told[name] = str(said)
            db.execute(
                f"UPDATE runs SET {RANK} = ?, {COSINE} = ?, why = ? WHERE cell = ?",
                [*pair, json.dumps(told), row["cell"]],
            )
