"""Tests of studies as jobs: cancelling pauses them, and one of their runs is computed again for Explore.

How a job runs a study in processes of its own is tested in test_study_resume.py."""

import pytest

from core import store
from core.errors import Cancelled
from core.jobs import study_jobs
from core.study.study import Study
from tests.core import study_tiny
from tests.core.study_tiny import plan


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    return plan(study_tiny.model(tmp_path), 2, structures=("plain",))


def silent(fraction, text, stream=None):
    return None


def test_a_study_is_paused_goes_on_and_its_runs_open(made):
    with pytest.raises(Cancelled):
        study_jobs.study_work(made, 1)(silent, lambda: True)
    study = Study(made)
    ident = study.id
    assert study.status().waiting == 2
    study.run(1)
    assert study_jobs.study_work(made)(silent, lambda: False) == ident, "there is nothing left to start a process for"
    assert study_jobs.pilot_work(ident)(silent, lambda: False) == ident

    row = study.table().iloc[0]
    assert not store.full_run_id(row["run"]), "a study keeps no full rows"
    assert study_jobs.open_work(ident, row["cell"])(silent, lambda: False) == row["run"]
    assert store.load_run(study.request(row["cell"])).answer == row["answer"]
