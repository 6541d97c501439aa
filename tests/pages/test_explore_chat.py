"""Tests of conversations and documents on Explore: what is asked, continuing, and that nothing typed is lost."""

from dataclasses import replace

from core.records import Message
from core.run_settings import RunSettings
from core.runs import draft_request
from core.text.document_text import Document, with_documents
from core.text.segment_marks import parse_marks
from pages.parts.run_form import DEFAULTS
from tests.pages import made_up
from tests.pages.conftest import fine, texts

MODEL = "smollm2-135m-instruct"


def asked(app):
    """What Run would ask, as (role, text) of each message."""
    filled = RunSettings(**{name: app.session_state[name] for name in DEFAULTS})
    return [(m["role"], m["content"]) for m in filled.draft().prompt]


def conversation():
    messages = (Message("system", "Be kind."), Message("user", "Sky?"), Message("assistant", "Blue."))
    trace = made_up.run("And at night?", "Black.")
    return replace(trace, request=replace(trace.request, messages=(*messages, *trace.request.messages)))


def test_a_conversation_stands_in_order_and_is_asked_as_it_stands(visit, keep):
    app = fine(visit(run=keep(conversation())))
    shown = [a.value for a in app.text_area if a.key in ("system_text", "prompt") or a.key.startswith("turn_")]
    assert shown == ["Be kind.", "Sky?", "Blue.", "And at night?"]
    assert asked(app) == list(
        zip(("system", "user", "assistant", "user"), ("Be kind.", "Sky?", "Blue.", "And at night?"), strict=True)
    )
    app = fine(app.button(key="system_drop").click().run())
    app = fine(app.button(key="turn_add").click().run())
    assert [role for role, _ in asked(app)] == ["user", "assistant", "user", "user"]


def test_the_conversation_continues_from_the_answer(visit, keep):
    app = fine(visit(run=keep(conversation())))
    app = fine(app.button(key="continue").click().run())
    state = app.session_state
    assert state["turns"][2:] == (("user", "And at night?"), ("assistant", "Black.")) and state["prompt"] == ""
    assert state["system_text"] == "Be kind." and app.button(key="continue").disabled
    assert "Changed since the run below" in texts(app)
    assert app.text_area(key="prompt").label == "Your message"


def test_a_prompt_typed_meanwhile_stays_as_the_new_message(visit, keep):
    app = fine(visit(run=keep(made_up.run())))
    app.text_area(key="prompt").set_value("Why?")
    app = fine(app.button(key="continue").click().run())
    assert asked(app)[-3:] == [
        ("user", made_up.run().request.messages[-1].content), ("assistant", made_up.run().answer), ("user", "Why?")
    ]  # fmt: skip
    app.switch_page("pages/runs.py")
    app.query_params.clear()
    fine(app.run())
    app.switch_page("pages/explore.py")
    app = fine(app.run())
    assert app.session_state["turns"][-1] == ("assistant", made_up.run().answer)
    assert app.text_area(key="prompt").value == "Why?"


def test_an_earlier_message_edited_just_before_continuing_is_kept(visit, keep):
    app = fine(visit(run=keep(conversation())))
    next(box for box in app.text_area if box.key.endswith("_text") and box.value == "Sky?").set_value("Typed last")
    app = fine(app.button(key="continue").click().run())
    assert ("user", "Typed last") in asked(app) and ("assistant", "Black.") not in asked(app)
    assert app.button(key="continue").disabled, "its help says to press Run first"


def test_documents_stand_before_the_question_and_come_back_with_the_run(visit, keep):
    marked = with_documents("Why?", [Document("a.txt", "Sky ]] blue."), Document("b.txt", "Sea.")])
    text, segments = parse_marks(marked)
    trace = made_up.run(text)
    app = fine(visit(run=keep(replace(trace, request=replace(trace.request, segments=segments)))))
    assert app.session_state["documents"] == (("a.txt", "Sky ]] blue."), ("b.txt", "Sea."))
    assert app.text_area(key="prompt").value == "Why?" and asked(app) == [("user", marked)]
    app.session_state["level"], app.session_state["chart"] = "segment", "table"
    app = fine(app.run())
    assert set(app.dataframe[0].value["Input"]) >= {"a.txt", "b.txt"}
    app = fine(app.file_uploader[0].set_value([("c.txt", b"Grass.", "text/plain")]).run())
    assert asked(app) == [("user", marked.replace("Why?", '[[context "c.txt": Grass.]]\n\nWhy?'))]
    app = fine(app.segmented_control(key="mode").set_value("Raw").run())
    assert app.session_state["documents"][2] == ("c.txt", "Grass.") and not [
        a for a in app.text_area if a.key.startswith("turn_")
    ]


def test_documents_alone_can_be_asked():
    settings = RunSettings(prompt="", documents=(("a", "Sky."),), model=MODEL)
    request = draft_request(settings.draft())
    assert request is None or request.messages[-1].content == "Sky."


def test_a_long_prompt_tells_how_many_tokens_it_may_have(visit, keep):
    app = fine(visit(run=keep(made_up.run())))
    assert "tokens, guessed" not in texts(app)
    app.session_state["documents"] = (("a.txt", "x" * 40_000),)
    app = fine(app.run())
    assert "About 10,0" in texts(app) and "characters; this model reads at most 8,192 with the answer." in texts(app)
