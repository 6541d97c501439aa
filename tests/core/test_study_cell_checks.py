"""Tests of the hashes of a study's cells: a flipped byte is told in one sentence, and `mend` runs the cell again."""

import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest

from core.errors import StoreError
from core.study import cell_checks, cell_store, database, mending, run_tables

TEXT = "An answer that is long enough to be found"


def filled(folder) -> sqlite3.Connection:
    """A database with three finished cells."""
    folder.mkdir(exist_ok=True)
    db = database.connect(folder / database.FILE)
    for n in range(3):
        cell = f"c{n}"
        place = {"cell": cell, "task": "a", "structure": "plain", "control": 0, "model": "m", "seed": 0}
        database.put_row(db, "cells", place | {"number": n, "item": f"i{n}", "state": "done"})
        row = place | {
            "run": "r",
            "prompt_id": f"i{n}",
            "error": "",
            "answer": f"{TEXT} {n}",
            "correct": 0.5,
            "why": "{}",
        }
        database.put_row(db, "runs", row)
        database.put_row(db, "instructions", {"cell": cell, "number": 0, "id": "punctuation:no_comma", "strict": 1.0})
        kept = {"request": "{}", "spans": "[]", "digest": bytes(range(256)) * 40, "effects": '{"effect": 0.25}'}
        database.put_row(db, "kept", {"cell": cell} | kept)
        cell_checks.seal_cell(db, cell)
    return db


@pytest.fixture
def db(tmp_path):
    made = filled(tmp_path / "study")
    database.put_note(made, "name", "My study")
    yield made
    made.close()


