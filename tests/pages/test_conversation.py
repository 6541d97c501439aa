"""Tests of the messages before the prompt: add, edit, move, remove; a text typed into one stays with it."""

from streamlit.testing.v1 import AppTest

from tests.pages.conftest import fine


def page():
    import streamlit as st

    from pages.parts.conversation import add_turn_button, turns_editor

    state = st.session_state
    state.setdefault("turns", ())
    add_turn_button(str, state.turns)
    if not state.get("elsewhere"):
        state.turns = turns_editor(str, state.turns, persist_state="session")


def opened():
    return AppTest.from_function(page, default_timeout=30).run()


def test_messages_are_added_edited_moved_and_removed():
    app = opened()
    for _ in range(3):
        app = fine(app.button(key="turn_add").click().run())
    assert [role for role, _ in app.session_state["turns"]] == ["user", "assistant", "user"]
    for number, text in enumerate("abc"):
        app.text_area(key=f"turn_{number}_text").set_value(text)
    app = fine(app.run())
    assert app.session_state["turns"] == (("user", "a"), ("assistant", "b"), ("user", "c"))
    assert app.button(key="turn_0_arrow_upward").disabled and app.button(key="turn_2_arrow_downward").disabled
    app = fine(app.button(key="turn_2_arrow_upward").click().run())
    app = fine(app.button(key="turn_0_arrow_downward").click().run())
    assert [text for _, text in app.session_state["turns"]] == ["c", "a", "b"]
    app = fine(app.selectbox(key="turn_2_role").set_value("assistant").run())
    app = fine(app.button(key="turn_0_close").click().run())
    assert app.session_state["turns"] == (("assistant", "c"), ("assistant", "b"))
    assert [a.value for a in app.text_area] == ["c", "b"]


def test_what_is_typed_stays_while_a_button_is_pressed_or_the_page_is_left():
    app = opened()
    for _ in range(2):
        app = fine(app.button(key="turn_add").click().run())
    app.text_area(key="turn_1_text").set_value("typed")
    app = fine(app.button(key="turn_0_close").click().run())
    assert app.session_state["turns"] == (("assistant", "typed"),)
    app.text_area(key="turn_1_text").set_value("typed again")
    app.session_state["elsewhere"] = True
    app = fine(app.run())
    assert not app.text_area
    app.session_state["elsewhere"] = False
    app = fine(app.run())
    assert app.session_state["turns"] == (("assistant", "typed again"),)


def test_messages_from_outside_replace_what_stands_there_and_keep_their_roles():
    app = opened()
    app = fine(app.button(key="turn_add").click().run())
    app.session_state["turns"] = (("tool", "x"), ("user", "y" * 700))
    app = fine(app.run())
    assert app.session_state["turns"] == (("tool", "x"), ("user", "y" * 700))
    assert [s.value for s in app.selectbox] == ["tool", "user"]
