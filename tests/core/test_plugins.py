"""Tests of plugins: off by default, run once, and one that fails is reported and does not affect the others."""

import sys
from importlib import metadata

import pytest

import core
from core import plugins
from core.plugins import load_plugins

GOOD = "def register(heed):\n    heed.METRICS['made-up'] = heed.METRICS['words']\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    monkeypatch.setenv("HEED_PLUGINS", "1")
    monkeypatch.setattr(plugins, "_loaded", {})
    (tmp_path / "plugins").mkdir()
    before = dict(core.METRICS)
    yield tmp_path / "plugins"
    core.METRICS.clear()
    core.METRICS.update(before)


@pytest.mark.parametrize("value", ["", "0", "off", "no", "anything"])
def test_off_unless_switched_on(folder, monkeypatch, value):
    (folder / "good.py").write_text(GOOD)
    monkeypatch.setenv("HEED_PLUGINS", value)
    assert load_plugins() == [] and "made-up" not in core.METRICS


@pytest.mark.parametrize("value", ["1", "on", "TRUE", " yes "])
def test_on(folder, monkeypatch, value):
    (folder / "good.py").write_text(GOOD)
    monkeypatch.setenv("HEED_PLUGINS", value)
    assert load_plugins() == [] and "made-up" in core.METRICS


def test_each_is_run_once(folder):
    (folder / "counts.py").write_text("times = []\ndef register(heed):\n    times.append(1)\n")
    assert load_plugins() == load_plugins() == []
    assert sys.modules["heed_plugin_counts"].times == [1]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def register(heed)\n    pass", "expected ':'"),
        ("x = 1", "has no function register"),
        ("def register(heed):\n    heed.NONSENSE['x'] = 1", "NONSENSE"),
        ("import no_such_library\ndef register(heed):\n    pass", "no_such_library"),
        ("def register(heed):\n    raise SystemError('odd\\nnews')", "odd news"),
    ],
)
def test_one_that_fails_is_one_sentence_and_the_others_go_on(folder, code, told):
    (folder / "a_bad.py").write_text(code)
    (folder / "good.py").write_text(GOOD)
    (sentence,) = load_plugins()
    assert "a_bad.py was left out" in sentence and told in sentence and "start again" in sentence
    assert "made-up" in core.METRICS


def test_an_entry_point_registers(folder, monkeypatch):
    def register(heed):
        heed.METRICS["made-up"] = heed.METRICS["words"]

    monkeypatch.setattr("tests.core.test_plugins.registered", register, raising=False)
    entry = metadata.EntryPoint("lab", "tests.core.test_plugins:registered", plugins.GROUP)
    monkeypatch.setattr(plugins.metadata, "entry_points", lambda group: [entry] if group == plugins.GROUP else [])
    assert load_plugins() == [] and "made-up" in core.METRICS


def test_no_folder_is_no_plugin(folder):
    folder.rmdir()
    assert load_plugins() == []
