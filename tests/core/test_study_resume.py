"""Tests that a study killed with SIGKILL at any moment resumes: nothing is done twice, nothing is lost.

One study is a process started from the shell, another a job of the pages that runs in a process of its own."""

import signal
import subprocess
import sys
import time

import pytest

from core.jobs.study_jobs import study_work
from core.study.relevance_pass import lacks_relevance
from core.study.study import Study
from tests.core import study_tiny
from tests.core.study_tiny import plan

pytestmark = pytest.mark.slow


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    made = Study(plan(study_tiny.model(tmp_path), 24, max_new_tokens=2))
    yield made
    made.close()


def start(study, root, *more):
    line = [sys.executable, "-m", "core.study", "run", study.id, "--workers", "1", "--every", "0", *more]
    return subprocess.Popen(line, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(study):
    return dict(study.db.execute("SELECT cell, finished FROM runs").fetchall())


def _refuse(*_):
    raise AssertionError("The encoder is loaded in the process of a page, which then imports torch.")


def test_a_killed_study_goes_on(study, root, monkeypatch):
    process = start(study, root)
    until = time.monotonic() + 120
    while len(finished(study)) < 3 and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    before = finished(study)
    assert 3 <= len(before) < 48, "it was killed in the middle"
    assert study.status().running == 0 and study.status().waiting == 48 - len(before)
    assert study.db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"

    told = []
    monkeypatch.setattr("core.study.study.fill_relevance", _refuse)
    study_work(study.id, 1)(lambda fraction, text, stream=None: told.append((fraction, text)), lambda: False)
    assert told[0][1].startswith(f"{len(before)} of 48") and told[-1] == (1.0, "48 of 48 runs")
    after = finished(study)
    assert {cell: after[cell] for cell in before} == before, "what was done was not run again"
    whole = study.db.execute(
        "SELECT count(*) FROM cells JOIN runs USING (cell) JOIN kept USING (cell) WHERE digest IS NOT NULL"
    )
    assert whole.fetchone()[0] == 48 and len(study.instructions()) == 48
    assert set(study.table()["error"]) == {""}
    assert not lacks_relevance(study.db), "the process that ran the last cell fills it in"
