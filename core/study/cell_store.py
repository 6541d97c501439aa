"""Stores finished cells of a study, one transaction per cell, and reads them back as records.

Guarded by tests/core/test_study_run.py.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import StoreError
from ..records import Answered, Digest, Instruction, Item, MessageSpan, Request
from ..store.serialise import from_plain, to_plain
from . import cell_checks, database, table_rows
from .digest import pack_digest, unpack_digest
from .plan_store import own_metrics_of
from .quality.metrics import get_metric, metric_columns
from .quality.own_metric import OwnMetric
from .unsteered_runs import PLAIN_LOGPROB


@dataclass(frozen=True)
class KeptCell:
    """The stored contents of one finished cell."""

    cell: str
    request: Request
    spans: tuple[tuple[MessageSpan, ...], ...]
    """Spans of each of the item's instructions."""
    digest: Digest | None
    effects: Mapping[str, float]


@dataclass(frozen=True)
class CellRows:
    """What one finished cell writes to each table; made where the cell ran, so that who writes has little to do."""

    kept: dict[str, Any]
    run: dict[str, Any]
    instructions: list[dict[str, Any]]


def rows_of_cell(
    place: Mapping[str, Any],
    item: Item,
    kept: KeptCell,
    facts: Mapping[str, Any],
    own: Iterable[OwnMetric] = (),
) -> CellRows:
    """Returns the rows of a finished cell that nobody has rated.

    ``place`` is its row in ``cells``; ``facts``: error, seconds, near_ties, prompt_tokens, output_tokens; ``own``:
    metrics of the plan.
    """
    row, told = cell_rows(place, item, kept, facts, item.rating, own)
    contents = {
        "cell": kept.cell,
        "request": json.dumps(to_plain(kept.request)[0]),
        "spans": json.dumps(kept.spans),
        "digest": None if kept.digest is None else pack_digest(kept.digest),
        "effects": json.dumps(dict(kept.effects)),
    }
    return CellRows(contents, row, told)


def was_rated(db: sqlite3.Connection, cell: str) -> bool:
    """Returns whether a person has rated this cell's answer."""
    return db.execute("SELECT 1 FROM ratings WHERE cell = ?", [cell]).fetchone() is not None


def write_cell(db: sqlite3.Connection, rows: CellRows) -> None:
    """Writes a finished cell to all tables: its contents, its row, its instructions' rows, and its state."""
    cell = rows.kept["cell"]
    with database.transaction(db):
        database.put_row(db, "kept", rows.kept)
        _rows(db, rows.run, rows.instructions)
        cell_checks.seal_cell(db, cell)
        database.drop_notes(db, database.AGAIN + cell)
        _state(db, cell, "failed" if rows.run["error"] else "done")


def fail_cell(db: sqlite3.Connection, place: Mapping[str, Any], why: str) -> None:
    """Stores the reason of a cell that could not be run."""
    row = _place(place) | {"error": why, "answer": "", "why": "{}", "run": "", "finished": time.time()}
    with database.transaction(db):
        _rows(db, row, [])
        cell_checks.seal_cell(db, place["cell"])
        database.drop_notes(db, database.AGAIN + place["cell"])
        _state(db, place["cell"], "failed")


