"""Tests of events: the fields that they may have, for whom they are, and that names follow work to its thread."""

import logging
from threading import Thread

import pytest

from core.log.events import EVENT_FIELDS, keep_log_names, log_as, log_event, log_names


@pytest.fixture(autouse=True)
def nobody():
    log_as(session="", person="")
    yield
    log_as(session="", person="")


def test_fields_that_are_known_are_told(caplog, monkeypatch):
    caplog.set_level(logging.INFO, "heed")
    monkeypatch.delenv("HEED_LOG_PROMPTS", raising=False)
    log_event("run_made", run="ab", seconds=1.5, person=None, failed=KeyError("zebra"), asked="zebra")
    (one,) = caplog.records
    assert one.event == "run_made" and one.fields == {"run": "ab", "seconds": 1.5, "error": "KeyError"}
    assert one.getMessage() == "run_made run=ab seconds=1.5 error=KeyError" and one.levelno == logging.INFO
    monkeypatch.setenv("HEED_LOG_PROMPTS", "1")
    log_event("run_made", asked="zebra")
    assert caplog.records[-1].fields == {"asked": "zebra"}


@pytest.mark.parametrize("name", ["prompt", "answer", "text", "file", "segment", "asked_for"])
def test_no_field_is_made_up(name):
    assert name not in EVENT_FIELDS
    with pytest.raises(ValueError, match=f"no field {name}: there are .*seconds"):
        log_event("run_made", **{name: "x"})
    with pytest.raises(ValueError, match="no field"):
        log_as(**{name: "x"})


def test_names_follow_the_work_to_its_thread_and_stay_out_of_the_next():
    log_as(session="s1", person="ada")
    kept = keep_log_names(lambda seen: seen.append(log_names()))
    log_as(session="s2", person="")
    seen = []

    def serve():
        kept(seen)
        seen.append(log_names())

    thread = Thread(target=serve)
    thread.start()
    thread.join()
    assert seen == [{"session": "s1", "person": "ada"}, {}] and log_names() == {"session": "s2"}
