"""Tests of shards: how a plan is cut, what is written, told and mended. One that is killed: test_study_resume.py."""

import json
import shutil
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PromptError, StoreError
from core.study import commands, database, plan_store, ran_with, shard_folders, shards
from core.study.fixed_batches import numbered_batches
from core.study.merge_shards import merge_shards
from core.study.plan_cells import Cell, plan_cells_of
from core.study.shard_folders import read_shard_set, shard_states, study_folders_below, write_shards
from core.study.shards import Shard, cut_shards
from core.study.study import GRID_NOTE, Study, list_studies
from tests.core import shards_made_up


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))


def cells(sizes):
    """Cells of {model: [cells of each task]}, in the order of work."""
    places = [(model, task) for model, tasks in sizes.items() for task, n in enumerate(tasks) for _ in range(n)]
    return [Cell(f"c{n}", n, f"i{n}", f"t{task}", "plain", False, model, 0) for n, (model, task) in enumerate(places)]


SIZES = st.dictionaries(
    st.sampled_from(["m", "b", "z", "a"]), st.lists(st.integers(0, 40), max_size=4), min_size=1, max_size=4
)


@given(SIZES, st.integers(1, 30))
def test_shards_are_a_partition_that_splits_no_batch(sizes, count):
    every = cells(sizes)
    whole, cut = numbered_batches(every, 0), cut_shards(every, count)
    assert sum(map(len, cut)) == len(whole) and {k: v for shard in cut for k, v in shard.items()} == whole
    homes = [{(batch, n) for batch in shard.values()} for n, shard in enumerate(cut)]
    batches = sorted(batch for home in homes for batch, _ in home)
    assert batches == sorted(set(whole.values())), "no batch stands in two shards"
    assert len(cut) == min(count, len(batches)) and all(cut)
    model_of = {cell.id: cell.model for cell in every}
    models = [{model_of[cell] for cell in shard} for shard in cut]
    if count >= len(set(model_of.values())):
        assert all(len(some) == 1 for some in models)
        for model in set(model_of.values()):
            own = [len(shard) for shard, some in zip(cut, models, strict=True) if some == {model}]
            assert max(own) - min(own) <= 2 * 16, "they differ by two batches at most"
    else:
        assert sum(map(len, models)) == len(set(model_of.values())), "models stay whole"


def test_a_shard_is_a_block_of_prompts_and_bigger_models_get_more():
    cut = cut_shards(cells({"m": [64], "n": [16, 16]}), 3)
    assert [list(shard)[0] for shard in cut] == ["c0", "c32", "c64"] and [len(shard) for shard in cut] == [32] * 3
    assert cut_shards(cells({"m": [64], "n": [16, 16]}), 3) == cut, "nothing is left to chance"
    assert [sorted(set(s.values())) for s in cut] == [[0, 1], [2, 3], [4, 5]]
    assert cut_shards([], 4) == []
    assert [len(s) for s in cut_shards(cells({"m": [20], "n": [30], "o": [12]}), 2)] == [32, 30]


def test_names_of_shards_sort_as_they_are_numbered():
    assert [Shard("p", 3, 16).name, Shard("p", 3, 100).name, Shard("p", 3, 101).name] == ["03", "03", "003"]
    assert Shard("p", 3, 16).text == "shard 03 of 16"
    for plain in ({}, {"plan": "p", "number": 4, "count": 4}, {"plan": "p", "number": "0", "count": 4}):
        with pytest.raises(ValueError, match="no shard"):
            shards.shard_from(plain)


@pytest.fixture
def written(tmp_path):
    """A plan that is never run, as plan.json, and its shards."""
    plan = shards_made_up.plan(("first", "second"), 6)
    path = tmp_path / "plan.json"
    path.write_text(plan.to_json())
    told = []
    made = write_shards(str(path), 4, tmp_path / "shards", told.append)
    return plan, path, made, told


def listed(folder):
    study = Study(str(folder))
    try:
        return shards_made_up.places(study)
    finally:
        study.close()


