"""Tests of the page part of a large map without a browser: each control shows the part that it names.

The brush and clicks on cells need a browser: tests/browser/test_long_map.py.
"""

import json
import re

import pytest

from benchmarks.long_run import made_up_text
from tests.pages import made_up
from tests.pages.conftest import fine, texts

PROMPT, ANSWER = made_up_text(400, 1), made_up_text(40, 2)


@pytest.fixture
def app(visit, keep):
    return fine(visit(run=keep(made_up.run(PROMPT, ANSWER))))


def charts(app):
    """The specs of the charts that are drawn, by their title."""
    specs = [json.loads(e.proto.spec) for e in app.get("vega_lite_chart")]
    return {spec["title"]["text"]: spec for spec in specs if isinstance(spec.get("title"), dict)}


def framed(app):
    """(what it is, first and last column, first and last row, units of each) of the part, as the page says it."""
    said = next(c.value for c in app.caption if c.value.startswith("**Framed above"))
    what = said.split("**")[1].removeprefix("Framed above, ")
    numbers = [tuple(int(n) for n in pair) for pair in re.findall(r"([\d]+) to ([\d]+) of", said)]
    return what, *numbers, re.findall(r"([a-z]+) \d+ to", said)


def press(app, name):
    return fine(next(b for b in app.button if b.label == name).click().run())


def test_a_large_map_opens_at_the_passage_read_most_with_its_whole_above(app):
    what, columns, rows, levels = framed(app)
    assert what == "the passage read most" and levels == ["words", "words"]
    assert columns[1] - columns[0] == 59 and rows[1] - rows[0] == 23
    whole, part = charts(app)["The whole map: drag over a part of it"], charts(app)["A part of it"]
    assert "percentile" in json.dumps(whole["title"]) and "square root" in json.dumps(part["title"])


def test_words_are_looked_for_counted_and_gone_through(app):
    count = len(re.findall("lantern", PROMPT, re.IGNORECASE))
    app = fine(app.text_input(key="map_words").set_value("lantern").run())
    assert f"1 of {count}" in texts(app) and framed(app)[0] == f"place 1 of {count} of what you look for"
    assert "bold" in json.dumps(charts(app)["A part of it"]), "its label stands out"
    app = fine(app.button(key="map_after").click().run())
    assert framed(app)[0].startswith("place 2 of")
    app = fine(app.button(key="map_before").click().run().button(key="map_before").click().run())
    what, columns, *_ = framed(app)
    assert what.startswith(f"place {count} of")
    at = [i for i, word in enumerate(re.findall(r"\w+|\.", PROMPT), 1) if word.lower() == "lantern"][-1]
    assert columns[0] <= at <= columns[1]
    app = fine(app.text_input(key="map_words").set_value("zebra").run())
    assert "not found" in texts(app) and framed(app)[0].startswith("place")


def test_the_whole_map_is_coarse_and_there_is_a_way_back(app):
    before = framed(app)
    app = press(app, "Whole map")
    what, columns, rows, levels = framed(app)
    assert what == "the whole map" and columns[0] == rows[0] == 1 and levels != ["words", "words"]
    assert "Click a cell to see inside it" in texts(app)
    app = press(app, "Back")
    assert framed(app) == before and not [b for b in app.button if b.label == "Back"]
    app = press(press(app, "Whole map"), "Most read passage")
    assert framed(app) == before


def test_back_pressed_twice_at_once_stays_at_the_first_part(app):
    before = framed(app)
    app = press(app, "Whole map")
    del app.session_state["map_trail"][1:]  # the first press, before anything was drawn
    assert framed(press(app, "Back")) == before


def test_only_the_columns_read_most_are_kept(app):
    app = fine(app.selectbox(key="map_best").set_value(20).run())
    assert "the 20 read most of words" in texts(app)
    app = fine(app.selectbox(key="map_best").set_value(0).run())
    assert "read most of" not in texts(app)


def test_a_pinned_row_and_column_stay_when_another_part_is_shown(app):
    p = 402  # where the answer begins: 400 words between two pieces of markup
    app.session_state["map_cell"] = [("rows", (p + 1, p + 2), "early"), ("columns", (5, 6), "fifth")]
    app = fine(app.run())
    assert "pinned" not in json.dumps(charts(app)["A part of it"])
    pills = app.get("button_group")
    offered = next(b for b in pills if getattr(b, "key", "") == "map_pinned")
    app = fine(offered.set_value(list(app.session_state["map_cell"])).run())
    for word in ("harbour", "captain"):
        app = fine(app.text_input(key="map_words").set_value(word).run())
        assert "pinned" in json.dumps(charts(app)["A part of it"])
        assert len(app.session_state["map_pins"]) == 2
