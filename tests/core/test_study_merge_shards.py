"""Tests that merged shards equal one study, bit for bit, and that what is missing, doubled or different is said."""

import json
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from core.errors import StoreError
from core.store.serialise import to_plain
from core.study import cell_checks, cell_copies, commands, database, ran_with, shard_folders
from core.study import merge_shards as merging
from core.study.cell_store import fail_cell, request_from_text
from core.study.merge_shards import merge_shards
from core.study.ratings import put_rating, rating_cards
from core.study.shard_folders import study_folders_below, write_shards
from core.study.study import Study, list_studies
from core.study.worker import Worker
from tests.core import shards_made_up
from tests.core.shards_made_up import numbers, places

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A plan on two models, its study in one process, and its shards: written, and run."""
    root = tmp_path_factory.mktemp("shards")
    plan = shards_made_up.plan(shards_made_up.two_models(root), 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEED_HOME", str(root / "home"))
        with closing(Study(plan)) as study:
            study.run(1)
            whole = numbers(study), places(study)
        patch.setenv("HEED_HOME", str(root / "other-home"))
        path = root / "plan.json"
        path.write_text(plan.to_json())
        write_shards(str(path), 4, root / "cut")
        shutil.copytree(root / "cut", root / "run")
        for folder in study_folders_below(root / "run"):
            with closing(Study(str(folder))) as shard:
                assert shard.run(1).over
    return plan, whole, root


@pytest.fixture
def shards(made, tmp_path, monkeypatch):
    """A copy of the shards that were run, at another place, beside an empty home."""
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    return shutil.copytree(made[2] / "run", tmp_path / "shards")


def opened(folder):
    return closing(Study(str(folder)))


def changed(folder, what, **more):
    """Changes the request of every finished run of a shard, and seals it as if it had been asked so."""
    with opened(folder) as shard:
        for row in database.query_rows(shard.db, "SELECT cell, request FROM kept"):
            request = request_from_text(row["request"])
            if what == "model":
                request = replace(request, model=replace(request.model, **more))
            elif what == "versions":
                request = replace(request, versions=tuple(sorted((dict(request.versions) | more).items())))
            else:
                request = replace(request, **more)
            plain = json.dumps(to_plain(request)[0])
            shard.db.execute("UPDATE kept SET request = ? WHERE cell = ?", [plain, row["cell"]])
            shard.db.execute("UPDATE runs SET run = ? WHERE cell = ?", [request.id, row["cell"]])
            cell_checks.seal_cell(shard.db, row["cell"])


def test_merged_shards_equal_a_study_in_one_process(made, shards, capsys):
    plan, (whole, listed), _ = made
    assert commands.main(["merge", str(shards)]) == 0
    said = capsys.readouterr().out
    assert "28 runs taken from 4 shards, 0 were there already" in said and "28 of 28 runs" in said
    with closing(Study(plan)) as study:
        assert f"study run {study.id}` adds relevance; it runs nothing else." in said
        finished = dict(study.db.execute("SELECT cell, finished FROM runs").fetchall())
        study.run(1)
        assert dict(study.db.execute("SELECT cell, finished FROM runs").fetchall()) == finished
        assert numbers(study) == whole and places(study) == listed and len(whole) == 28
        table = study.table()
        assert table["own:any"].notna().all() and set(table["steered"]) == {"", "instruction"}
        assert database.cell_notes(study.db, ran_with.RAN_WITH), "it says by what it was run"
        before = study.db.execute("SELECT * FROM cell_checks ORDER BY cell").fetchall()
    assert commands.main(["merge", str(shards)]) == 0
    assert "0 runs taken from 4 shards, 28 were there already" in capsys.readouterr().out
    with closing(Study(plan)) as study:
        assert numbers(study) == whole, "merging twice changes nothing"
        assert study.db.execute("SELECT * FROM cell_checks ORDER BY cell").fetchall() == before


def test_a_shard_that_was_stopped_goes_on_and_equals_the_study(made, tmp_path, monkeypatch):
    _, (whole, _), root = made
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    folder = shutil.copytree(root / "cut" / "01", tmp_path / "elsewhere")
    for stop in (2, 3):
        count = iter(range(stop))
        worker = Worker(folder, cancelled=lambda count=count: next(count, None) is None)
        worker.work()
        worker.close()
    with opened(folder) as shard:
        early = shard.status().done
        assert shard.run(1).over and early < shard.status().total
        found = numbers(shard)
    with_late = {cell: row for cell, row in whole.items() if cell in found}
    assert {c: row[:5] for c, row in found.items()} == {c: row[:5] for c, row in with_late.items()}


def test_a_shard_that_splits_a_batch_gives_other_numbers(made, tmp_path, monkeypatch):
    """What is equal above can differ."""
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    cut = shard_folders.cut_shards
    monkeypatch.setattr(shard_folders, "cut_shards", lambda cells, n: [dict(list(cut(cells, n)[0].items())[:1])])
    write_shards(str(made[2] / "plan.json"), 4, tmp_path / "shards")
    with opened(tmp_path / "shards" / "00") as shard:
        shard.run(1)
        found = numbers(shard)
    assert len(found) == 1 and any(made[1][0][cell][3:5] != row[3:5] for cell, row in found.items())


def test_runs_that_the_plan_does_not_list_are_told(made, shards):
    assert merge_shards(shards).whole
    with closing(Study(made[0])) as study:
        cell = study.db.execute("SELECT cell FROM cells ORDER BY number").fetchone()["cell"]
        for table in ("cells", "kept", "runs"):
            study.db.execute(f"DELETE FROM {table} WHERE cell = ?", [cell])
        found = merge_shards(shards)
    assert found.problems == [
        f"1 run is in {shards / '00'} and not in the study's list: another Heed wrote it; merge with that one."
    ]


def test_a_missing_part_is_named_and_merged_later(made, shards, tmp_path):
    plan, (whole, _), _ = made
    shutil.move(shards / "02", tmp_path / "late")
    found = merge_shards(shards, str(tmp_path / "study"))
    assert not found.whole and found.problems == [f"{shards / '02'} is not there: 7 runs are missing."]
    assert sum(found.taken.values()) == 21 and found.remarks == []
    shutil.move(tmp_path / "late", shards / "02")
    found = merge_shards(shards, str(tmp_path / "study"))
    assert found.whole and found.taken == {"00": 0, "01": 0, "02": 7, "03": 0} and found.there == 21
    with opened(tmp_path / "study") as study:
        study.run(1)
        assert numbers(study) == whole
    for name in ("00", "01", "02"):
        shutil.rmtree(shards / name)
    assert merge_shards(shards, str(tmp_path / "study")).whole, "what the study has is not missing"


def test_a_merge_that_is_killed_is_done_again(made, shards, monkeypatch):
    """Within a shard nothing was taken, and the shards before stay."""
    copy, count = cell_copies.copy_cells, 0

    def killed(source, target, cells):
        nonlocal count
        count += 1
        copy(source, target, cells if count < 3 else list(cells)[:4])
        if count == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(merging, "copy_cells", killed)
    with pytest.raises(KeyboardInterrupt):
        merge_shards(shards)
    with closing(Study(made[0])) as study:
        assert study.status().done == 14 == study.db.execute("SELECT count(*) FROM kept").fetchone()[0]
    monkeypatch.undo()
    monkeypatch.setenv("HEED_HOME", str(shards.parent / "home"))
    assert merge_shards(shards).whole
    with closing(Study(made[0])) as study:
        study.run(1)
        assert numbers(study) == made[1][0]


def test_a_shard_that_is_there_twice_is_taken_once_where_both_agree(made, shards):
    shutil.copytree(shards / "01", shards / "01-copy")
    found = merge_shards(shards)
    assert (
        found.whole
        and f"7 runs are in {shards / '01'} and {shards / '01-copy'} alike, and taken once." in found.remarks
    )
    assert sum(found.taken.values()) == 28
    with closing(Study(made[0])) as study:
        study.run(1)
        assert numbers(study) == made[1][0]


def test_two_shards_with_different_runs_of_one_cell_are_both_left_out(made, shards):
    shutil.copytree(shards / "01", shards / "01-copy")
    with opened(shards / "01-copy") as shard:
        cell = shard.db.execute("SELECT cell FROM kept").fetchone()["cell"]
        shard.db.execute("UPDATE kept SET effects = '{\"other\": 1.0}' WHERE cell = ?", [cell])
        cell_checks.seal_cell(shard.db, cell)
    found = merge_shards(shards)
    pair = f"{shards / '01'} and {shards / '01-copy'}"
    assert found.problems[0] == (
        f"{pair} are left out: 1 run in both and different; delete the one that you do not want."
    )
    assert found.problems[1] == f"{shards / '01'} was left out: 7 runs are missing." and len(found.taken) == 3
    shutil.rmtree(shards / "01-copy")
    assert merge_shards(shards).whole
    with opened(shards / "01") as shard:  # the study has it by now, and keeps it
        shard.db.execute("UPDATE kept SET effects = '{\"other\": 1.0}' WHERE cell = ?", [cell])
        cell_checks.seal_cell(shard.db, cell)
    found = merge_shards(shards)
    assert found.whole and f"1 run of {shards / '01'} differs from what the study has, which stays." in found.remarks
    with closing(Study(made[0])) as study:
        study.run(1)
        assert numbers(study) == made[1][0]


@pytest.mark.parametrize(
    ("what", "more", "told"),
    [
        ("versions", {"torch": "1.2.3"}, "was run with torch 1.2.3, the others with torch"),
        (
            "model",
            {"fingerprint": "f" * 64},
            r"other files of the model .* \(fingerprint ffffffffffff, the others \w{12}\)",
        ),
        ("model", {"dtype": "bfloat16"}, "in bfloat16, the others in float32"),
    ],
)
def test_a_shard_that_was_made_by_something_else_is_left_out(made, shards, what, more, told):
    changed(shards / "03", what, **more)
    found = merge_shards(shards)
    assert len(found.problems) == 2 and list(found.taken) == ["00", "01", "02"]
    assert re.search(f"03 is left out: it .*{told}.*; delete it, cut the plan again", found.problems[0]), found.problems
    assert found.problems[1] == f"{shards / '03'} was left out: 7 runs are missing."
    with closing(Study(made[0])) as study:
        assert study.status().done == 21


def test_what_the_study_has_decides_by_what_shards_must_be_made(made, shards):
    shutil.move(shards / "00", shards.parent / "first")
    shutil.copytree(shards.parent / "first", shards / "00")
    for name in ("01", "02", "03"):
        changed(shards / name, "versions", transformers="1.0")
        shutil.move(shards / name, shards.parent / name)
    assert list(merge_shards(shards).taken) == ["00"]
    for name in ("01", "02", "03"):
        shutil.move(shards.parent / name, shards / name)
    found = merge_shards(shards)
    assert sum("with transformers 1.0, the study with transformers" in said for said in found.problems) == 3
    assert list(found.taken) == ["00"] and found.there == 7 and "or give --into another folder." in found.problems[0]
    assert sorted(merge_shards(shards, str(shards.parent / "anew")).taken) == ["01", "02", "03"], "most decide there"


def test_another_heed_is_left_out_and_another_device_only_said(shards):
    with opened(shards / "02") as shard:
        noted = ran_with.current_versions() | {"heed": "0.1.2"}
        database.drop_notes(shard.db, ran_with.RAN_WITH)
        database.put_note(shard.db, ran_with.RAN_WITH + json.dumps(noted, sort_keys=True), "2026-01-01")
    changed(shards / "03", "model", device="cuda")
    found = merge_shards(shards)
    assert "02 is left out: it was run with heed 0.1.2, the others with heed" in found.problems[0]
    assert any(
        "03 ran the model" in said and "on cuda, the others on cpu: its numbers may" in said for said in found.remarks
    )
    assert list(found.taken) == ["00", "01", "03"]


def test_another_plan_and_a_whole_study_are_no_parts(made, shards, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(shards_made_up.plan(made[0].models, 1).to_json())
    write_shards(str(other), 1, tmp_path / "others")
    shutil.copytree(tmp_path / "others" / "00", shards / "other")
    with closing(Study(made[0])) as study:
        shutil.copytree(study.folder, shards / "study")
    found = merge_shards(shards)
    assert found.problems == [
        f"{shards / 'other'} is left out: it is a shard of another plan; move it elsewhere.",
        f"{shards / 'study'} is left out: it is a study and no shard; move it elsewhere.",
    ]
    assert sum(found.taken.values()) == 28
    with pytest.raises(StoreError, match=r"The study 'Tiny' in .* is of another plan"):
        with closing(Study(str(other))) as wrong:
            merge_shards(shards, wrong.id)
    with pytest.raises(StoreError, match="00 is a shard itself"):
        merge_shards(shards, str(shards / "00"))
    with pytest.raises(StoreError, match="There are no shards in"):
        merge_shards(tmp_path)


def test_damaged_runs_are_left_out_told_and_merged_once_they_are_mended(made, shards):
    with opened(shards / "01") as shard:
        one, two = [row["cell"] for row in shard.db.execute("SELECT cell FROM kept ORDER BY cell LIMIT 2")]
        shard.db.execute("UPDATE runs SET answer = 'flipped' WHERE cell = ?", [one])
        shard.db.execute("UPDATE cell_checks SET run = 'as it was' WHERE cell = ?", [one])
        shard.db.execute("UPDATE runs SET run = 'another request' WHERE cell = ?", [two])
    with opened(shards / "02") as shard:
        shard.db.execute("INSERT OR REPLACE INTO row_checks VALUES ('cells', 'all', 'as it was')")
    found = merge_shards(shards)
    assert "2 runs were damaged on disk and left out" in found.problems[0] and "study mend" in found.problems[0]
    assert "02 is left out: In the study" in found.problems[1] and f"study mend {shards / '02'}`" in found.problems[1]
    assert found.taken == {"00": 7, "01": 5, "03": 7}
    with opened(shards / "02") as shard:
        assert shard.mend() == 0
    with opened(shards / "01") as shard:
        shard.db.execute("UPDATE cell_checks SET run = 'as it was' WHERE cell = ?", [two])
        assert shard.mend() == 2 and shard.run(1).over
    assert merge_shards(shards).whole
    with closing(Study(made[0])) as study:
        study.run(1)
        assert numbers(study) == made[1][0]


def test_a_file_that_is_no_database_is_left_out(shards):
    (shards / "00" / database.FILE).write_bytes(b"no database" * 1000)
    found = merge_shards(shards)
    assert "00 is left out: The database of the study in" in found.problems[0] and list(found.taken) == [
        "01",
        "02",
        "03",
    ]
    for name in ("01", "02", "03"):
        shutil.rmtree(shards / name)
    found = merge_shards(shards)
    assert found.folder is None and found.problems[-1] == f"None of the 4 shards in {shards} can be merged."


def test_failed_runs_keep_their_reason_until_a_shard_has_them(made, shards, capsys):
    with opened(shards / "00") as shard:
        cell = shard.db.execute("SELECT cell FROM kept").fetchone()["cell"]
        place = dict(shard.db.execute("SELECT * FROM cells WHERE cell = ?", [cell]).fetchone())
        kept = shutil.copytree(shards / "00", shards.parent / "kept")
        shard.db.execute("DELETE FROM kept WHERE cell = ?", [cell])
        fail_cell(shard.db, place, "No room.")
    assert commands.main(["merge", str(shards)]) == 0
    assert "1 run failed, and the study says why." in capsys.readouterr().out
    with closing(Study(made[0])) as study:
        assert study.status().reasons == {"No room.": 1}
    shutil.rmtree(shards / "00")
    shutil.move(kept, shards / "00")
    assert merge_shards(shards).taken["00"] == 1
    with closing(Study(made[0])) as study:
        study.run(1)
        assert study.status().failed == 0 and numbers(study) == made[1][0]


def test_ratings_and_notes_of_cells_come_along(made, shards):
    with opened(shards / "01") as shard:
        card = rating_cards(shard.db)[0]
        put_rating(shard.db, card, "Ann", 4)
        database.put_note(shard.db, database.NOT_LONGER + card.cells[0], "It does not fit.")
    merge_shards(shards)
    with closing(Study(made[0])) as study:
        assert study.kept_short() == {"It does not fit.": 1}
        assert study.table().set_index("cell").loc[card.cells[0], "rating"] == 4
        with opened(shards / "01") as shard:
            put_rating(shard.db, card, "Bea", 1)
        assert merge_shards(shards).whole
        assert study.table().set_index("cell").loc[card.cells[0], "rating"] == 2.5


def test_a_study_may_be_named_given_by_folder_or_new(made, shards, tmp_path):
    assert merge_shards(shards, "My big one").whole
    (known,) = list_studies()
    assert known.name == "My big one" and known.status.done == 28
    assert merge_shards(shards, "My big one").there == 28 and merge_shards(shards, known.id[:6]).there == 28
    assert merge_shards(shards, str(tmp_path / "far" / "away")).folder == tmp_path / "far" / "away"


def test_what_a_study_has_finished_goes_along_into_its_shards_and_is_not_replaced(made, tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    plan, (whole, _), _ = made
    with closing(Study(plan)) as study:
        study.pilot(1, 1)
        done = study.status().done
        told = []
        write_shards(study.id, 4, tmp_path / "shards", told.append)
        assert told[-1] == f"{done:,} runs that the study has finished already were copied along."
        for folder in study_folders_below(tmp_path / "shards"):
            with opened(folder) as shard:
                shard.run(1)
        found = merge_shards(tmp_path / "shards", study.id)
        assert found.whole and found.there == done and sum(found.taken.values()) == 28 - done
        assert numbers(study).keys() == whole.keys()
        study.db.execute("UPDATE cells SET state = 'waiting' WHERE number = 0")
        with pytest.raises(StoreError, match="1 answers of this study wait to be made longer or read again"):
            write_shards(study.id, 4, tmp_path / "more")


def test_judges_and_relevance_wait_for_the_merge(made, shards, monkeypatch):
    judge = {"name": "good", "kind": "judge", "text": "Is it good?", "model": made[0].models[0]}
    plan = shards_made_up.plan(made[0].models, 1, metrics=(judge,))
    path = shards.parent / "judged.json"
    path.write_text(plan.to_json())
    write_shards(str(path), 2, shards.parent / "judged")
    for folder in study_folders_below(shards.parent / "judged"):
        with opened(folder) as shard:
            assert shard.run(1).over and not {"relevance_rank", *plan.metrics} & set(shard.table().dropna(axis=1))
            assert "judged by" not in " ".join(r["key"] for r in shard.db.execute("SELECT key FROM meta"))
    found = merge_shards(shards.parent / "judged")
    assert found.whole and "adds relevance and what judges say; it runs nothing else." in found.remarks[-1]


def test_a_study_of_a_full_disk_is_left_as_it_was(made, shards, monkeypatch):
    """An error in the middle of a shard takes back what was copied of it."""

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(merging, "copy_version_notes", full)
    with pytest.raises(sqlite3.OperationalError):
        merge_shards(shards)
    with closing(Study(made[0])) as study:
        assert study.status().done == 0 == study.db.execute("SELECT count(*) FROM runs").fetchone()[0]


@pytest.mark.parametrize(
    ("into", "said"),
    [
        ("{}/plan.json", "No study can be made in .*File exists.*--into"),
        ("{}/plan.json/below", "No study can be made in .*--into"),
        ("{}/shards", "holds the shards: give another folder"),
        ("another name", "No study is called 'another name', and .* is of this plan already"),
    ],
)
def test_a_study_that_cannot_be_made_is_told_and_nothing_is_written(made, shards, into, said):
    (shards.parent / "plan.json").write_text("{}")
    with closing(Study(made[0])) as study:
        before = sorted(shards.iterdir())
        with pytest.raises(StoreError, match=said):
            merge_shards(shards, into.format(shards.parent))
        assert study.status().done == 0 and sorted(shards.iterdir()) == before


def test_a_new_name_is_taken_where_no_study_has_the_plan(made, shards):
    found = merge_shards(shards, "another name")
    assert found.whole and [one.name for one in list_studies()] == ["another name"]
    assert merge_shards(shards, "another name").there == 28
