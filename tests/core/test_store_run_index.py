"""Tests of core/store run_index and query: the list of runs agrees with the folders, whatever happens to it."""

import os
import shutil
import sqlite3
import time

import pytest

from core import store
from core.errors import StoreError
from core.records import SCHEMA
from core.store import run_files, run_index
from tests.core.store_made_up import trace


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    monkeypatch.delenv("HEED_STORE_GB", raising=False)
    return tmp_path


def saved(*texts: str, **settings) -> list[str]:
    return [store.save_run(trace(text=text, **settings)) for text in texts]


def found(*args, **kwargs) -> set[str]:
    return {info.prompt for info in store.find_runs(*args, **kwargs)}


def test_one_line_of_the_list():
    (run_id,) = saved("What   is\nthis?", answer="A  thing.", prompt=7, steps=4)
    (info,) = store.find_runs()
    assert (info.id, info.prompt, info.answer) == (run_id, "What is this?", "A thing.")
    assert (info.tokens_in, info.tokens_out, info.finish, info.scored) == (7, 4, "length", False)
    assert info.model == "Tiny · Q4_1 · float32 · 0f0f0f0f" and info.created == "2026-11-21T12:00:00+00:00"
    assert info.has_rows and not info.starred and info.name == ""
    assert info.bytes == store.store_usage()[0] > 1000
    assert store.store_usage()[1] == 5_000_000_000


def test_previews_are_cut_but_search_reads_on():
    saved("word " * 300 + "needle")
    (info,) = store.find_runs("needle")
    assert len(info.prompt) == 200 and info.prompt.endswith("…")


def test_search_reads_prompt_answer_model_name_and_id():
    one, two = saved("Red apples", answer="Äpfel"), saved("Green pears", answer="Birnen")
    store.name_run(two[0], "Fruit study")
    for query, expected in {
        "apples": {"Red apples"},
        "APPLES red": {"Red apples"},
        "äPFEL": {"Red apples"},
        "fruit": {"Green pears"},
        "tiny q4_1": {"Red apples", "Green pears"},
        one[0][:12]: {"Red apples"},
        "apples pears": set(),
        "%": set(),
        "_": {"Red apples", "Green pears"},  # as a plain character, as in Q4_1
        "'; DROP TABLE runs; --": set(),
        "": {"Red apples", "Green pears"},
    }.items():
        assert found(query) == expected, query
        assert store.count_found(query) == len(expected)


def test_starred_limit_and_offset_last_used_first(home):
    ids = saved(*"abcde")
    for i, run_id in enumerate(ids):
        os.utime(home / "runs" / run_id / run_files.USED, (1000 + i, 1000 + i))
    assert [i.id for i in store.find_runs()] == ids[::-1]
    assert [i.id for i in store.find_runs(limit=2, offset=1)] == [ids[3], ids[2]]
    store.star_run(ids[1])
    store.star_run(ids[4])
    assert [i.id for i in store.find_runs(starred=True)] == [ids[4], ids[1]] and store.count_found(starred=True) == 2
    store.star_run(ids[4], False)
    assert [i.id for i in store.find_runs(starred=True)] == [ids[1]]


def test_names_of_equal_length_in_quick_succession():
    (run_id,) = saved("a")
    for name in ("one", "two", "six", "ten", "", "odd"):
        store.name_run(run_id, f"  {name}\n")
        assert store.find_runs()[0].name == name


def test_a_label_of_the_same_size_and_time_is_still_another(home):
    (run_id,) = saved("a")
    for name in ("one", "two", "six"):
        store.name_run(run_id, name)
        os.utime(home / "labels" / f"{run_id}.json", (1000, 1000))
        assert store.find_runs()[0].name == name


def test_names_and_stars_outlive_the_index_and_the_run(home):
    (run_id,) = saved("a")
    store.name_run(run_id, "kept")
    store.star_run(run_id)
    for name in os.listdir(home):
        if name.startswith("index"):
            os.unlink(home / name)
    assert (store.find_runs()[0].name, store.find_runs()[0].starred) == ("kept", True)
    (home / "runs" / run_id / run_files.RECORD).write_text("damaged")
    with pytest.raises(StoreError):
        store.load_run(run_id)
    saved("a")
    assert (store.find_runs()[0].name, store.find_runs()[0].starred) == ("kept", True)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"name": "x"}', b"\xff"])
def test_a_broken_label_is_no_label(home, text):
    (run_id,) = saved("a")
    store.name_run(run_id, "x")
    (home / "labels" / f"{run_id}.json").write_bytes(text)
    assert store.find_runs()[0].name == ""
    store.star_run(run_id)
    assert store.find_runs()[0].starred


def test_what_cannot_be_labelled():
    for bad in ("0" * 64, "../x", ""):
        with pytest.raises(StoreError, match="no stored run"):
            store.name_run(bad, "x")


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"this is no database, only a sentence that is long enough to be a header" * 99),
        lambda path: path.write_bytes(path.read_bytes()[:600]),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: sqlite3.connect(path, isolation_level=None).execute("PRAGMA user_version=99"),
        lambda path: sqlite3.connect(path, isolation_level=None).execute("DELETE FROM runs"),
        lambda path: sqlite3.connect(path, isolation_level=None).execute("DROP TABLE runs"),
    ],
    ids=["lost", "garbage", "cut", "a folder", "other version", "emptied", "no table"],
)
def test_a_harmed_index_is_built_anew(home, harm):
    saved("a", "b")
    assert found() == {"a", "b"}
    for name in ("index.sqlite-wal", "index.sqlite-shm"):
        (home / name).unlink(missing_ok=True)
    harm(home / "index.sqlite")
    assert found() == {"a", "b"}
    assert store.store_usage()[0] > 0


