"""Tests of the heartbeat: what a silent worker and a stopped process are told as, and that files of the dead go."""

import json
import os
import time

import pytest

from core.jobs.heartbeat import beat, heartbeat_problems
from core.jobs.job import Job

DEAD = "4194305"  # above the largest process id of Linux


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def job():
    return Job("a", lambda p, c: None, "cpu", lambda job: [], lambda device: None)


def test_a_worker_that_answers_is_no_problem_and_leaves_no_file(home, job):
    assert heartbeat_problems() == []
    beat([job])
    assert heartbeat_problems() == []
    beat([])
    assert list((home / "heartbeats").iterdir()) == []


def test_a_silent_worker_is_told(job):
    job._heard -= 900
    beat([job])
    (told,) = heartbeat_problems()
    assert told == f"The worker of cpu in process {os.getpid()} has not answered for 15 min: restart Heed."


def test_a_process_that_stopped_writing_is_told_and_a_dead_one_is_removed(home, job):
    beat([job])
    mine = home / "heartbeats" / f"{os.getpid()}.json"
    mine.write_text(json.dumps({"written": time.time() - 600, "silent": {"cpu": 0}}))
    (told,) = heartbeat_problems()
    assert told == f"Process {os.getpid()} of Heed stopped answering 10 min ago: restart it."
    dead = mine.with_stem(DEAD)
    dead.write_text(mine.read_text())
    assert len(heartbeat_problems()) == 1, "who ended answers nobody"
    beat([job])
    assert not dead.exists() and heartbeat_problems() == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"written": "x"}', '{"written": 1, "silent": []}'])
def test_a_damaged_heartbeat_says_nothing(home, text):
    (home / "heartbeats").mkdir()
    (home / "heartbeats" / f"{os.getpid()}.json").write_text(text)
    assert heartbeat_problems() == []


def test_a_home_that_cannot_be_written_stops_nothing(home, job):
    (home / "heartbeats").write_text("in the way")
    beat([job])
    assert heartbeat_problems() == []
