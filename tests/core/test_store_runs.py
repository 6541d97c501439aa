"""Tests of core/store write, read and lock: runs are saved and deleted whole despite kills, full disks and edits."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import store
from core.errors import StoreError
from core.records import Segment
from core.store import lock, run_files
from tests.core.store_made_up import same, trace

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    monkeypatch.delenv("HEED_STORE_GB", raising=False)
    return tmp_path


def child(code: str, *arguments: str) -> subprocess.Popen:
    """Starts another process that has the store and the made-up runs imported."""
    head = "import os, sys, signal; from core import store; from tests.core.store_made_up import trace\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + code, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def leftovers(home) -> list[str]:
    return [name for name in os.listdir(home / "runs") if name.startswith((".tmp", ".trash"))]


def test_a_cached_run_is_the_fresh_run_to_the_last_bit():
    run = trace()
    assert store.load_run(run.request) is None and store.load_run(run.id) is None
    assert store.save_run(run) == run.id
    for back in (store.load_run(run.request), store.load_run(run.id), store.open_run(run.id)):
        assert same(back, run)
        assert back.attention.tobytes() == run.attention.tobytes()
    assert store.load_run(run.id, rows=False).rows is None


def test_opening_needs_no_torch_and_no_tokenizer():
    store.save_run(trace())
    code = "store.load_run(trace().request); store.find_runs(); print([m for m in sys.modules if m in sys.argv])"
    with child(code, "torch", "transformers", "tokenizers", "streamlit", "pandas") as process:
        assert process.stdout.read().strip() == "[]"


def test_a_run_carries_the_segments_author_and_keep_it_is_asked_with():
    colour, sky = Segment("question", 0, 0, 5), Segment("context", 0, 6, 12)
    run = trace(segments=(colour,))
    store.save_run(run)
    assert "segment:question" in run.groups
    alike = trace(segments=(colour,), author="me").request
    back = store.load_run(alike)
    assert back.request == alike and same(back.mass, run.mass) and back.groups == run.groups
    other = trace(segments=(sky,)).request
    back = store.load_run(other)
    assert back.request == other and back.groups == run.groups[:-1]
    assert same(np.asarray(back.mass), np.ascontiguousarray(run.mass[..., :-1]))
    assert same(store.load_run(run.id), run), "asked by id it is as it was stored"


@pytest.mark.parametrize("bad", ["", "x", "../../etc", "0" * 63, "G" * 64, "A" * 64, "0" * 64, "..", "\0" * 64])
def test_no_such_id_is_none(bad):
    store.save_run(trace())
    assert store.load_run(bad) is None
    assert store.delete_runs([bad]) == 0
    assert store.count_found() == 1


@pytest.mark.parametrize("name", [run_files.MANIFEST, run_files.RECORD, run_files.ARRAYS, run_files.ROWS])
@pytest.mark.parametrize("way", ["edit", "cut", "lose"])
def test_a_damaged_run_is_mended_or_told_once_and_can_be_stored_again(home, name, way):
    run = trace()
    store.save_run(run)
    path = home / "runs" / run.id / name
    data = path.read_bytes()
    if way == "lose":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if way == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    if name == run_files.MANIFEST:
        back = store.load_run(run.request)
        assert same(replace(back, notes=run.notes), run), "the files say all that it said"
        assert (back.notes != run.notes) == (way == "lose"), "and without it nothing proves them"
        return
    with pytest.raises(StoreError, match=r"damaged.*run it again"):
        store.load_run(run.request)
    assert store.load_run(run.request) is None and store.find_runs() == [] and leftovers(home) == []
    store.save_run(run)
    assert same(store.load_run(run.id), run)


def test_a_run_with_a_damaged_manifest_and_record_is_not_listed(home):
    run = trace()
    store.save_run(run)
    (home / "runs" / run.id / run_files.RECORD).write_bytes(b"{}")
    (home / "runs" / run.id / run_files.MANIFEST).write_bytes(b"{}")
    assert store.find_runs() == [] and store.store_usage()[0] == 0
    assert store.load_run(run.id) is None


def test_saving_again_replaces_but_never_loses_rows(home):
    first, second, bare = trace(seed=1), trace(seed=2), trace(seed=3, keep="none")
    for run, expected in ((bare, bare), (first, first), (second, second), (bare, second)):
        store.save_run(run)
        assert same(store.load_run(run.id), expected)
    (home / "runs" / first.id / run_files.ROWS).write_bytes(b"broken")
    store.save_run(bare)
    assert same(store.load_run(bare.id), bare), "rows that are damaged are nothing to keep"
    assert leftovers(home) == []


def test_a_run_with_components_is_kept_whatever_is_saved_after_it(home):
    plain, richer, bare = trace(seed=1), trace(seed=2, keep="components"), trace(seed=3, keep="none")
    for run, expected in ((plain, plain), (richer, richer), (plain, richer), (bare, richer)):
        store.save_run(run)
        assert same(store.load_run(run.id), expected)
        assert store.has_components(run.id) == (expected is richer)
    larger = trace(seed=4, keep="components")
    store.save_run(larger)
    assert same(store.load_run(larger.id), larger), "equal ones: the latest"
    assert not store.has_components("0" * 64) and not store.has_components("x")


def test_probes_stay_beside_a_run_that_is_replaced_by_a_richer_one(home):
    from core.records import Attribution

    run = trace(seed=1)
    store.save_run(run)
    found = Attribution(run.id, "rollout", np.array([[0, 1]]), np.ones((1, len(run.tokens) - 1)))
    store.save_attribution(found)
    store.save_run(trace(seed=1, keep="components"))
    assert store.has_components(run.id) and same(store.load_attribution(run.id, "rollout"), found)
    run_files.verify_run(home / "runs" / run.id)
    store.delete_runs([run.id])
    store.save_run(run)
    store.save_attribution(found)
    store.save_run(trace(seed=2, keep="components"))
    assert store.load_attribution(run.id, "rollout") is None, "another answer: it says nothing of this one"


def test_components_are_evicted_also_where_there_are_no_rows(home, monkeypatch):
    run = replace(trace(keep="components"), rows=None)
    store.save_run(run)
    assert store.has_components(run.id) and not store.has_rows(run.id)
    monkeypatch.setenv("HEED_STORE_GB", "0.000001")
    assert store.evict_rows() > 0
    assert not store.has_components(run.id) and store.load_run(run.id).components is None


def test_deleting(home):
    runs = [trace(text=f"Prompt {i}") for i in range(3)]
    for run in runs:
        store.save_run(run)
        store.name_run(run.id, "mine")
    assert store.delete_runs([runs[0].id, runs[2].id, "0" * 64]) == 2
    assert [info.id for info in store.find_runs()] == [runs[1].id]
    assert store.load_run(runs[0].id) is None and leftovers(home) == []
    store.save_run(runs[0])
    assert store.find_runs("prompt 0")[0].name == "", "the name went with the run"


def test_least_used_rows_go_first_starred_last_small_records_stay(monkeypatch, home):
    runs = [trace(text=f"Prompt {i}", layers=8, heads=8, prompt=40) for i in range(4)]
    for i, run in enumerate(runs):
        store.save_run(run)
        os.utime(home / "runs" / run.id / run_files.USED, (1000 + i, 1000 + i))
    store.star_run(runs[0].id)
    store.load_run(runs[1].id)  # now the last used
    size = run_files.read_manifest(home / "runs" / runs[0].id)
    total = store.store_usage()[0]

    def with_rows():
        return [i for i, run in enumerate(runs) if store.open_run(run.id).rows is not None]

    for spare, expected in ((0, [0, 1, 2, 3]), (1, [0, 1, 3]), (2, [0, 1]), (3, [0]), (4, [])):
        limit = total - spare * size.rows_bytes + (spare > 0)
        monkeypatch.setenv("HEED_STORE_GB", repr(limit / 1e9 + 1e-10))
        store.evict_rows()
        assert with_rows() == expected
        assert store.store_usage()[0] <= limit
    monkeypatch.setenv("HEED_STORE_GB", "0")
    assert store.evict_rows() == 0 and store.count_found() == 4, "small records stay"
    assert [info.has_rows for info in store.find_runs()] == [False] * 4


def test_saving_keeps_the_store_under_its_limit(monkeypatch, home):
    first, second = trace(text="One", layers=8, heads=8, prompt=40), trace(text="Two", layers=8, heads=8, prompt=40)
    store.save_run(first)
    os.utime(home / "runs" / first.id / run_files.USED, (1000, 1000))
    monkeypatch.setenv("HEED_STORE_GB", str(store.store_usage()[0] * 1.8 / 1e9))
    store.save_run(second)
    assert store.load_run(first.id).rows is None and store.load_run(second.id).rows is not None


def test_killed_at_any_commit_point_shows_all_or_nothing(home):
    """SIGKILL at the n-th rename or replace of a save, for every n; then at random moments."""
    old, new = trace(seed=1), trace(seed=2)
    code = """
