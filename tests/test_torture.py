"""Tests that ``make torture`` can still be run, and that it sees what it is there to see."""

import random
import subprocess
import sys
import time

import pytest

pytest.importorskip("fcntl", reason="processes are forked")

from benchmarks.torture import bad_days, flips
from benchmarks.torture.forks import ChildFailed, in_fork, killed_after
from benchmarks.torture.killing import kill_work
from benchmarks.torture.works import WORKS, Work, home_path


def test_a_fork_tells_what_it_finished_before_it_was_killed():
    def work(tell):
        tell("first")
        time.sleep(30)

    assert killed_after(work, 0.3) == (["first"], True)
    assert killed_after(lambda tell: tell("all"), 0.3) == (["all"], False)
    assert in_fork(lambda: {"a": 1}) == {"a": 1}
    with pytest.raises(ChildFailed, match="ZeroDivisionError"):
        in_fork(lambda: 1 // 0)


def test_cache_writes_survive_kills_full_disks_read_only_folders_and_the_clock(tmp_path):
    work, rng = WORKS["cache writes"], random.Random(0)
    killed = kill_work(work, 2, tmp_path / "kill", rng)
    assert (killed.tries, killed.bad, killed.told) == (2, 0, [])
    for day in (
        bad_days.full_disk(work, tmp_path / "full", 2),
        bad_days.read_only(work, tmp_path / "read", 1),
        bad_days.clock_back(work, tmp_path / "clock", 1, rng),
    ):
        assert day.wrong == 0 and day.tries >= 1, (day.name, day.told)


def _torn(tell):
    home_path().mkdir(exist_ok=True)
    for name in ("done", "half"):
        (home_path() / name).write_text("1" * 100)
        tell(name)
        time.sleep(0.2)
        (home_path() / name).write_text("1" * 50)


def test_work_that_loses_something_is_found_out(tmp_path):
    def state():
        return {p.name: str(p.stat().st_size) for p in home_path().glob("*")}

    torn = kill_work(Work("torn", _torn, state), 3, tmp_path, random.Random(1))
    assert torn.lost > 0 and torn.bad > 0


def test_what_a_flip_did_is_told_apart():
    assert flips._only_lacks({"a": 1}, {"a": 1, "b": 2}) and flips._only_lacks("none", ["x"])
    assert not flips._only_lacks({"a": 2}, {"a": 1}) and not flips._only_lacks(["x"], ["y"])


@pytest.mark.slow
def test_the_command_runs_one_try_of_each_kind(root):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.torture", "--tries", "1"], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert all(f"| {name} | 1 |" in done.stdout for name in WORKS) and "silently different" in done.stdout