def test_each_shard_is_a_study_with_the_order_and_batches_of_the_whole_plan(written, tmp_path):
    plan, _, made, told = written
    assert made.names == ["00", "01", "02", "03"] and "4 shards, 40 runs, 10 in each" in told[0]
    whole = Study(plan)
    every = shards_made_up.places(whole)
    parts = [listed(folder) for folder in study_folders_below(tmp_path / "shards")]
    assert sorted((row for part in parts for row in part), key=lambda row: row[1]) == every
    assert all(len({batch for _, _, batch, _ in part}) == 1 for part in parts)
    shard = Study(str(tmp_path / "shards" / "02"))
    assert shard.plan == plan and shard.items() == whole.items()
    with pytest.raises(StoreError, match="shard 02 of 4 of a study: change the plan of the study"):
        shard.extend(seeds=(1,), temperature=1.0)
    shard.close()
    whole.close()


def test_writing_again_overwrites_nothing_and_adds_what_is_missing(written, tmp_path):
    _, path, _, _ = written
    folder, told = tmp_path / "shards", []
    before = {p.name: (p / database.FILE).read_bytes() for p in study_folders_below(folder)}
    shutil.rmtree(folder / "01")
    write_shards(str(path), 4, folder, told.append)
    assert "the 1 of 4 that were missing" in told.pop()
    write_shards(str(path), 4, folder, told.append)
    assert told == [f"{folder} has all 4 shards of this plan already: nothing was written."]
    after = {p.name: (p / database.FILE).read_bytes() for p in study_folders_below(folder)}
    assert after.keys() == before.keys() and all(after[n] == before[n] for n in ("00", "02", "03"))
    with pytest.raises(StoreError, match="holds this plan in 4 shards, not 2: give --shards 4"):
        write_shards(str(path), 2, folder)
    other = tmp_path / "other.json"
    other.write_text(shards_made_up.plan(("first",), 4).to_json())
    with pytest.raises(StoreError, match="holds shards of another plan, 'Tiny': give another folder"):
        write_shards(str(other), 4, folder)
    (folder / "shards.json").write_text((folder / "shards.json").read_text().replace("Tiny", "Tony"))
    with pytest.raises(StoreError, match=r"shards.json cannot be read .*delete it and cut the plan again"):
        write_shards(str(path), 4, folder)
    (folder / "shards.json").unlink()
    with pytest.raises(StoreError, match="There are no shards in"):
        read_shard_set(folder)
    with pytest.raises(StoreError, match="holds another study"):
        write_shards(str(other), 2, folder)
    write_shards(str(path), 4, folder)
    assert read_shard_set(folder).count == 4


def test_more_shards_than_batches_are_fewer_and_said(written, tmp_path):
    told = []
    made = write_shards(str(written[1]), 99, tmp_path / "many", told.append)
    assert made.count == 4 and told[0] == ("Its runs make 4 batches, which stay whole: there are 4 shards, not 99.")
    assert len(study_folders_below(tmp_path / "many")) == 4
    one = tmp_path / "one.json"
    one.write_text(shards_made_up.plan(("any",), 1, controls=(), steering={}, structures=("plain",)).to_json())
    write_shards(str(one), 99, tmp_path / "one", told.append)
    assert "Its runs make 1 batch, which stays whole: there is 1 shard, not 99." in told
    with pytest.raises(PromptError, match="at least one shard"):
        write_shards(str(written[1]), 0, tmp_path / "none")


