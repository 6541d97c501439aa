"""Tests of what happens to damaged runs: mended where only the manifest is damaged, else set aside, never just gone."""

import os
from dataclasses import replace

import pytest

from core import store
from core.errors import StoreError
from core.store import quarantine, run_files, run_index
from tests.core.store_made_up import same, trace


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    monkeypatch.delenv("HEED_STORE_GB", raising=False)
    return tmp_path


def flip(path, at: int, bit: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= bit
    path.write_bytes(data)


@pytest.mark.parametrize("at", range(0, 1500, 170))
def test_a_flipped_bit_in_a_manifest_loses_nothing(home, at):
    run = trace()
    store.save_run(run)
    flip(home / "runs" / run.id / run_files.MANIFEST, at, 1 << at % 8)
    back = store.load_run(run.id)
    assert same(replace(back, notes=run.notes), run)
    doubts = back.notes[len(run.notes) :]
    assert len(doubts) <= 1 and all("was damaged on disk and was built anew; nothing proves" in note for note in doubts)
    assert store.count_found() == 1 and store.set_aside_paths() == []
    run_files.verify_run(home / "runs" / run.id)


def test_a_run_that_is_not_there_is_no_damage(home, caplog):
    assert not quarantine.rebuild_manifest(home / "runs" / ("ab" * 32)) and not caplog.text


@pytest.mark.parametrize("keep", ["none", "components"])
def test_a_lost_manifest_is_built_anew(home, caplog, keep):
    run = trace(keep=keep)
    store.import_run(run)
    flip(home / "runs" / run.id / run_files.MANIFEST, 5)
    assert store.find_runs()[0].origin == "imported", "where it came from is not lost with a bit"
    (home / "runs" / run.id / run_files.MANIFEST).unlink()
    back = store.load_run(run.id)
    assert same(replace(back, notes=run.notes), run) and "nothing proves that trace.json, arrays" in back.notes[-1]
    assert "built anew" in caplog.text and "proves nothing of" in caplog.text


@pytest.mark.parametrize("name", [run_files.RECORD, run_files.ARRAYS, run_files.ROWS])
def test_a_damaged_run_is_set_aside_and_told(home, name):
    run = trace()
    store.save_run(run)
    rows = (home / "runs" / run.id / run_files.ROWS).read_bytes()
    flip(home / "runs" / run.id / name, -9)
    with pytest.raises(StoreError, match=r"damaged.*run it again.*moved to .*damaged"):
        store.load_run(run.id)
    (place,) = store.set_aside_paths()
    assert place.parent == home / "damaged" and place.name.startswith(run.id)
    assert name == run_files.ROWS or (place / run_files.ROWS).read_bytes() == rows
    assert store.load_run(run.id) is None
    store.delete_set_aside()
    assert store.set_aside_paths() == []


def test_files_of_another_run_are_not_taken_for_it(home):
    one, two = trace(text="one"), trace(text="two")
    store.save_run(one)
    os.rename(home / "runs" / one.id, home / "runs" / two.id)
    (home / "runs" / two.id / run_files.MANIFEST).unlink()
    with pytest.raises(StoreError, match="moved to"):
        store.load_run(two.id)


def test_saving_over_a_damaged_run_sets_it_aside(home):
    run = trace(seed=1)
    store.save_run(run)
    flip(home / "runs" / run.id / run_files.ARRAYS, -1)
    store.save_run(trace(seed=1, keep="none"))
    assert len(store.set_aside_paths()) == 1 and store.load_run(run.id).rows is None


def test_what_is_set_aside_is_bounded(home, monkeypatch):
    monkeypatch.setattr(quarantine, "MOST_SET_ASIDE", 3)
    for i in range(5):
        (folder := home / f"run{i}").mkdir()
        (folder / "file").write_bytes(b"x" * 100)
        quarantine.set_aside(folder)
    assert [path.name[:4] for path in store.set_aside_paths()] == ["run2", "run3", "run4"]
    monkeypatch.setattr(quarantine, "MOST_BYTES_ASIDE", 150)
    (home / "run5").write_bytes(b"y" * 140)
    quarantine.set_aside(home / "run5")
    assert [path.name[:4] for path in store.set_aside_paths()] == ["run5"]


def test_a_flipped_bit_in_a_label_is_told():
    run = trace()
    store.save_run(run)
    home = run_index.Path(os.environ["HEED_HOME"])
    path = home / "labels" / f"{run.id}.json"
    for at in range(0, 110, 3):
        store.name_run(run.id, "My run")
        flip(path, at, 4)
        (info,) = store.find_runs()
        assert (info.name, info.label_damaged) in (("", True), ("My run", False)), at
    path.write_bytes(b'{"name": "old", "starred": true}')
    (info,) = store.find_runs()
    assert (info.name, info.starred, info.label_damaged) == ("old", True, False), "from before there were hashes"


def test_a_flipped_byte_in_the_index_is_never_shown(home):
    ids = [store.save_run(trace(text=f"Question {i}")) for i in range(3)]
    told = {(i.id, i.prompt, i.answer, i.tokens_in, i.bytes) for i in store.find_runs()}
    path = home / "index.sqlite"
    clean = path.read_bytes()
    for text in (b"Question 1", b"Blue.", ids[2].encode(), b"length"):
        data = bytearray(clean)
        for at in (n for n in range(len(data)) if data.startswith(text, n)):
            data[at] ^= 2
        assert data != clean
        path.write_bytes(data)
        assert {(i.id, i.prompt, i.answer, i.tokens_in, i.bytes) for i in store.find_runs()} == told
        path.write_bytes(clean)


def test_the_whole_index_is_checked_when_a_process_opens_it(home):
    store.save_run(trace(text="needle"))
    assert store.count_found("needle") == 1
    path = home / "index.sqlite"
    path.write_bytes(path.read_bytes().replace(b"needle", b"noodle"))
    run_index._checked_at.clear()  # as in a new process
    assert store.count_found("needle") == 1 and store.count_found("noodle") == 0


def test_a_run_that_is_not_there_yet_has_no_damaged_manifest(home, caplog):
    store.save_run(trace())
    assert caplog.text == "", "saving into a fresh home says nothing"


@pytest.mark.parametrize("column", [b"created", b"last_used", b"label_damaged", b"TABLE runs"])
def test_a_flipped_schema_of_the_index_is_built_anew(home, column):
    run_id = store.save_run(trace())
    told = store.find_runs()
    path = home / "index.sqlite"
    data = path.read_bytes()
    at = data.index(column) + 3
    path.write_bytes(data[:at] + bytes([data[at] ^ 2]) + data[at + 1 :])
    assert store.find_runs() == told and store.has_run(run_id)
    run_index._checked_at.clear()
    assert store.find_runs() == told, "and what lies on disk is mended"
