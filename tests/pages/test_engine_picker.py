"""Tests where a study can be made to run from its page, and what is said of that."""

import threading

import pytest

from core.cluster.cluster_look import ClusterLook
from core.cluster.ray_connection import RayEngine
from core.errors import StoreError
from core.jobs import jobs, study_jobs
from core.study import database
from core.study.ray_engine import ENGINE
from core.trust.league_files import league_folder
from pages.parts import engine_picker
from pages.parts.engine_picker import engine_line
from pages.parts.study import study_progress
from pages.parts.trust import trust_page
from tests.core import study_tiny
from tests.pages.conftest import fine, texts
from tests.pages.test_study import busy

__all__ = ["busy"]
NOW = {"nodes": 2, "cpus": 16.0, "gpus": 1.0, "memory": 64 * 10**9, "actors": 3, "loading": 1, "running": 48}


@pytest.fixture
def made(home, tmp_path):
    from core.study import Study

    return Study(study_tiny.plan(study_tiny.model(tmp_path), 2))


@pytest.fixture
def engines(monkeypatch):
    """The engines with which studies were started."""
    seen = []
    work = study_jobs.study_work
    monkeypatch.setattr(
        study_progress, "study_work", lambda ident, **more: seen.append(more["engine"]) or work(ident, **more)
    )
    monkeypatch.setattr(engine_picker, "ray_is_installed", lambda: True)
    return seen


def test_a_study_is_sent_where_it_was_asked_to_run(visit, busy, made, engines, monkeypatch):
    monkeypatch.setenv("HEED_RAY_ADDRESS", "10.0.0.1:6379")
    look = ClusterLook(2, 16.0, 12.0, 0.0, 0.0, 64 * 10**9, 48 * 10**9)
    monkeypatch.setattr(engine_picker, "look_from_outside", lambda address: look)
    app = fine(visit("study", study=made.id))
    box = app.selectbox(key="study_engine")
    assert box.options == ["This machine", "Ray on this machine", "Ray cluster 10.0.0.1:6379"]
    app = fine(box.select("cluster").run())
    assert "12 of 16 cores free" in texts(app)
    app = fine(app.number_input(key="study_actors").set_value(3).run())
    fine(app.button(key="study_resume").click().run())
    assert engines == [RayEngine("10.0.0.1:6379", 3)]


def test_a_cluster_that_cannot_be_reached_is_told_and_the_rest_works(visit, busy, made, engines, monkeypatch):
    monkeypatch.setenv("HEED_RAY_ADDRESS", "10.0.0.2:6379")

    def look(address):
        raise StoreError("The Ray cluster cannot be reached: start it.")

    monkeypatch.setattr(engine_picker, "look_from_outside", look)
    app = fine(visit("study", study=made.id))
    app = fine(app.selectbox(key="study_engine").select("cluster").run())
    assert "cannot be reached" in app.warning[0].value
    app = fine(app.selectbox(key="study_engine").select("processes").run())
    assert not app.warning
    fine(app.button(key="study_resume").click().run())
    assert engines == [None]


def test_a_league_is_measured_where_it_was_asked_to_be_and_does_not_wait_for_the_model_of_this_process(
    visit, busy, monkeypatch
):
    seen = []
    monkeypatch.setattr(trust_page, "league_work", lambda model, prompts, engine: seen.append(engine))
    monkeypatch.setattr(engine_picker, "ray_is_installed", lambda: True)
    monkeypatch.setattr("core.trust.league_files.SHIPPED_LEAGUES", league_folder("none"))
    app = fine(visit("trust"))
    app = fine(app.selectbox(key="study_engine").select("ray").run())
    app.button(key="trust_button").click().run()
    (job,) = [job for job in jobs().all() if job.key.startswith("trust")]
    assert seen[-1] == RayEngine() and job.device == trust_page.LANE


def test_a_grid_shows_where_it_runs_too(visit, engines):
    app = fine(visit("grid"))
    assert app.selectbox(key="study_engine").options == ["This machine", "Ray on this machine"]


def test_without_ray_there_is_no_choice(visit, made, monkeypatch):
    monkeypatch.setattr(engine_picker, "ray_is_installed", lambda: False)
    app = fine(visit("study", study=made.id))
    assert not [box for box in app.selectbox if box.key == "study_engine"]


def test_what_a_running_study_runs_on_is_said():
    assert engine_line(NOW) == (
        "On Ray: 2 nodes, 16 cores, 1 GPU, 64.0 GB of memory · 3 processes, 1 still loading their model · "
        "48 runs under way"
    )
    assert engine_line({}) == ""
    one = NOW | {"nodes": 1, "gpus": 0.0, "actors": 1, "loading": 0}
    assert engine_line(one).startswith("On Ray: 1 node, 16 cores, 64.0 GB of memory · 1 process · ")
    assert engine_line(one | {"loading": 1, "running": 0}).endswith(" · 1 process, loading its model")
    assert engine_line(one | {"actors": 0, "running": 0}).endswith(" · starting")


def test_until_ray_is_there_it_is_said_that_it_starts(visit, made, engines, monkeypatch):
    free = threading.Event()
    monkeypatch.setattr(study_progress, "study_work", lambda ident, **_: lambda progress, cancelled: free.wait(30))
    app = fine(visit("study", study=made.id))
    app = fine(app.selectbox(key="study_engine").select("ray").run())
    app = fine(app.button(key="study_resume").click().run())
    assert "Waiting for Ray" in texts(app)
    free.set()


def test_a_study_that_runs_elsewhere_on_ray_says_so(visit, made, engines):
    import json

    owner = database.worker_name()
    database.claim_cells(made.db, owner, made.plan.models[0], 2)
    database.put_note(made.db, ENGINE, json.dumps(NOW))
    app = fine(visit("study", study=made.id))
    assert "On Ray: 2 nodes" in texts(app)