def harmed(db, tmp_path, old: bytes, new: bytes) -> sqlite3.Connection:
    """The same study after a change of its file behind SQLite's back."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    path = tmp_path / "study" / database.FILE
    data = path.read_bytes()
    assert old in data and len(old) == len(new)
    path.write_bytes(data.replace(old, new))
    return database.connect(path)


def test_what_is_intact_is_read(db):
    assert list(run_tables.runs_table_of(db, {})["answer"]) == [f"{TEXT} {n}" for n in range(3)]
    assert list(run_tables.instructions_table_of(db)["strict"]) == [1.0] * 3


def test_a_flipped_byte_in_a_row_names_study_cell_and_remedy(db, tmp_path):
    changed = harmed(db, tmp_path, f"{TEXT} 1".encode(), f"{TEXT} 7".encode())
    with pytest.raises(
        StoreError, match=r"'My study' holds a damaged cell \(c1\).*study mend .*/study`.*runs it again"
    ):
        run_tables.runs_table_of(changed, {})
    changed.close()


def test_a_flipped_byte_in_what_is_kept_is_told(db, tmp_path):
    changed = harmed(db, tmp_path, b'{"effect": 0.25}', b'{"effect": 0.35}')
    for read in (lambda: cell_store.read_cell(changed, "c0"), lambda: list(cell_store.read_digests(changed, ["c0"]))):
        with pytest.raises(StoreError, match=r"damaged cell \(c0\)"):
            read()
    changed.close()


def test_a_flipped_byte_in_an_instruction_is_told(db, tmp_path):
    changed = harmed(db, tmp_path, b"punctuation:no_comma", b"punctuation:no_commb")
    with pytest.raises(StoreError, match="3 damaged cells"):
        run_tables.instructions_table_of(changed)
    changed.close()


def test_what_is_changed_on_purpose_is_sealed_when_it_is_read(db):
    db.execute("UPDATE runs SET correct = 1 WHERE cell = 'c1'")
    database.add_columns(db, ["new metric"])
    assert db.execute("SELECT run FROM cell_checks WHERE cell = 'c1'").fetchone()[0] == ""
    assert list(run_tables.runs_table_of(db, {})["correct"]) == [0.5, 1.0, 0.5]
    assert db.execute("SELECT run FROM cell_checks WHERE cell = 'c1'").fetchone()[0] != ""
    assert list(run_tables.runs_table_of(db, {})["correct"]) == [0.5, 1.0, 0.5]


def test_an_old_study_without_hashes_is_read(db):
    for table in ("kept", "runs", "instructions"):
        for event in ("insert", "update", "delete"):
            db.execute(f"DROP TRIGGER {table}_{event}")
    db.execute("DROP TABLE cell_checks")
    path = db.execute("PRAGMA database_list").fetchone()["file"]
    db.close()
    again = database.connect(Path(path))
    assert len(run_tables.runs_table_of(again, {})) == 3 and len(run_tables.instructions_table_of(again)) == 3
    again.close()


def test_mending_runs_only_the_damaged_again(db, tmp_path, monkeypatch):
    monkeypatch.setattr(cell_store, "unpack_digest", lambda data: None)
    monkeypatch.setattr(cell_store, "request_from_text", lambda text: None)
    assert mending.damaged_cells(db) == []
    changed = harmed(db, tmp_path, f"{TEXT} 1".encode(), f"{TEXT} 7".encode())
    assert mending.damaged_cells(changed) == ["c1"]
    mending.drop_cells(changed, ["c1"])
    assert mending.damaged_cells(changed) == []
    assert dict(changed.execute("SELECT cell, state FROM cells").fetchall()) == {
        "c0": "done",
        "c1": "waiting",
        "c2": "done",
    }
    assert list(run_tables.runs_table_of(changed, {})["cell"]) == ["c0", "c2"]
    changed.close()


def test_a_digest_that_cannot_be_read_is_one_sentence(db):
    db.execute("UPDATE kept SET digest = x'00' WHERE cell = 'c2'")  # no hash any more, as in an old study
    for read in (lambda: cell_store.read_cell(db, "c2"), lambda: list(cell_store.read_digests(db, ["c2"]))):
        with pytest.raises(StoreError, match=r"damaged cell \(c2\)"):
            read()


@pytest.mark.parametrize("at", range(0, 12_000, 700))
def test_no_damage_to_the_file_is_a_raw_exception(db, tmp_path, at):
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    path = tmp_path / "study" / database.FILE
    data = bytearray(path.read_bytes())
    data[at : at + 300] = b"\xa5" * 300
    path.write_bytes(data)
    try:
        again = database.connect(path)
        run_tables.runs_table_of(again, {})
        run_tables.instructions_table_of(again)
        mending.damaged_cells(again)
    except StoreError as error:
        assert "damaged" in str(error) or "cannot be opened" in str(error)


def test_a_study_that_cannot_be_written_is_opened_for_reading(db, tmp_path, monkeypatch):
    db.close()
    path = tmp_path / "study" / database.FILE
    monkeypatch.setattr(database, "_prepared", lambda db: (_ for _ in ()).throw(sqlite3.OperationalError("readonly")))
    with database.connect(path) as again:
        assert len(run_tables.runs_table_of(again, {})) == 3
        with pytest.raises(StoreError, match="cannot be written"):
            database.put_note(again, "x", "1")
    again.close()
    with pytest.raises(StoreError, match="cannot be opened"):
        database.connect(tmp_path / "elsewhere" / database.FILE)


def test_a_cell_of_a_newer_heed_is_declined_and_never_deleted(db):
    with pytest.raises(cell_checks.OtherVersion, match="newer Heed wrote: update Heed"):
        cell_store.read_cell(db, "c1")
    with pytest.raises(cell_checks.OtherVersion):
        list(cell_store.read_digests(db, ["c1"]))
    assert mending.damaged_cells(db) == []
    db.execute("DELETE FROM cell_checks")
    assert mending.damaged_cells(db) == ["c0", "c1", "c2"], "without a hash nothing tells it from damage"


def test_many_rows_have_the_hashes_of_single_ones():
    names = ["b", "a", "it's 100 % {0}", 'say "x"', "empty"]
    rows = [
        (1, 0.1, "ä\n", b"\xff", None),
        (None, None, None, None, None),
        (-(2**60), 1e300, "%s %d", "{}", ""),
        (2, 3.0),
    ]
    rows[3] += (None, "x", None)
    plain = [sorted((n, v) for n, v in zip(names, row, strict=True) if v is not None) for row in rows]
    expected = [sha256(repr(one).encode()).hexdigest() for one in plain]
    assert cell_checks.row_hashes(names, rows) == expected
    assert [cell_checks.row_hashes(names, [row])[0] for row in rows] == expected
    assert cell_checks.row_hashes(["a"], [(1,)]) == [sha256(b"[('a', 1)]").hexdigest()]
