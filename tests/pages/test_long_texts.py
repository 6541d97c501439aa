"""Tests of how the texts of a long run are drawn on Explore; scrolling is tested in test_charts_reading_mode.py."""

import json
from dataclasses import replace

from tests.pages import made_up
from tests.pages.conftest import fine

LONG = " ".join(f"Line {i} says so." for i in range(120)) + " What is it?"


def drawn(app):
    """The data of the first component that the page draws."""
    return json.loads(app.get("bidi_component")[0].proto.json)


def thoughtful():
    trace = made_up.run(answer="Hm. Let me see. It is blue.")
    parts = list(trace.tokens.parts)
    parts[trace.prompt_length : trace.prompt_length + 6] = ["thinking"] * 6
    return replace(trace, tokens=replace(trace.tokens, parts=tuple(parts)))


def test_a_short_run_is_drawn_word_by_word_as_before(visit, keep):
    app = fine(visit(run=keep(made_up.run())))
    assert "outline" not in drawn(app) and app.code
    assert not [control for control in app.segmented_control if control.key == "read_as"]


def test_a_long_run_opens_in_reading_mode_and_words_are_one_click_away(visit, keep):
    app = fine(visit(run=keep(made_up.run(LONG, "It is one. It is two. And three."))))
    data = drawn(app)
    assert len(data["outline"]["picks"]) == 3 and len(data["passages"]["words"]) == 121
    assert not app.code, "the rendered prompt waits until it is opened"
    app = fine(app.segmented_control(key="read_as").set_value("words").run())
    assert "outline" not in drawn(app)


def test_a_picked_sentence_moves_the_page(visit, keep):
    app = fine(visit(run=keep(made_up.run(LONG, "It is one. It is two. And three."))))
    start, end = drawn(app)["outline"]["picks"][1]
    app.session_state["reader:selection"] = {"side": "answer", "start": start, "end": end, "n": 1}
    app = fine(app.run())
    assert app.text[0].value.startswith("While writing “It … .”")
    assert drawn(app)["selection"] == {"side": "answer", "start": start, "end": end, "n": 1}


def test_thinking_is_folded_whatever_the_length(visit, keep):
    data = drawn(fine(visit(run=keep(thoughtful()))))
    assert data["outline"]["thinking"] == 2 and data["outline"]["tokens"] == 6
    assert data["thinking"]["values"]
