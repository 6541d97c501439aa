"""Tests of a study's status: counts, the time left, and the line shown to people."""

import time

import pytest

from core.study import database
from core.study.study_status import duration_words, status_of


@pytest.fixture
def db(tmp_path):
    made = database.connect(tmp_path / database.FILE)
    rows = [(f"c{n}", n, f"i{n}", "a", "plain", 0, "mn"[n % 2], 0, n < 39) for n in range(40)]
    names = "cell, number, item, task, structure, control, model, seed, wanted"
    made.executemany(f"INSERT INTO cells ({names}) VALUES (?,?,?,?,?,?,?,?,?)", rows)
    yield made
    made.close()


def finish(db, n, at, error=""):
    row = {"cell": f"c{n}", "finished": at, "error": error, "seconds": 2.0, "near_ties": 1}
    database.put_row(db, "runs", row)
    db.execute("UPDATE cells SET state = ? WHERE cell = ?", ["failed" if error else "done", f"c{n}"])


def test_counts_and_the_line(db):
    assert status_of(db).text == "0 of 39 runs" and status_of(db).fraction == 0
    finish(db, 0, 1.0)
    finish(db, 1, 1.0, "Too long.")
    database.claim_cells(db, database.worker_name(), "m", 3)
    database.claim_cells(db, "elsewhere 1 1.0 x", "n", 2)
    db.execute("UPDATE cells SET claimed = 1 WHERE owner LIKE 'elsewhere%'")
    found = status_of(db)
    assert (found.total, found.done, found.failed, found.running, found.waiting) == (39, 1, 1, 3, 34)
    assert found.reasons == {"Too long.": 1} and found.seconds == 4.0 and found.near_ties == 2
    assert found.by_model["n"].failed == 1 and found.by_model["m"].done == 1
    assert found.text == "1 of 39 runs · 1 failed" and not found.over


def test_the_time_left_is_that_of_the_last_pace(db):
    now = time.time()
    began = now - 1000
    finish(db, 0, began - 5)
    assert status_of(db, began).left_seconds is None, "what was done before says nothing"
    for n in range(1, 4):
        finish(db, n, now)
    assert status_of(db, began).left_seconds == pytest.approx(1000 / 3 * 35, rel=0.01)
    for n in range(4, 12):
        finish(db, n, now)
    db.execute("UPDATE runs SET finished = ? WHERE cell = 'c1'", [now - 100])
    assert status_of(db, began).left_seconds == pytest.approx(100 / 10 * 27, rel=0.05), "loading is left out"
    assert "min left" in status_of(db, began).text


def test_a_duration_is_told_in_words():
    assert [duration_words(s) for s in (0.2, 40, 600, 12000)] == ["1 s", "40 s", "10 min", "3 h 20 min"]
