"""Tests of the server's log: Streamlit's lines go through it, a page names its session, a refused upload is told once."""

import json
import logging

import pytest
from streamlit import error_util, logger
from uvicorn.config import LOGGING_CONFIG

from core.jobs import jobs
from core.log.events import log_as, log_names
from core.log.targets import stop_log
from core.people import Person, viewing
from pages.parts.server_log import log_refused_upload, name_log_session, start_server_log
from tests.pages.conftest import fine

SECRET = "zebra7719"


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.delenv("HEED_LOG", raising=False)
    monkeypatch.delenv("HEED_LOG_PROMPTS", raising=False)
    monkeypatch.setattr(logger, "setup_formatter", logger.setup_formatter)
    monkeypatch.setitem(LOGGING_CONFIG, "loggers", dict(LOGGING_CONFIG["loggers"]))
    yield
    stop_log()
    monkeypatch.undo()
    for one in logger._loggers.values():
        one.propagate = False
    logger.update_formatter()
    log_as(session="", person="")


def fail_a_page():
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        error_util._log_uncaught_app_exception(error)


def test_the_error_of_a_page_is_told_without_its_message(capfd):
    start_server_log()
    logger.update_formatter()  # as Streamlit does when it starts, with the stderr of now
    fail_a_page()
    told = capfd.readouterr().err
    assert "fail_a_page" in told and "ValueError: left out" in told and SECRET not in told
    assert "server_started" not in told, "events are for who asked for them"


def test_streamlit_writes_json_too(monkeypatch, capfd):
    monkeypatch.setenv("HEED_LOG", "json")
    start_server_log()
    logger.get_logger("streamlit.made_later").warning("words %s", SECRET)
    fail_a_page()
    assert LOGGING_CONFIG["loggers"] and not any("handlers" in one for one in LOGGING_CONFIG["loggers"].values())
    started, odd, failed = map(json.loads, capfd.readouterr().err.splitlines())
    assert started["event"] == "server_started" and started["version"]
    assert odd["logger"] == "streamlit.made_later" and SECRET not in odd["text"]
    assert failed["error"] == "ValueError" and "fail_a_page" in failed["traceback"]


def test_a_page_names_its_session_for_the_job_that_it_begins(visit, busy):
    app = fine(visit())
    app.text_area(key="prompt").set_value("Name a colour of the sea.")
    app = fine(app.button(key="run_button").click().run())
    assert len(app.session_state["log_session"]) == 12 and jobs().all()
    name_log_session()
    first = log_names()["session"]
    name_log_session()
    assert log_names() == {"session": first} and first != "test session id"
    with viewing(Person("ab" * 16, "Ada")):
        name_log_session()
    assert log_names() == {"session": first, "person": "ab" * 16}


def test_a_refused_upload_is_told_once(caplog):
    caplog.set_level(logging.INFO, "heed")
    for data in (b"ab", b"ab", b"abc"):
        log_refused_upload("items", data, ValueError(SECRET))
    told = [r.fields for r in caplog.records if getattr(r, "event", "") == "upload_refused"]
    assert told == [{"kind": "items", "bytes": n, "error": "ValueError"} for n in (2, 3)]