def cell_rows(
    place: Mapping[str, Any],
    item: Item,
    kept: KeptCell,
    facts: Mapping[str, Any],
    rating: float | None,
    own: Iterable[OwnMetric] = (),
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns (row of ``runs``, rows of ``instructions``) of a cell."""
    row = _place(place) | dict(facts) | {"run": kept.request.id, "why": "{}", "answer": "", "finished": time.time()}
    if kept.digest is None:
        return row, []
    record = cell_record(item, kept, rating)
    found, why = table_rows.run_values(record, kept.digest, kept.effects, own)
    row |= {"finish": kept.digest.finish, "truncated": int(kept.digest.truncated), "answer": kept.digest.answer}
    row |= found | {"why": json.dumps(why)}
    if PLAIN_LOGPROB in kept.effects:
        row[PLAIN_LOGPROB] = database.sql_number(kept.effects[PLAIN_LOGPROB])
    if kept.digest.learned:
        row[database.LEARNED_WEIGHTS] = database.weights_number(kept.digest.learned)
    which = {
        k: row[k] for k in ("cell", "run", "prompt_id", "task", "structure", "control", "model", "steered", "factor")
    }
    return row, [which | one for one in table_rows.instruction_rows(record, kept.digest, kept.effects)]


def cell_record(item: Item, kept: KeptCell, rating: float | None) -> Answered:
    """Returns the input of metrics, with the spans that the item's instructions have in this run's prompt."""
    assert kept.digest is not None
    spans = [*kept.spans, *[()] * len(item.instructions)]
    told = tuple(Instruction(i.id, i.kwargs, s, i.text) for i, s in zip(item.instructions, spans, strict=False))
    return table_rows.answered_of_digest(item, kept.request, kept.digest, told, rating)


def replace_digest(db: sqlite3.Connection, place: Mapping[str, Any], item: Item, found: Digest) -> None:
    """Stores a new digest of a finished cell, computes its rows anew, and marks it as done: all of it or nothing."""
    old = db.execute("SELECT * FROM runs WHERE cell = ?", [place["cell"]]).fetchone()
    kept = read_cell(db, place["cell"])
    if old is None or kept is None:
        return
    row, told = _rows_anew(db, place, item, old, replace(kept, digest=found))
    with database.transaction(db):
        db.execute("UPDATE kept SET digest = ? WHERE cell = ?", [pack_digest(found), place["cell"]])
        _rows(db, row | {"finished": time.time()}, told)
        cell_checks.seal_cell(db, place["cell"])
        database.drop_notes(db, database.AGAIN + place["cell"])
        _state(db, place["cell"], "done")


def recompute_cell(db: sqlite3.Connection, place: Mapping[str, Any], item: Item) -> None:
    """Computes the rows of one finished cell anew from its stored contents, with the item as it is now."""
    old = db.execute("SELECT * FROM runs WHERE cell = ?", [place["cell"]]).fetchone()
    kept = read_cell(db, place["cell"])
    if old is None or kept is None or kept.digest is None:
        return
    row, told = _rows_anew(db, place, item, old, kept)
    with database.transaction(db):
        _rows(db, row | {"finished": old["finished"]}, told)
        cell_checks.seal_cell(db, place["cell"])


def _rows_anew(
    db: sqlite3.Connection, place: Mapping[str, Any], item: Item, old: sqlite3.Row, kept: KeptCell
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns the rows of a cell computed anew; facts, and metrics that are computed later, stay as in ``old``."""
    names = ("error", "seconds", "near_ties", "prompt_tokens", "output_tokens")
    facts = {name: old[name] for name in names}
    row, told = cell_rows(place, item, kept, facts, _rating(db, place["cell"], item), own_metrics_of(db))
    late = {name: old[name] for name in metric_columns(old.keys()) if is_late(name)}
    why = {name: said for name, said in json.loads(old["why"] or "{}").items() if name in late}
    return row | late | {"why": json.dumps(json.loads(row["why"]) | why)}, told


def is_late(column: str) -> bool:
    """Returns whether a metric's values are stored after the runs, and not computed with them."""
    metric = get_metric(column)
    return metric is not None and metric.late


def read_cell(db: sqlite3.Connection, cell: str) -> KeptCell | None:
    """Returns the stored contents of a cell; None where it is not done. Raises StoreError for a damaged one."""
    row = db.execute("SELECT * FROM kept WHERE cell = ?", [cell]).fetchone()
    if row is None:
        return None
    cell_checks.check_kept(db, row)
    try:
        spans = tuple(tuple((int(m), int(a), int(b)) for m, a, b in some) for some in json.loads(row["spans"]))
        digest = None if row["digest"] is None else unpack_digest(row["digest"])
        return KeptCell(cell, request_from_text(row["request"]), spans, digest, json.loads(row["effects"]))
    except (ValueError, TypeError, LookupError, RecursionError, StoreError) as error:
        raise cell_checks.unreadable_cell(db, cell) from error


def request_from_text(text: str) -> Request:
    """Parses a stored Request. Raises StoreError."""
    request = from_plain(json.loads(text), {})
    if not isinstance(request, Request):
        raise StoreError("The study holds something else where a request should be: run it again.")
    return request


def read_digests(db: sqlite3.Connection, cells: list[str]) -> Iterator[tuple[str, Digest | None]]:
    """Yields (cell, its digest) one after another. Raises StoreError for a damaged one."""
    for cell in cells:
        row = db.execute("SELECT * FROM kept WHERE cell = ?", [cell]).fetchone()
        if row is None or row["digest"] is None:
            yield cell, None
            continue
        cell_checks.check_kept(db, row)
        try:
            digest = unpack_digest(row["digest"])
        except StoreError as error:
            raise cell_checks.unreadable_cell(db, cell) from error
        yield cell, digest


def _place(place: Mapping[str, Any]) -> dict[str, Any]:
    same = ("cell", "task", "structure", "control", "model", "seed", "steered", "factor")
    return {name: place[name] for name in same} | {"prompt_id": place["item"]}


def _rows(db: sqlite3.Connection, row: Mapping[str, Any], told: list[dict[str, Any]]) -> None:
    database.put_row(db, "runs", row)
    db.execute("DELETE FROM instructions WHERE cell = ?", [row["cell"]])
    for one in told:
        database.put_row(db, "instructions", one)


def _state(db: sqlite3.Connection, cell: str, state: str) -> None:
    db.execute("UPDATE cells SET state = ?, owner = '' WHERE cell = ?", [state, cell])


def _rating(db: sqlite3.Connection, cell: str, item: Item) -> float | None:
    """Returns the mean over raters, else the rating that came with the item."""
    row = db.execute("SELECT avg(rating) AS mean FROM ratings WHERE cell = ?", [cell]).fetchone()
    return item.rating if row["mean"] is None else float(row["mean"])
