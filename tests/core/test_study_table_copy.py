"""Tests of the Parquet copy of a study's table and of its pages: the same to the bit as the database, or not used."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.large_study import large_plan, large_study
from core.errors import StoreError
from core.study import Study, cell_checks, database, mending, run_tables, table_copy


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """A made-up study of 300 runs and its id."""
    home = tmp_path_factory.mktemp("large")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEED_HOME", str(home))
        return home, large_study(large_plan(15, models=2))


@pytest.fixture
def study(shipped, tmp_path, monkeypatch):
    home, ident = shipped
    shutil.copytree(home, tmp_path / "home")
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(table_copy, "COPIED_FROM", 100)
    opened = Study(ident)
    yield opened
    opened.close()


def of_database(study) -> pd.DataFrame:
    return run_tables.runs_table_of(study.db, study.items(), study.plan.methods)


def equal(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Whether two tables are the same in columns, order, kinds and every bit."""
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    for name in one.columns:
        if one[name].dtype == np.float64:
            assert one[name].to_numpy().tobytes() == other[name].to_numpy().tobytes(), name


@pytest.fixture
def reads(monkeypatch):
    """Counts how often the table is read from the database."""
    seen, real = [], run_tables.runs_table_of
    monkeypatch.setattr(run_tables, "runs_table_of", lambda *given: seen.append(given) or real(*given))
    return seen


def test_the_made_up_study_is_what_heed_writes(study):
    assert study.status().over and study.status().total == 300 and mending.damaged_cells(study.db) == []
    table = study.table()
    assert table.shape == (300, 206) and table["correct"].isna().any() and (table["error"] != "").sum() < 15
    assert {"share_instruction", "sink@value-written", "masked_total_context"} <= set(table)
    cell = table["cell"][0]
    assert study.request(cell).id == table["run"][0] and study.prompt(cell)


def test_the_copy_equals_the_database_to_the_bit(study, reads):
    first = study.table()
    assert len(reads) == 1 and (study.folder / "tables" / "runs.parquet").exists()
    equal(study.table(), first)
    assert len(reads) == 1, "the second comes from the copy"
    equal(first, of_database(study))


def test_what_is_written_makes_the_copy_anew(study, reads):
    study.table()
    cell = study.db.execute("SELECT cell FROM runs WHERE correct = 0").fetchone()["cell"]
    study.db.execute("UPDATE runs SET correct = 1 WHERE cell = ?", [cell])
    assert study.table().set_index("cell")["correct"][cell] == 1 and len(reads) == 2
    assert study.table().set_index("cell")["correct"][cell] == 1 and len(reads) == 2
    study.change(replace(study.plan, structures=study.plan.structures[:3]))
    assert len(study.table()) == 180 and len(reads) == 3, "another plan has other rows"
    study.db.execute("UPDATE cells SET state = 'waiting' WHERE number = 0")
    assert table_copy.table_stamp(study.db) == "" and len(study.table()) == 180 and len(reads) == 4


@pytest.mark.parametrize("name", ["runs.parquet", "runs.json"])
@pytest.mark.parametrize("harm", ["gone", "cut", "flipped", "folder"])
def test_a_damaged_copy_is_never_read(study, reads, name, harm):
    before = study.table()
    path = study.folder / "tables" / name
    data = bytearray(path.read_bytes())
    path.unlink()
    if harm == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif harm == "flipped":
        data[len(data) // 3] ^= 1
        path.write_bytes(data)
    elif harm == "folder":
        path.mkdir()
    equal(study.table(), before)
    assert len(reads) == 2
    equal(study.table(), before)
    assert len(reads) == (3 if harm == "folder" else 2), "and it is made anew"


def test_a_study_that_cannot_be_written_is_read(study, reads, monkeypatch):
    before = of_database(study)

    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(table_copy, "write_file", full)
    study.db.execute("PRAGMA query_only = 1")
    equal(study.table(), before)
    equal(study.table(), before)
    assert not list((study.folder / "tables").iterdir())


def test_small_and_unfinished_studies_have_no_copy(study, monkeypatch):
    monkeypatch.setattr(table_copy, "COPIED_FROM", 301)
    study.table()
    assert not (study.folder / "tables").exists()


def test_a_changed_byte_in_the_database_is_told_where_it_is_read(study):
    study.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = study.folder / database.FILE
    answer = study.db.execute("SELECT answer FROM runs WHERE error = '' LIMIT 1").fetchone()["answer"]
    study.db.close()
    data = path.read_bytes()
    assert data.count(answer.encode()) == 1
    path.write_bytes(data.replace(answer.encode(), answer.replace("a", "b", 1).encode()))
    study.db = database.connect(path)
    with pytest.raises(StoreError, match="damaged cell"):
        study.table()
    assert not (study.folder / "tables").exists()


@pytest.mark.parametrize(("limit", "offset"), [(50, 0), (50, 50), (7, 295), (300, 0), (10, 300)])
def test_a_page_is_a_slice_of_the_whole(study, limit, offset):
    whole = of_database(study).iloc[::-1].reset_index(drop=True)
    page = study.latest_runs(limit, offset)
    wanted = whole.iloc[offset : offset + limit].reset_index(drop=True)
    assert list(page.columns) == list(wanted.columns)
    if len(wanted):
        equal(page, wanted)
    assert len(page) == len(wanted) and study.count_runs() == len(whole)


def test_a_page_with_a_damaged_row_is_told_and_others_are_shown(study):
    cells = list(study.latest_runs(300)["cell"])
    study.db.execute("UPDATE cell_checks SET run = 'x' WHERE cell = ?", [cells[3]])
    with pytest.raises(StoreError, match=f"damaged cell .{cells[3][:12]}"):
        study.latest_runs(10)
    assert list(study.latest_runs(10, 10)["cell"]) == cells[10:20]


def test_one_reading_seals_every_row_unless_somebody_writes_meanwhile(study):
    def unsealed() -> int:
        return int(study.db.execute("SELECT count(*) FROM cell_checks WHERE run = ''").fetchone()[0])

    study.db.execute("UPDATE runs SET near_ties = 1")
    assert unsealed() == 300
    other = database.connect(study.folder / database.FILE)
    parts = cell_checks.checked_runs(study.db, "SELECT * FROM runs")
    next(parts)
    other.execute("UPDATE runs SET near_ties = 2 WHERE cell IN (SELECT cell FROM runs LIMIT 5)")
    other.close()
    for _ in parts:
        pass
    assert mending.damaged_cells(study.db) == [], "no row has the hash of what it held before"
    study.table()
    assert unsealed() == 0 and mending.damaged_cells(study.db) == []


def test_a_study_that_is_done_has_its_copy_at_once(study, reads, monkeypatch):
    monkeypatch.setattr("core.study.study.lacks_relevance", lambda db: False)
    assert study.run(1).over and len(reads) == 1
    study.table()
    assert len(reads) == 1
