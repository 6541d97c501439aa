"""Tests of documents beside the prompt: files, passages, names, removing, and bad files in a sentence."""

from streamlit.testing.v1 import AppTest

from tests.pages.conftest import fine


def page():
    import streamlit as st

    from pages.parts.document_box import document_button, documents_line

    state = st.session_state
    state.setdefault("documents", ())
    document_button(str, state.documents)
    state.documents = documents_line(str, state.documents)


def opened():
    return AppTest.from_function(page, default_timeout=30).run()


def give(app, *files):
    return app.file_uploader[0].set_value([(name, data, "") for name, data in files]).run()


def test_files_are_read_told_and_removed():
    app = fine(give(opened(), ("a.txt", b"The sky is blue."), ("b.md", "größer".encode("cp1252"))))
    assert app.session_state["documents"] == (("a.txt", "The sky is blue."), ("b.md", "größer"))
    assert "b.md is not UTF-8" in app.info[0].value and not app.file_uploader[0].value, "ready for the next ones"
    assert "The sky is blue." in [t.value for t in app.text]
    app = give(app, ("c.txt", b"x\0"), ("d.txt", b"x" * 3000))
    assert app.error[0].value.startswith("c.txt is no plain text") and not app.info
    assert [name for name, _ in app.session_state["documents"]] == ["a.txt", "b.md", "d.txt"]
    assert any(t.value.endswith("… 1,000 more characters") for t in app.text)
    app = app.button(key="document_drop_1").click().run()
    assert [name for name, _ in app.session_state["documents"]] == ["a.txt", "d.txt"]


def test_passages_get_a_name_and_their_field_is_emptied():
    app = opened()
    app.text_area(key="passage").set_value("The sky is blue.\n")
    app = fine(app.button(key="passage_add").click().run())
    app.text_area(key="passage").set_value("Grass is green.")
    app.text_input(key="passage_name").set_value(' The "lawn" ')
    app = fine(app.button(key="passage_add").click().run())
    assert app.session_state["documents"] == (("Passage 1", "The sky is blue."), ("The 'lawn'", "Grass is green."))
    assert app.text_area(key="passage").value == "" and app.text_input(key="passage_name").value == ""
    app = app.button(key="passage_add").click().run()
    assert app.error[0].value == "Passage 2 is empty: there is no text in it to read."
