"""Tests of where runs come from: a file never replaces a run that was made here, and says so wherever it is shown."""

import json
from dataclasses import replace

import pytest

from core import store
from core.runs import is_stored
from core.store import run_files
from tests.core.store_made_up import same, trace


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    monkeypatch.delenv("HEED_STORE_GB", raising=False)
    return tmp_path


@pytest.mark.parametrize("keep", ["none", "all", "components"])
def test_a_file_never_replaces_a_run_made_here(home, keep):
    own, foreign = trace(seed=1, keep="none"), trace(seed=2, keep=keep, answer="Lies.")
    assert own.id == foreign.id
    store.save_run(own)
    before = {path.name: path.read_bytes() for path in (home / "runs" / own.id).iterdir()}
    assert not store.import_run(foreign)
    assert same(store.load_run(own.id), own) and store.run_origin(own.id) == "own"
    assert {path.name: path.read_bytes() for path in (home / "runs" / own.id).iterdir()} == before


def test_a_run_made_here_replaces_one_from_a_file_whatever_that_held():
    own, foreign = trace(seed=1, keep="none"), trace(seed=2, keep="components")
    own = replace(own, created="2026-11-22T12:00:00+00:00")
    assert store.import_run(foreign) and store.run_origin(own.id) == "imported"
    assert not store.import_run(trace(seed=3)), "nor does a second file"
    assert same(store.load_run(own.id), foreign)
    store.save_run(own)
    assert same(store.load_run(own.id), own) and store.run_origin(own.id) == "own"
    assert store.load_run(own.id).rows is None, "nothing of the file is mixed in"


def test_a_run_from_a_file_does_not_count_as_made_here():
    run = trace()
    store.import_run(run)
    assert store.has_run(run.id) and not is_stored(run.request)
    store.delete_runs([run.id])
    store.save_run(run)
    assert is_stored(run.request)


def test_heads_read_again_stay_marked():
    run = trace(keep="none")
    store.import_run(run)
    store.save_run(trace())  # the same run, with rows: its time is the file's
    assert store.has_rows(run.id) and store.run_origin(run.id) == "imported"


def test_a_damaged_run_is_nothing_to_keep(home):
    own, foreign = trace(seed=1), trace(seed=2)
    store.save_run(own)
    (home / "runs" / own.id / run_files.ARRAYS).write_bytes(b"broken")
    assert store.import_run(foreign) and same(store.load_run(own.id), foreign)


def test_the_list_tells_and_old_manifests_count_as_own(home):
    ids = [trace(text=text).id for text in ("one", "two")]
    store.save_run(trace(text="one"))
    store.import_run(trace(text="two"))
    assert {info.id: info.origin for info in store.find_runs()} == {ids[0]: "own", ids[1]: "imported"}
    body = json.loads((home / "runs" / ids[0] / run_files.MANIFEST).read_bytes().split(b"\n")[0])
    assert "origin" not in body["info"], "as it was written before there was any"
    assert store.run_origin("0" * 64) is None and store.run_origin("../x") is None


def test_examples_are_heeds_own(home, tmp_path_factory):
    folder, run = tmp_path_factory.mktemp("examples"), trace()
    (folder / "one.json").write_bytes(store.run_to_json(run))
    store.import_run(replace(trace(seed=5), created="2026-11-22T12:00:00+00:00"))
    assert store.import_examples(folder) == [run.id]
    assert store.run_origin(run.id) == "own"
