"""Tests that a study killed with SIGKILL at any moment resumes: nothing is done twice, nothing is lost.

It is a shard of a study, cut, run and merged by the commands of the shell: killed in a process of its own, it goes on
as a job of the pages, which runs in another.
"""

import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest

from core.jobs.study_jobs import study_work
from core.study import commands, worker_pool
from core.study.study import Study
from tests.core import study_tiny
from tests.core.study_tiny import plan

pytestmark = pytest.mark.slow


def run_and_kill(folder, root, study):
    """Runs the study of ``folder`` in a process of its own and kills that once three runs are stored."""
    line = [sys.executable, "-m", "core.study", "run", str(folder), "--workers", "1", "--every", "0"]
    process = subprocess.Popen(line, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while len(finished(study)) < 3 and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


def finished(study):
    return dict(study.db.execute("SELECT cell, finished FROM runs").fetchall())


def test_a_killed_study_goes_on_and_its_shards_are_merged(tmp_path, root, monkeypatch, capsys):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    path, folder, into = tmp_path / "plan.json", tmp_path / "shards", str(tmp_path / "study")
    path.write_text(plan(study_tiny.model(tmp_path), 24, max_new_tokens=2).to_json())
    assert commands.main(["shard", str(path), "--shards", "2", "--dir", str(folder)]) == 0
    study = Study(str(folder / "00"))
    run_and_kill(folder / "00", root, study)
    before = finished(study)
    assert 3 <= len(before) < 24, "it was killed in the middle"
    assert study.status().running == 0 and study.status().waiting == 24 - len(before)
    assert study.db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"

    told = []
    monkeypatch.setattr(worker_pool, "usable_cores", lambda: 1)  # a second thread would only wait for the first
    study_work(folder / "00", 1)(lambda fraction, text, stream=None: told.append((fraction, text)), lambda: False)
    assert told[0][1].startswith(f"{len(before)} of 24") and told[-1] == (1.0, "24 of 24 runs")
    after = finished(study)
    assert {cell: after[cell] for cell in before} == before, "what was done was not run again"
    whole = study.db.execute(
        "SELECT count(*) FROM cells JOIN runs USING (cell) JOIN kept USING (cell) WHERE digest IS NOT NULL"
    )
    assert whole.fetchone()[0] == 24 and len(study.instructions()) == 24
    assert set(study.table()["error"]) == {""}
    study.close()

    assert commands.main(["merge", str(folder), "--into", into]) == 1
    assert "01 is not done: 24 runs are missing, and `" in capsys.readouterr().out
    with closing(Study(str(folder / "01"))) as other:
        assert other.run(1).over
    assert commands.main(["merge", str(folder), "--into", into]) == 0
    assert "48 of 48 runs" in capsys.readouterr().out
