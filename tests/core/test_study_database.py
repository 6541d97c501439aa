"""Tests of claims and transactions: no two workers take one cell, and cells of a dead process are freed."""

import os
import subprocess
import sys
import time

import pytest

from core.errors import StoreError
from core.study import database


@pytest.fixture
def db(tmp_path):
    made = database.connect(tmp_path / database.FILE)
    rows = [(f"c{n}", n, f"i{n}", "a" if n < 5 else "b", "plain", 0, "m", 0) for n in range(8)]
    made.executemany(
        "INSERT INTO cells (cell, number, item, task, structure, control, model, seed) VALUES (?,?,?,?,?,?,?,?)", rows
    )
    yield made
    made.close()


def names(rows):
    return [row["cell"] for row in rows]


def test_claims_are_disjoint_and_of_one_task(db):
    one, other = database.worker_name(), database.worker_name()
    assert names(database.claim_cells(db, one, "m", 3)) == ["c0", "c1", "c2"]
    assert names(database.claim_cells(db, other, "m", 3)) == ["c3", "c4"], "the next task is another batch"
    assert database.claim_cells(db, one, "n", 3) == []
    database.release_claims(db, one)
    assert names(database.claim_cells(db, other, "m", 9)) == ["c0", "c1", "c2"]


def dead():
    """The worker name of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host, _, started, token = database.worker_name().split(" ")
    return f"{host} {ended.pid} {started} {token}"


def test_what_a_dead_process_held_is_free(db):
    gone, host = dead(), database.worker_name().split(" ")[0]
    assert not database.is_alive(gone, 9e12) and database.is_alive(database.worker_name(), 0)
    assert not database.is_alive(f"{host} {os.getpid()} 1.00 x", 9e12), "another process once had this number"
    assert database.is_alive("elsewhere 1 1.0 x", time.time()) and not database.is_alive("elsewhere 1 1.0 x", 0)
    assert not database.is_alive("elsewhere 1 1.0 x", 9e12), "a claim from before the clock was put back"
    database.claim_cells(db, gone, "m", 3)
    assert names(database.claim_cells(db, database.worker_name(), "m", 3)) == ["c0", "c1", "c2"]


def test_what_kills_its_process_is_tried_alone_and_last(db):
    for _ in range(3):
        assert names(database.claim_cells(db, dead(), "m", 2)) == ["c0", "c1"]
    assert names(database.claim_cells(db, database.worker_name(), "m", 9)) == ["c2", "c3", "c4"], (
        "what is new comes first"
    )
    assert names(database.claim_cells(db, database.worker_name(), "m", 9)) == ["c5", "c6", "c7"]
    assert names(database.claim_cells(db, database.worker_name(), "m", 9)) == ["c0"]
    assert names(database.claim_cells(db, database.worker_name(), "m", 9)) == ["c1"]


def test_a_transaction_is_all_or_nothing(db):
    with pytest.raises(ZeroDivisionError), database.transaction(db):
        database.put_note(db, "x", "1")
        raise ZeroDivisionError
    assert database.get_note(db, "x") is None
    with database.transaction(db):
        database.put_note(db, "x", "1")
    assert database.get_note(db, "x") == "1"


def test_new_columns_are_added_as_they_come(db):
    database.put_row(db, "runs", {"cell": "c0", 'odd "name"': 2.0, "share@last-layer": None})
    database.put_row(db, "runs", {"cell": "c0", "share@last-layer": 0.5})
    row = db.execute("SELECT * FROM runs").fetchone()
    assert row["share@last-layer"] == 0.5 and row['odd "name"'] is None


def test_a_file_that_is_no_database_says_so(tmp_path):
    (tmp_path / "x.sqlite").write_text("no database at all, but text that is long enough" * 9)
    with pytest.raises(StoreError, match=r"is damaged \(file is not a database\): delete its folder and run it again"):
        database.connect(tmp_path / "x.sqlite")
