"""Tests of Explore's address: a link opens the same run, read the same way, with the same word picked."""

import pytest
import streamlit as st

from pages.parts import explore_page
from tests.pages import made_up
from tests.pages.conftest import fine


def query(app):
    return {name: values[0] if isinstance(values, list) else values for name, values in app.query_params.items()}


def test_the_first_visit_has_an_address(visit):
    app = fine(visit())
    assert query(app)["run"].startswith("b4cc1cc5")
    assert set(query(app)) == {"run"}, "what is as usual goes unsaid"


def test_what_is_set_and_picked_stands_in_the_address_and_opens_again(visit, keep):
    run = keep(made_up.run())
    app = visit(run=run)
    for name, value in {"method": "picked-heads", "layers": [0, 1], "heads": [1], "sink": "keep"}.items():
        app.session_state[name] = value
    app.session_state["level"], app.session_state["chart"] = "token", "table"
    app = fine(app.run())
    app.session_state["reader:selection"] = {"side": "answer", "start": 1, "end": 3}
    app = fine(app.run())
    said = app.text[0].value
    found = query(app)
    wanted = {"run": run, "method": "picked-heads", "layers": "0.1", "heads": "1", "level": "token", "sink": "keep"}
    assert found == wanted | {"view": "table", "word": "2-3"}

    other = fine(visit(**found))
    assert other.text[0].value == said and query(other) == found
    assert other.segmented_control(key="chart").value == "table"
    other.session_state["reader:selection"] = {"side": "answer", "start": 0, "end": 1}
    other = fine(other.run())
    assert query(other)["word"] == "1", "the address does not undo a click"


def test_a_word_of_the_input_is_picked_by_the_address(visit, keep):
    app = fine(visit(run=keep(made_up.run()), input="10"))
    assert app.text[0].value.startswith("“sky” was read") and query(app)["input"] == "10"


@pytest.mark.parametrize(
    "asked",
    [{"method": "nonsense"}, {"level": "x", "sink": "", "view": "y"}, {"word": "0"}, {"word": "9-2"}, {"word": "١"},
     {"word": "999"}, {"input": "<b>"}, {"method": "picked-heads", "layers": "99.-1", "heads": "a"}],
)  # fmt: skip
def test_what_is_unknown_in_an_address_is_ignored(visit, keep, asked):
    app = fine(visit(run=keep(made_up.run()), **asked))
    assert not app.error and not app.warning and app.text[0].value


def test_controls_stand_over_the_views_that_they_change(visit, keep):
    app = fine(visit(run=keep(made_up.run())))

    def drawn():
        return [box.key for box in app.selectbox if box.key in ("method", "level", "sink")]

    assert drawn() == ["method", "level", "sink"]
    for view, names in {"over": ["method"], "heads": ["level"], "contrast": ["level"]}.items():
        app = fine(app.segmented_control(key="chart").set_value(view).run())
        assert drawn() == names, view
    app = fine(app.segmented_control(key="chart").set_value("heatmap").run())
    assert drawn() == ["method", "level", "sink"]


def test_coming_back_to_the_page_shows_the_run_that_was_shown(visit, keep):
    run = keep(made_up.run())
    app = fine(visit(run=run))
    app.query_params.clear()
    app = fine(app.run())
    assert query(app)["run"] == run


def test_a_press_before_the_new_run_is_in_the_address_leaves_it_shown(visit, monkeypatch):
    app = fine(visit())
    old = query(app)["run"]
    new = next(b for b in app.button if b.key and b.key.startswith("example_") and b.key[8:] != old[:8])
    with monkeypatch.context() as patched:
        patched.setattr(explore_page, "run_view", lambda *_, **__: st.stop())  # the next press ends this drawing
        app = fine(new.click().run())
    assert query(app)["run"] == old
    app.text_area(key="prompt").set_value("Typed meanwhile")
    app = fine(app.run())
    assert query(app)["run"][:8] == new.key[8:] and app.text_area(key="prompt").value == "Typed meanwhile"
    app.query_params["run"] = old
    assert query(fine(app.run()))["run"] == old, "the browser's Back leads to the run before"