def test_a_command_that_is_killed_leaves_whole_shards_and_is_given_again(written, tmp_path, monkeypatch):
    make, count, folder = shard_folders.make_study_database, 0, tmp_path / "killed"

    def killed(*arguments):
        nonlocal count
        count += 1
        make(*arguments)
        if count == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(shard_folders, "make_study_database", killed)
    with pytest.raises(KeyboardInterrupt):
        write_shards(str(written[1]), 4, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["00", "01", "shards.json"]
    with closing(Study(str(folder / "01"))) as shard:
        database.put_note(shard.db, "date", "2001-02-03")
    (folder / "00").rename(tmp_path / "moved")
    write_shards(str(written[1]), 4, folder)
    for path in study_folders_below(folder):
        with closing(Study(str(path))) as shard:
            assert plan_store.study_date(shard.db) == "2001-02-03", "all shards have one day"
    with pytest.raises(StoreError, match="Nothing can be written to .*give another --dir"):
        write_shards(str(written[1]), 4, written[1])


def test_a_study_that_is_there_gives_its_date_and_no_folder_of_a_plan_is_made(written, tmp_path):
    assert not (tmp_path / "home" / "studies").exists(), "cutting a plan makes no study"
    study = Study(written[0])
    database.put_note(study.db, "date", "2001-02-03")
    database.put_note(study.db, GRID_NOTE, "1")
    write_shards(study.id, 2, tmp_path / "by-id")
    study.close()
    shard = Study(str(tmp_path / "by-id" / "01"))
    assert plan_store.study_date(shard.db) == "2001-02-03" and len({row[2] for row in listed(shard.folder)}) == 2
    with pytest.raises(StoreError, match="shard 01 of 2"):
        write_shards(str(shard.folder), 2, tmp_path / "of-a-shard")
    shard.close()
    Study(written[0]).delete()
    merge_shards(tmp_path / "by-id")
    assert [known.grid for known in list_studies()] == [True], "the merged study stands on the page of the first"


def test_a_shard_is_mended_to_its_own_part(written, tmp_path):
    folder = tmp_path / "shards" / "02"
    before = listed(folder)
    study = Study(str(folder))
    study.db.execute("DELETE FROM cells WHERE number % 2")
    study.db.execute("INSERT INTO row_checks VALUES ('cells', 'all', 'damaged')")
    study.db.execute("DELETE FROM meta WHERE key = 'shard'")  # the file beside it says the same
    assert study.mend() == 0 and shards_made_up.places(study) == before
    assert shards.shard_of(study.db) == Shard(written[0].id, 2, 4)
    database.put_note(study.db, "shard", "{}")
    with pytest.raises(StoreError, match="cannot be told which shard"):
        shards.shard_of(study.db)
    database.put_note(study.db, "shard", Shard(written[0].id, 2, 9).to_json())
    with pytest.raises(StoreError, match="shard 02 of 9, and its plan makes 4"):
        shards.listed_batches(study.db, plan_cells_of(written[0]))
    study.close()


def test_states_of_shards_are_told_in_a_table(written, tmp_path, capsys):
    folder = tmp_path / "shards"
    shutil.rmtree(folder / "03")
    (folder / "01" / database.FILE).write_bytes(b"no database" * 100)
    assert [type(state).__name__ for _, state in shard_states(folder)] == ["Status", "str", "Status", "str"]
    assert commands.main(["status", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Tiny: 4 shards in {folder}" and lines[2].split() == ["00", "0", "0", "10", "10", "first"]
    assert (
        lines[3].split()[0] == "01"
        and "01 is damaged (file is not" in lines[3]
        and lines[5].split() == ["03", "not", "here"]
    )
    assert lines[6].split() == ["all", "0", "0", "20", "20"]
    assert commands.main(["run", str(folder)]) == 1
    assert f"holds several shards: run each by its own folder, such as {folder}/00." in capsys.readouterr().out
    assert commands.main(["status", str(folder / "00")]) == 0
    assert "Tiny (shard 00 of 4) in" in capsys.readouterr().out


def test_a_damaged_shard_is_written_anew_as_is_told(written, tmp_path):
    _, path, _, _ = written
    folder = tmp_path / "shards"
    (folder / "01" / database.FILE).write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match=r"01 is damaged .*delete its folder, give `.*study shard` as before"):
        Study(str(folder / "01"))
    with closing(Study(str(folder / "02"))) as shard:
        shard.db.execute("DROP TABLE runs")
        with pytest.raises(StoreError, match=r"02 is damaged .*delete its folder, give `.*study shard` as before"):
            shard.db.execute("SELECT * FROM runs")
    for name in ("01", "02"):
        shutil.rmtree(folder / name)
    write_shards(str(path), 4, folder)
    assert [type(state).__name__ for _, state in shard_states(folder)] == ["Status"] * 4


def test_versions_are_noted_once(tmp_path):
    with closing(database.connect(tmp_path / database.FILE)) as db:
        ran_with.note_versions(db)
        ran_with.note_versions(db)
        (noted,) = database.cell_notes(db, ran_with.RAN_WITH)
        assert json.loads(noted) == ran_with.current_versions() and len(json.loads(noted)) == 4
