"""Tests that options are read without Streamlit's lock, and are what Streamlit says."""

import sys
import threading

import pytest
from streamlit import config

from pages.parts.many_threads import TURN, shorten_waits


@pytest.fixture
def shortened(monkeypatch):
    before = sys.getswitchinterval()
    monkeypatch.setattr(config, "get_option", config.get_option)
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
