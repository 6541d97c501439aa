"""Tests of Runs without a browser: search, names, stars, opening, comparing, deleting, uploaded files."""

import json
import tempfile

import pytest

from core import store
from core.settings import home_path
from pages.parts.frame import APP_FOLDER
from tests.pages import made_up
from tests.pages.conftest import fine, texts


def _bytes(data):
    return data if isinstance(data, bytes) else data.encode()


def actions(picked):
    """A page with the actions below the table, for these ticked runs."""
    from pages.parts.runs_table import _actions

    _actions(picked)


@pytest.fixture
def ticked(keep):
    """An app that shows the actions of ticked runs."""
    from streamlit.testing.v1 import AppTest

    def go(*traces):
        ids = [keep(t) for t in traces]
        infos = {r.id: r for r in store.find_runs()}
        return AppTest.from_function(actions, args=([infos[i] for i in ids],), default_timeout=30).run(), ids

    return go


def test_an_empty_store_lists_the_examples(visit):
    app = fine(visit("runs"))
    assert "4 runs" in texts(app)
    assert set(app.dataframe[0].value["Prompt"]) == {
        "Answer in one word: What color is the sky?",
        "You are a helpful assistant. Answer in one word: What color is the sky?",
        "Write a six-word story about love",
    }


def test_search_finds_and_says_when_nothing_matches(visit, keep):
    keep(made_up.run("Where do penguins live?"))
    app = fine(visit("runs"))
    app = fine(app.text_input(key="query").set_value("penguins").run())
    assert list(app.dataframe[0].value["Prompt"]) == ["Where do penguins live?"] and "1 run" in texts(app)
    app = fine(app.text_input(key="query").set_value("no such words % _ ' \"").run())
    assert not app.dataframe and "No run matches" in texts(app)


def test_starred_only(visit, keep):
    store.star_run(keep(made_up.run("A star")), True)
    app = fine(visit("runs"))
    app = fine(app.toggle(key="starred").set_value(True).run())
    assert list(app.dataframe[0].value["Prompt"]) == ["A star"]


def test_hostile_runs_are_listed(visit, keep):
    keep(made_up.run(made_up.HOSTILE, made_up.HARD))
    app = fine(visit("runs"))
    assert len(app.dataframe[0].value) == 5


def test_naming_starring_and_deleting(ticked):
    app, (run,) = ticked(made_up.run("Name me"))
    assert {b.label for b in app.button} >= {"Open", "Star"}
    app.text_input(key=f"name_{run}").set_value("  My   <b>run</b> ").run()
    assert store.find_runs("Name me")[0].name == "My <b>run</b>"
    next(b for b in app.button if b.label == "Star").click().run()
    assert store.find_runs("Name me")[0].starred
    app.button(key="really").click().run()
    assert store.find_runs("Name me") == [] and not app.exception


def tick(app, row):
    """Ticks a row of the table, as a click does."""
    table = app.dataframe[0]
    app.session_state[table.key] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    return app.run()


def test_after_a_deletion_nothing_is_ticked(visit, keep):
    """A tick is a row number: kept, it would be on the next run, with the question to delete it still open."""
    keep(made_up.run("One"))
    keep(made_up.run("Two"))
    app = fine(visit("runs"))
    first, second = app.dataframe[0].value["Run"][:2]
    app = tick(app, 0)
    assert any("Delete 1 run for good?" in m.value for m in app.markdown)
    app = fine(app.button(key="really").click().run())
    assert store.full_run_id(first) is None and store.full_run_id(second)
    assert not any("for good?" in m.value for m in app.markdown), "another run stands ready to be deleted"
    assert "Tick runs on the left" in texts(app)


def test_a_search_unticks_and_a_star_does_not(visit, keep):
    keep(made_up.run("Stays"))
    keep(made_up.run("Another"))
    app = tick(fine(visit("runs")), 0)
    app = fine(next(b for b in app.button if b.label == "Star").click().run())
    assert {b.label for b in app.button} >= {"Open", "Unstar"}
    app = fine(app.text_input(key="query").set_value("stays").run())
    assert "Tick runs on the left" in texts(app)


@pytest.mark.parametrize("page", ["", "explore", "compare"])
def test_a_deleted_example_comes_back(visit, page):
    """A deleted example is imported again, where a first visit would otherwise find no stored run."""
    fine(visit())
    shipped = [r.id for r in store.find_runs()]
    assert store.delete_runs(shipped) == 4
    app = fine(visit(page))
    assert "no stored run" not in texts(app)
    assert set(shipped) == {r.id for r in store.find_runs()}


def test_a_link_to_a_deleted_example_opens_it(visit):
    fine(visit())
    run = store.find_runs("love")[0].id
    store.delete_runs([run])
    app = fine(visit("explore", run=run))
    assert f"run {run[:8]}" in texts(app)


def test_two_to_four_runs_can_be_compared(ticked):
    app, _ = ticked(*[made_up.run(f"Question {i}") for i in range(2)])
    assert "Compare" in {b.label for b in app.button}
    app, _ = ticked(*[made_up.run(f"Question {i}") for i in range(5)])
    assert "Compare" not in {b.label for b in app.button} and "Up to 4 runs" in texts(app)


def test_a_file_is_opened_and_kept(visit, keep):
    run = keep(made_up.run("From afar"))
    data = store.run_to_json(store.load_run(run))
    store.delete_runs([run])
    app = visit("runs")
    app.file_uploader(key="upload").set_value([("run.json", _bytes(data), "application/json")])
    app = fine(app.run())
    assert "was opened and kept" in texts(app) and store.full_run_id(run) == run
    assert store.run_origin(run) == "imported" and "a file" in list(app.dataframe[0].value["From"])


def test_a_file_of_a_run_that_was_made_here_leaves_it_as_it_is(visit, keep):
    run = keep(made_up.run("From here"))
    stored = (home_path() / "runs" / run / "manifest.json").read_bytes()
    app = visit("runs")
    data = _bytes(store.run_to_json(made_up.run("From here", seed=9)))
    app.file_uploader(key="upload").set_value([("run.json", data, "application/json")])
    app = fine(app.run())
    assert "was stored here before: the stored run is kept" in texts(app)
    assert (home_path() / "runs" / run / "manifest.json").read_bytes() == stored


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\x00\xff", b'{"format": "heed"}', b"[" * 5000])
def test_a_file_of_something_else_is_one_sentence(visit, data):
    app = visit("runs")
    app.file_uploader(key="upload").set_value([("run.json", data, "application/json")])
    app.run()
    assert not app.exception and len(app.error) == 1
    assert app.dataframe, "the list stays"


def test_an_edited_file_is_refused(visit, keep):
    record = json.loads(store.run_to_json(made_up.run("Edited")))
    record["answer"] = "Something else"
    app = visit("runs")
    app.file_uploader(key="upload").set_value([("run.json", json.dumps(record).encode(), "application/json")])
    app.run()
    assert not app.exception and app.error and store.find_runs("Edited") == []


@pytest.mark.parametrize("page", ["", "runs", "compare", "diagrams", "study", "findings"])
def test_a_full_disk_leaves_every_page_open_for_reading(visit, keep, monkeypatch, page):
    keep(made_up.run("Before it was full"))
    store.import_examples(APP_FOLDER / "examples")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", full)
    app = visit(page)
    assert not app.exception and ["full" in e.value for e in app.error] == [True]
    assert app.title or app.header or app.button, "the page itself is drawn"
    if page == "runs":
        assert "Before it was full" in list(app.dataframe[0].value["Prompt"])
        (run,) = [info.id for info in store.find_runs("Before")]
        assert store.delete_runs([run]) == 1
