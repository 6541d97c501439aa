"""Tests that the reader component draws and that its value follows clicks and the page's own selection.

Clicks in a real browser are tested in tests/browser."""

from streamlit.testing.v1 import AppTest


def script():
    import streamlit as st

    from core.charts.shaded_texts import shaded_texts_data
    from pages.parts.reader_component import text_reader
    from tests.core import charts_made_up as made

    tr = made.trace(answer=st.session_state.get("answer", made.ANSWER))
    seed = st.session_state.get("seed", 0)
    found = text_reader(
        shaded_texts_data(made.importance(tr, seed=seed)), key="texts", selection=st.session_state.get("ask")
    )
    st.text(repr(found))


def shown(app):
    assert not app.exception
    return app.text[0].value


def test_selection_follows_the_page_until_it_stays_the_same():
    app = AppTest.from_function(script).run()
    assert shown(app) == "None"
    app.session_state["ask"] = {"side": "answer", "start": 1, "end": 2}
    assert shown(app.run()) == "{'side': 'answer', 'start': 1, 'end': 2}"
    app.session_state["texts:selection"] = {"side": "input", "start": 3, "end": 5, "n": 4}  # what a click stores
    assert shown(app.run()) == "{'side': 'input', 'start': 3, 'end': 5}"
    app.session_state["ask"] = {"side": "answer", "start": 0, "end": 9}
    assert shown(app.run()) == "{'side': 'answer', 'start': 0, 'end': 9}"


def test_a_selection_of_another_run_is_dropped():
    app = AppTest.from_function(script).run()
    app.session_state["texts:selection"] = {"side": "input", "start": 3, "end": 5, "n": 4}
    app.run()
    app.session_state["seed"] = 1
    assert shown(app.run()) == "{'side': 'input', 'start': 3, 'end': 5}", "other numbers, same texts"
    app.session_state["answer"] = "Blue."
    assert shown(app.run()) == "None"
