"""Tests of the hashes of a study's small tables: what changes on disk alone is told and mended, what Heed writes is not."""

import sqlite3

import pytest

from core.errors import StoreError
from core.study import database, mending, plan_store, table_checks
from core.study.table_checks import check_tables
from tests.core import study_tiny


@pytest.fixture
def db(tmp_path):
    (tmp_path / "s").mkdir()
    made = database.connect(tmp_path / "s" / database.FILE)
    plan_store.put_plan(made, study_tiny.plan("tiny-model", 4))
    made.execute("INSERT INTO ratings VALUES ('c', 'me', 4, 1.0)")
    check_tables(made)
    yield made
    made.close()


def on_disk(db, sql):
    """Changes the database as a flipped bit would: past the triggers."""
    path = db.execute("PRAGMA database_list").fetchone()["file"]
    plain = sqlite3.connect(path)
    gone = plain.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in gone:
        plain.execute(f"DROP TRIGGER {name}")
    plain.execute(sql)
    for _, made in gone:
        plain.execute(made)
    plain.commit()
    plain.close()


def listed(db):
    return [tuple(row) for row in db.execute("SELECT * FROM cells WHERE wanted ORDER BY number").fetchall()]


def test_what_heed_writes_is_no_damage(db):
    database.put_note(db, "doing", "x")
    database.put_note(db, "name", "another")
    check_tables(db)
    db.execute("UPDATE ratings SET rating = 2")
    db.execute("UPDATE cells SET state = 'done', owner = 'x', claimed = 5, tries = 1")
    plan_store.put_plan(db, study_tiny.plan("tiny-model", 5))
    check_tables(db)
    check_tables(db)
    database.drop_notes(db, "doing")
    check_tables(db)


@pytest.mark.parametrize(
    "change",
    [
        "seed = 7",
        "wanted = 0",
        "structure = 'instruction_firsu'",
        "model = 'tiny-modem'",
        "state = 'waitjng'",
        "cell = 'x'",
    ],
)
def test_a_changed_cell_is_told_and_listed_anew(db, change):
    before = listed(db)
    on_disk(db, f"UPDATE cells SET {change} WHERE number = 3")
    with pytest.raises(StoreError, match="list of runs was damaged on disk: `.*study mend .*/s`"):
        check_tables(db)
    assert mending.mend_tables(db) == {"meta": 0, "ratings": 0}
    assert listed(db) == before
    check_tables(db)


def test_damaged_notes_and_ratings_are_told_and_deleted(db):
    on_disk(db, "UPDATE meta SET value = 'Tinz' WHERE key = 'name'")
    on_disk(db, "UPDATE ratings SET rating = 5")
    with pytest.raises(StoreError, match="notes and the ratings was damaged"):
        check_tables(db)
    assert mending.mend_tables(db) == {"meta": 1, "ratings": 1}
    assert database.get_note(db, "name") == "Tiny" and not db.execute("SELECT * FROM ratings").fetchall()


def test_a_plan_is_mended_from_what_was_given_where_that_is_intact(db):
    before = plan_store.frozen_plan(db)
    on_disk(db, "UPDATE plans SET frozen = replace(frozen, 'thing 1', 'thimg 1')")
    with pytest.raises(StoreError, match=r"start it again from its plan\.json"):
        plan_store.frozen_plan(db)
    mending.mend_tables(db)
    assert plan_store.frozen_plan(db) == before
    on_disk(db, "UPDATE plans SET json = replace(json, 'thing 1', 'thimg 1'), frozen = replace(frozen, '1', '2')")
    with pytest.raises(StoreError, match=r"plan\.json"):
        mending.mend_tables(db)


def test_a_study_of_an_older_version_is_sealed_when_it_is_read(db):
    on_disk(db, "DELETE FROM row_checks")
    check_tables(db)
    assert db.execute("SELECT count(*) FROM row_checks").fetchone()[0] >= 6
    on_disk(db, "UPDATE ratings SET rater = 'ne'")
    with pytest.raises(StoreError, match="ratings"):
        check_tables(db)


def test_an_older_version_may_write(db):
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('name', 'by an older one')")
    db.execute("INSERT OR REPLACE INTO ratings VALUES ('c', 'me', 1, 2.0)")
    check_tables(db)


def test_a_column_by_another_name_is_told(db):
    with pytest.raises(StoreError, match="damaged"):
        db.execute("SELECT not_there FROM cells")
    with pytest.raises(StoreError, match="damaged"):
        db.execute("SELECT cell FROM cells").fetchone()["celk"]
    assert table_checks.damaged_tables(db) == []


def test_a_study_that_another_process_holds_is_told(db):
    path = db.execute("PRAGMA database_list").fetchone()["file"]
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    db.execute("PRAGMA busy_timeout=1")
    with pytest.raises(StoreError, match="kept the study in .* busy for a minute.*try again"):
        database.put_note(db, "name", "x")
    other.execute("ROLLBACK")
    database.put_note(db, "name", "x")
    other.close()
