"""Tests of a full disk and a read-only home: what is stored is read, listed and deleted without writing a byte."""

import errno
import os
import tempfile

import pytest

from core import store
from core.errors import StoreError
from core.study import database
from tests.core.store_made_up import same, trace


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    monkeypatch.delenv("HEED_STORE_GB", raising=False)
    return tmp_path


@pytest.fixture
def stored(home):
    run = trace()
    store.save_run(run)
    store.star_run(run.id)
    return run


def refusing(code: int):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.fixture(params=[errno.ENOSPC, errno.EROFS])
def unwritable(request, monkeypatch, stored):
    """No file can be made any more, as on a full disk or in a read-only folder."""
    monkeypatch.setattr(tempfile, "mkstemp", refusing(request.param))
    monkeypatch.setattr("filelock.FileLock.acquire", refusing(request.param))
    monkeypatch.setattr(os, "rename", refusing(request.param))
    monkeypatch.setattr(os, "utime", refusing(request.param))
    return request.param


def test_stored_runs_are_opened_and_listed(unwritable, stored):
    assert same(store.load_run(stored.id), stored) and store.has_rows(stored.id)
    assert [info.id for info in store.find_runs()] == [stored.id] and store.store_usage()[0] > 0


def test_a_full_disk_can_be_emptied(monkeypatch, stored):
    monkeypatch.setattr(tempfile, "mkstemp", refusing(errno.ENOSPC))
    monkeypatch.setattr("filelock.FileLock.acquire", refusing(errno.ENOSPC))
    monkeypatch.setattr(os, "rename", refusing(errno.ENOSPC))
    assert store.delete_runs([stored.id, "0" * 64]) == 1
    assert store.find_runs() == [] and store.load_run(stored.id) is None


def test_a_read_only_home_says_so(monkeypatch, stored):
    monkeypatch.setattr("filelock.FileLock.acquire", refusing(errno.EROFS))
    with pytest.raises(StoreError, match=r"cannot write.*set HEED_HOME"):
        store.delete_runs([stored.id])
    assert same(store.load_run(stored.id), stored)


def test_examples_that_are_there_are_found_without_writing(unwritable, stored, tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    (folder / "1.json").write_bytes(store.run_to_json(stored))
    assert store.import_examples(folder) == store.stored_examples(folder) == [stored.id]
    (folder / "2.json").write_bytes(store.run_to_json(trace(text="another")))
    assert store.stored_examples(folder) == [stored.id]
    with pytest.raises(StoreError):
        store.import_examples(folder)


def test_saving_says_what_is_wrong(unwritable):
    with pytest.raises(StoreError, match="full|cannot write"):
        store.save_run(trace(text="new"))


def test_a_study_on_a_disk_without_room_is_read_and_can_be_closed(home, monkeypatch):
    path = home / "studies" / "s"
    path.mkdir(parents=True)
    db = database.connect(path / database.FILE)
    database.put_note(db, "name", "kept")
    db.close()
    monkeypatch.setattr(database, "_prepared", refusing(errno.ENOSPC))
    again = database.connect(path / database.FILE)
    assert database.get_note(again, "name") == "kept"
    again.close()
