"""Tests of conversations and documents on Compare: every column follows the question, and continues from its answer."""

from tests.pages import made_up
from tests.pages.conftest import fine


def columns(app):
    return app.session_state["columns"]


def opened(visit, keep):
    runs = [made_up.run(), made_up.run("What color is grass?", "Green.")]
    return fine(visit("compare", runs=",".join(map(keep, runs))))


def test_each_column_continues_from_its_own_answer(visit, keep):
    app = opened(visit, keep)
    before = [(c.filled.prompt, c.uid) for c in columns(app)]
    app = fine(app.button(key="compare_continue").click().run())
    said = [
        (("user", before[0][0]), ("assistant", made_up.run().answer)),
        (("user", before[1][0]), ("assistant", "Green.")),
    ]
    assert [c.filled.turns for c in columns(app)] == said
    assert app.session_state["compare_question"].filled.turns == said[0]
    assert [e.label for e in app.expander[:2]] == ["Edit · as above", "Edit · own earlier turns"]
    app = fine(app.text_area(key="c0_prompt").set_value("Why?").run())
    assert [c.filled.prompt for c in columns(app)] == ["Why?", "Why?"] and app.button(key="compare_continue").disabled
    assert "Not run yet" in app.button(key="compare_run").help


def test_documents_of_the_question_are_those_of_every_column(visit, keep):
    app = opened(visit, keep)
    files = next(f for f in app.file_uploader if f.key.startswith("c0_document_files"))
    app = fine(files.set_value([("a.txt", b"Sky.", "text/plain")]).run())
    assert [c.filled.documents for c in columns(app)] == [(("a.txt", "Sky."),)] * 2
    uid = columns(app)[1].uid
    app = fine(app.button(key=f"c{uid}_document_drop_0").click().run())
    assert [len(c.filled.documents) for c in columns(app)] == [1, 0]
    assert app.expander[1].label == "Edit · own prompt · no documents"
    assert columns(app)[0].filled.draft().prompt[-1]["content"].startswith('[[context "a.txt": Sky.]]\n\n')
    parts = app.selectbox(key="c0_part").options
    assert "a.txt" in parts


def test_an_edit_just_before_continuing_is_kept_and_asked_first(visit, keep):
    app = opened(visit, keep)
    app.text_area(key="c0_prompt").set_value("Typed last")
    app = fine(app.button(key="compare_continue").click().run())
    assert [c.filled.turns for c in columns(app)] == [(), ()] and app.button(key="compare_continue").disabled
    assert app.text_area(key="c0_prompt").value == columns(app)[0].filled.prompt == "Typed last"


def test_a_column_copied_just_before_continuing_continues_too(visit, keep):
    app = opened(visit, keep)
    app.button(key=f"copy_right_{columns(app)[0].uid}").click()
    app = fine(app.button(key="compare_continue").click().run())
    assert [c.filled.turns[-1][1] for c in columns(app)] == [made_up.run().answer] * 2 + ["Green."]
