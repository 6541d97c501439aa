"""Tests of where the log goes: people's lines, JSON lines, a file that is private and moved aside, and all undone."""

import json
import logging
import os
import stat
import sys
import threading
import warnings

import pytest

from core.log.events import log_event
from core.log.targets import SharedLogFile, process_log, start_log, stop_log

LOG = logging.getLogger("heed")
SECRET = "zebra"


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv("HEED_LOG", raising=False)
    monkeypatch.delenv("HEED_LOG_PROMPTS", raising=False)
    yield
    stop_log()


def state():
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook, warnings.showwarning
    return logging.getLogRecordFactory(), list(logging.getLogger().handlers), LOG.level, hooks


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_by_default_warnings_are_lines_and_events_are_not_told(capsys):
    with process_log():
        log_event("run_made", run="ab")
        LOG.warning("Run %s is damaged: %s", "ab", ValueError(SECRET))
    assert capsys.readouterr().err == "Run ab is damaged: ValueError\n"


def test_json_is_one_object_a_line(monkeypatch, capsys):
    monkeypatch.setenv("HEED_LOG", "json")
    with process_log():
        log_event("run_made", run="ab", seconds=2)
        try:
            raise ValueError(f"{SECRET}\nand more")
        except ValueError as error:
            LOG.warning("It failed\nbadly.", exc_info=error)
    made, failed = json_lines(capsys.readouterr().err)
    assert made["event"] == "run_made" and made["run"] == "ab" and made["level"] == "info" and made["seconds"] == 2
    assert made["time"].endswith("+00:00") and "text" not in made
    assert failed["error"] == "ValueError" and failed["text"] == "It failed\nbadly." and failed["logger"] == "heed"
    assert "test_log_targets.py" in failed["traceback"] and SECRET not in failed["traceback"]


def test_a_file_gets_json_and_stderr_stays_for_people(monkeypatch, tmp_path, capsys):
    path = tmp_path / "logs" / "heed.log"
    monkeypatch.setenv("HEED_LOG", str(path))
    with process_log():
        log_event("run_made", run="ab")
        LOG.warning("Odd.")
    assert [line["event"] for line in json_lines(path.read_text())] == ["run_made", "message"]
    assert capsys.readouterr().err == "Odd.\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_json_on_stderr_can_be_kept_from_a_worker(monkeypatch, capsys):
    monkeypatch.setenv("HEED_LOG", "json")
    with process_log(json_allowed=False):
        LOG.warning("Odd.")
    assert capsys.readouterr().err == "Odd.\n"


def test_a_file_that_cannot_be_written_is_told_and_nothing_stops(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HEED_LOG", str(tmp_path / "file" / "below.log"))
    with process_log():
        LOG.warning("On.")
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("The log cannot be written to the file that HEED_LOG names: ") and second == "On."


def test_a_full_file_is_moved_aside_and_the_oldest_go(tmp_path):
    path = tmp_path / "heed.log"
    handlers = [SharedLogFile(path, most=40, kept=2) for _ in range(2)]  # as two processes
    for number in range(20):
        handlers[number % 2].emit(logging.LogRecord("heed", 20, "x", 1, f"line {number:02}, some words", (), None))
    for handler in handlers:
        handler.close()
    there = sorted(p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock"))
    assert there == ["heed.log", "heed.log.1", "heed.log.2"]
    kept = "".join((tmp_path / name).read_text() for name in reversed(there)).splitlines()
    assert kept == [f"line {number:02}, some words" for number in range(20 - len(kept), 20)], "no line is lost between"


def test_all_of_it_is_undone_and_twice_is_once():
    before = state()
    start_log()
    assert logging.getLogRecordFactory() is not before[0]
    started = state()
    start_log()
    assert state() == started
    stop_log()
    assert state() == before


def test_what_python_prints_itself_is_cleaned_too(capsys):
    def fail():
        raise ValueError(SECRET)

    with process_log():
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        warnings.showwarning(UserWarning(SECRET), UserWarning, "/lib/x.py", 3)
        sys.excepthook(ValueError, ValueError(SECRET), None)
    with pytest.raises(SystemExit), process_log():
        fail()
    told = capsys.readouterr().err
    assert SECRET not in told and "UserWarning at /lib/x.py:3" in told
    assert told.count("ValueError: left out") == 3 and "A thread ended with an error." in told


def test_an_error_is_raised_as_it_is_where_prompts_are_allowed(monkeypatch):
    monkeypatch.setenv("HEED_LOG_PROMPTS", "1")
    with pytest.raises(ValueError, match="zebra"), process_log():
        raise ValueError(SECRET)


def test_the_lock_file_is_private_too(tmp_path):
    handler = SharedLogFile(tmp_path / "heed.log", most=1)
    for _ in range(2):
        handler.emit(logging.LogRecord("heed", 20, "x", 1, "words", (), None))
    handler.close()
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600, path