def test_runs_that_come_and_go_behind_our_back(home, tmp_path_factory):
    ids = saved("a", "b")
    assert store.count_found() == 2
    shutil.move(home / "runs" / ids[0], (away := tmp_path_factory.mktemp("away")) / ids[0])
    assert found() == {"b"}
    shutil.move(away / ids[0], home / "runs" / ids[0])
    assert found() == {"a", "b"}
    run_files.drop_rows(home / "runs" / ids[0])
    assert {i.prompt: i.has_rows for i in store.find_runs()} == {"a": False, "b": True}


def test_a_run_of_another_version_is_listed_and_can_be_deleted(home, monkeypatch):
    (run_id,) = saved("a")
    for module in (run_files, run_index):
        monkeypatch.setattr(module, "SCHEMA", SCHEMA + 1)
    (info,) = store.find_runs()
    assert "schema" in info.prompt and info.bytes > 0
    with pytest.raises(StoreError, match="run it again"):
        store.load_run(run_id)
    assert store.count_found() == 1, "not damaged, so not removed"
    assert store.delete_runs([run_id]) == 1


def test_odd_text_can_be_listed():
    saved("null \0 and half a pair \ud83d", "\u202eright to left", answer="\udfff")
    assert len(store.find_runs()) == 2 and len(store.find_runs("half")) == 1


def test_prefix(home):
    ids = saved(*map(str, range(8)))
    for run_id in ids:
        assert store.full_run_id(run_id) == run_id
        assert store.full_run_id(run_id[:16]) == run_id
        assert store.full_run_id(f" {run_id[:16].upper()} ") == run_id
    for bad in ("", "a", "zzzzzz", "../", "%", "0" * 64, "f" * 63):
        assert store.full_run_id(bad) is None
    twin = ids[0][:32] + "0" * 32
    shutil.copytree(home / "runs" / ids[0], home / "runs" / twin)
    assert store.has_run(ids[0]) and store.run_stamp(ids[0]) > 0
    assert not any(store.has_run(text) for text in ("", ids[0][:20], "f" * 64, "../" + ids[0]))
    assert store.full_run_id(ids[0][:20]) is None, "two start like this"


def test_an_unknown_name_is_told():
    unknown = "open_sesame"
    with pytest.raises(AttributeError, match="open_sesame"):
        getattr(store, unknown)


@pytest.mark.parametrize("wrong", [None, 5, "", "../x", "0" * 63, b"0" * 64])
def test_what_is_no_id_is_no_run(wrong):
    assert not run_index.is_id(wrong)
    assert store.open_run(wrong) is None and store.delete_runs([wrong]) == 0


def test_a_clock_that_was_put_back_leaves_the_newest_first_and_its_rows(monkeypatch, home):
    old, new = saved("before", "after")
    used = home / "runs" / old / run_files.USED
    day = time.time() + 86400
    os.utime(used, (day, day))
    assert [info.id for info in store.find_runs()] == [new, old]
    monkeypatch.setenv("HEED_STORE_GB", str((store.store_usage()[0] - 10) / 1e9))
    store.evict_rows()
    assert store.has_rows(new) and not store.has_rows(old)


@pytest.fixture
def many(home, monkeypatch):
    """A store that counts as large, whose folders have settled; and how often all of them were looked at."""
    monkeypatch.setattr(run_index, "LARGE", 2)
    monkeypatch.setattr(run_index, "SETTLED_NS", -(10**12))
    run_index._levelled.clear()
    seen, real = [], run_index._level
    monkeypatch.setattr(run_index, "_level", lambda *given: seen.append(given) or real(*given))
    return seen


def test_many_folders_are_not_looked_at_again_while_nothing_changes(home, many, monkeypatch):
    ids = saved(*"abc")
    assert found() == {"a", "b", "c"}
    at = len(many)
    assert store.page_of_runs("", limit=2, page=9)[:2] == (3, 2) and store.store_usage()[0] > 0 and len(many) == at
    store.name_run(ids[0], "named")
    assert {i.name for i in store.find_runs()} == {"named", ""} and len(many) == at + 1
    saved("d")
    assert found() == {"a", "b", "c", "d"}
    store.delete_runs(ids[:1])
    assert found() == {"b", "c", "d"}
    at = len(many)
    store.load_run(ids[1])
    assert store.find_runs()[0].id == ids[1] and len(many) > at, "it was used last"
    for name in os.listdir(home):
        if name.startswith("index"):
            os.unlink(home / name)
    assert found() == {"b", "c", "d"}, "an index that was lost"
    os.utime(home / "runs" / ids[2] / run_files.USED, (4e9, 4e9))
    at = len(many)
    monkeypatch.setattr(run_index, "FRESH", 0.0)
    found()
    assert len(many) == at + 1, "what another process did inside a folder is seen later"


def test_a_folder_that_just_changed_is_looked_at_again(home, many, monkeypatch):
    monkeypatch.setattr(run_index, "SETTLED_NS", 10**12)
    saved(*"abc")
    found()
    at = len(many)
    found()
    assert len(many) == at + 1


@pytest.mark.parametrize("page", [1, 2, 3, 0, 99])
def test_a_page_is_a_slice_of_the_list(page):
    saved(*"abcde")
    ids = [info.id for info in store.find_runs()]
    total, shown, runs = store.page_of_runs(limit=2, page=page)
    assert total == 5 and shown == min(max(page, 1), 3)
    assert [info.id for info in runs] == ids[2 * (shown - 1) : 2 * shown]
    assert store.page_of_runs("nothing like it") == (0, 1, [])
