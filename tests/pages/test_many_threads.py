"""Tests that pages are drawn in turns, that options are read without Streamlit's lock, and when garbage goes."""

import gc
import sys
import threading
import time
import tomllib
import weakref
from pathlib import Path

import pytest
from streamlit import config
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner

from pages.parts import many_threads
from pages.parts.many_threads import TURN, PageTurns, shorten_waits

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def shortened(monkeypatch):
    before = sys.getswitchinterval()
    monkeypatch.setattr(config, "get_option", config.get_option)
    monkeypatch.setattr(ScriptRunner, "_run_script", ScriptRunner._run_script)
    monkeypatch.setattr(many_threads, "COLLECT", 0.05)
    under_lock = config.get_option
    shorten_waits()
    yield under_lock
    sys.setswitchinterval(before)


def test_options_are_those_of_streamlit(shortened):
    names = list(config.get_config_options())
    assert len(names) > 50
    assert [config.get_option(name) for name in names] == [shortened(name) for name in names]
    with pytest.raises(RuntimeError, match="not defined"):
        config.get_option("no.such")


def test_nobody_waits_for_the_lock(shortened):
    said = []
    reader = threading.Thread(target=lambda: said.append(config.get_option("server.port")), daemon=True)
    with config._config_lock:
        reader.start()
        reader.join(10)
    assert said == [shortened("server.port")]


def test_threads_take_short_turns_and_twice_is_once(shortened):
    assert sys.getswitchinterval() == pytest.approx(TURN)
    once = config.get_option
    shorten_waits()
    assert config.get_option is once


def test_an_option_that_is_set_later_is_the_new_one(shortened):
    option = config.get_config_options()["client.toolbarMode"]
    before, where = option.value, option.where_defined
    option.set_value("minimal", "a test")
    try:
        assert config.get_option("client.toolbarMode") == "minimal" == shortened("client.toolbarMode")
    finally:
        option.set_value(before, where)


def _draws(turns, count, seconds):
    """Draws so many pages at once; returns [(began, ended)] in the order in which they asked."""
    spans, threads = [(0.0, 0.0)] * count, []

    def draw(number):
        with turns.turn():
            began = time.monotonic()
            time.sleep(seconds)
            spans[number] = (began, time.monotonic())

    for number in range(count):
        threads.append(threading.Thread(target=draw, args=(number,)))
        threads[-1].start()
        time.sleep(0.01)
    for thread in threads:
        thread.join(20)
    return spans


def test_pages_are_drawn_one_after_the_other_as_they_came():
    spans = _draws(PageTurns(), 5, 0.05)
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False))


def test_nobody_waits_for_a_slow_page_beyond_its_turn():
    spans = _draws(PageTurns(longest=0.1), 4, 1.0)
    begins = [began - spans[0][0] for began, _ in spans]
    assert all(before < after for before, after in zip(begins, begins[1:], strict=False))
    assert begins[3] < spans[0][1] - spans[0][0]  # all four have begun before the first is drawn


def test_a_page_that_fails_gives_its_turn_back():
    turns = PageTurns(longest=3600)
    with pytest.raises(ZeroDivisionError), turns.turn():
        raise ZeroDivisionError
    with turns.turn():
        pass


def test_the_server_draws_in_turns(shortened):
    assert ScriptRunner._run_script.__qualname__.startswith("_in_turns")


def test_garbage_goes_although_no_page_collects_it(shortened):
    kept = tomllib.loads((ROOT / ".streamlit/config.toml").read_text("utf-8"))
    assert kept["runner"]["postScriptGC"] is False

    class Ring:
        pass

    ring = Ring()
    ring.itself, gone = ring, weakref.ref(ring)
    del ring
    was = gc.isenabled()
    gc.disable()  # only the thread collects
    try:
        end = time.monotonic() + 20
        while gone() is not None and time.monotonic() < end:
            time.sleep(0.02)
        assert gone() is None
    finally:
        if was:
            gc.enable()
