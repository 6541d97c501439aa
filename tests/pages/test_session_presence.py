"""Tests of who is there: the queue is told each job's session, and a page that is loaded again moves its job."""

from streamlit import runtime

from core.jobs import jobs
from pages.parts import session_presence
from tests.pages.conftest import fine


def test_a_page_tells_its_session_and_a_reload_moves_the_job(visit, busy, monkeypatch):
    app = fine(visit())
    app.text_area(key="prompt").set_value("Name a colour of the sea.")
    app = fine(app.button(key="run_button").click().run())
    job = jobs().all()[-1]
    assert job.sessions == {"test session id"} and jobs().present is session_presence.is_present
    monkeypatch.setattr("pages.parts.job_progress.session_name", lambda: "the next session")
    fine(visit(job=app.query_params["job"]))
    assert job.sessions == {"the next session"}


def test_without_a_server_everybody_counts_as_there(monkeypatch):
    assert session_presence.session_name() == ""
    monkeypatch.setattr(runtime, "exists", lambda: False)
    assert session_presence.is_present("anybody")


def test_only_who_is_connected_is_there(monkeypatch):
    class Server:
        def is_active_session(self, session):
            return session == "connected"

    monkeypatch.setattr(runtime, "exists", lambda: True)
    monkeypatch.setattr(runtime, "get_instance", Server)
    assert session_presence.is_present("connected") and not session_presence.is_present("closed")