count = int(sys.argv[1])
def deadly(real):
    def call(*arguments):
        global count
        count -= 1
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)
    return call
os.replace, os.rename = deadly(os.replace), deadly(os.rename)
store.save_run(trace(seed=2))
"""
    seen = set()
    for n in range(1, 8):
        store.save_run(old)
        with child(code, str(n)) as process:
            process.wait()
        back = store.load_run(old.id)
        assert back is None or same(back, old) or same(back, new)
        seen.add((process.returncode, "none" if back is None else "old" if same(back, old) else "new"))
        assert [info.id for info in store.find_runs()] == ([] if back is None else [old.id])
    assert {(-signal.SIGKILL, "old"), (0, "new")} <= seen
    store.save_run(old)
    assert leftovers(home) == [], "the next writer cleans up"


def test_killed_at_moments_of_chance(home):
    code = "print('go', flush=True)\nfor i in range(10**6): store.save_run(trace(seed=i % 2, layers=6, prompt=60))"
    for wait in (0.01, 0.05, 0.11, 0.17):
        with child(code) as process:
            process.stdout.readline()
            time.sleep(wait)
            process.kill()
        run = trace(layers=6, prompt=60)
        back = store.load_run(run.id)
        assert back is None or any(same(back, trace(seed=seed, layers=6, prompt=60)) for seed in (0, 1))
    store.save_run(run)
    assert leftovers(home) == []


def test_the_work_of_a_living_writer_is_left_alone(home):
    store.save_run(trace())
    host = os.uname().nodename
    for name in (f".tmp-{host}-{os.getpid()}-aa", ".tmp-other-host-1-bb", ".tmp-odd"):
        (home / "runs" / name).mkdir()
    (home / "runs" / ".tmp-other-host-2-old").mkdir()
    os.utime(home / "runs" / ".tmp-other-host-2-old", (1000, 1000))
    store.save_run(trace())
    assert sorted(leftovers(home)) == sorted([f".tmp-{host}-{os.getpid()}-aa", ".tmp-other-host-1-bb", ".tmp-odd"])


def test_two_processes_write_the_same_run_while_others_read(home):
    code = "for i in range(25): store.save_run(trace(seed=int(sys.argv[1])))"
    first, second = trace(seed=1), trace(seed=2)
    with child(code, "1") as one, child(code, "2") as two:
        seen = 0
        while one.poll() is None or two.poll() is None:
            back = store.load_run(first.id)  # StoreError would fail the test
            assert back is None or same(back, first) or same(back, second)
            seen += back is not None
            assert store.count_found() <= 1
    assert (one.returncode, two.returncode) == (0, 0) and seen > 0
    assert same(store.load_run(first.id), first) or same(store.load_run(first.id), second)
    assert leftovers(home) == []


def test_threads_save_evict_read_and_delete_at_once(monkeypatch):
    runs = [trace(text=f"Prompt {i}") for i in range(3)]
    monkeypatch.setenv("HEED_STORE_GB", "0.00001")
    errors = []

    def busy(i):
        try:
            for _ in range(8):
                store.save_run(runs[i % 3])
                back = store.load_run(runs[(i + 1) % 3].id)
                assert back is None or same(back.mass, runs[(i + 1) % 3].mass)
                store.star_run(runs[i % 3].id, bool(i % 2)) if i < 3 else store.find_runs("prompt")
                if i == 5:
                    store.delete_runs([runs[0].id])
        except StoreError as error:
            if "no stored run" not in str(error):  # another thread may just have deleted it
                errors.append(error)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=busy, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(monkeypatch, home):
    store.save_run(trace(text="Before"))

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match=r"full.*free some space or set HEED_HOME"):
            store.save_run(trace())
    assert leftovers(home) == [] and store.load_run(trace().id) is None
    assert store.load_run(trace(text="Before").id) is not None
    store.save_run(trace())
    assert store.load_run(trace().id) is not None


@pytest.mark.parametrize("place", ["FILE/home", "/proc/heed"])
def test_a_home_that_cannot_be_written_is_one_sentence_and_the_rest_goes_on(monkeypatch, home, place):
    (home / "file").write_text("")
    monkeypatch.setenv("HEED_HOME", place.replace("FILE", str(home / "file")))
    run = trace()
    for write in (lambda: store.save_run(run), lambda: store.star_run(run.id), lambda: store.delete_runs([run.id])):
        with pytest.raises(StoreError, match=r"cannot write.*set HEED_HOME"):
            write()
    assert store.load_run(run.request) is None and store.find_runs() == [] and store.store_usage()[0] == 0
    assert store.full_run_id("abcd") is None and store.evict_rows() == 0


def test_opening_counts_as_a_use_looking_does_not(home):
    run = trace()
    store.save_run(run)
    used = home / "runs" / run.id / run_files.USED
    os.utime(used, (1000, 1000))
    store.open_run(run.id)
    assert store.find_runs()[0].last_used.startswith("1970")
    store.load_run(run.id)
    assert not store.find_runs()[0].last_used.startswith("1970")


def test_readers_never_find_nothing_while_a_run_is_replaced(home):
    """Both names exist at every moment of the exchange: neither rename leaves a gap."""
    run, other = trace(), trace(text="other")
    store.save_run(run)
    store.save_run(other)
    seen = []
    one, two = (home / "runs" / r.id for r in (run, other))
    real = lock.os.rename

    def look(*names):
        seen.append(one.exists() and two.exists())
        return real(*names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock.os, "rename", look)
        lock.replace_folder(two, one)
    if lock._exchanged(home / "runs", home / "runs"):
        assert seen == [True], "only what was exchanged away is renamed, to be deleted"
    assert read_run_id(one) == other.id and not two.exists()


def read_run_id(folder):
    return run_files.read_manifest(folder).id
