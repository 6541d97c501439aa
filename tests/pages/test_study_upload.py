"""Tests of uploaded items: columns, faulty lines, confirmed segments and instructions, Markdown in texts escaped."""

import json
from pathlib import Path

import pandas as pd
import pytest

from core.errors import HeedError
from core.records import Item
from core.study import list_studies
from core.study.import_items import detected_instructions
from core.study.item_tables import hold_out_examples, parse_settings, with_instructions, with_segments
from pages.parts.study.study_form import UploadedFile
from tests.pages import made_up
from tests.pages.conftest import fine, texts
from tests.pages.test_study import metric

CSV = f"""name,text,gold,level
a,"Answer in one word. What color is the sky?",blue,easy
b,"{made_up.HOSTILE} Do not use commas.",,hard
c,,x,hard
d,"Tom has three cats. Ann has two dogs. They live in Rome. How many cats does Tom have?",3,easy
"""


def given(app, name, data):
    """Sets the session as an upload of the file would: AppTest has no uploads."""
    app.session_state["study_source"] = "own"
    app.session_state["study_file"] = UploadedFile(name, data, "token")
    return app.run()


def test_a_csv_is_mapped_split_and_checked(visit):
    app = fine(given(visit("study"), "mine.csv", CSV.encode()))
    assert "Line 4: There is no prompt" in texts(app) and "3 items." in texts(app)
    assert "None of these items fits" in app.warning[0].value and metric(app, "Runs") == "0"
    app = fine(app.button(key="study_wrap").click().run())
    assert metric(app, "Runs") == "9" and not app.warning and "alert(1)" in texts(app)
    app = fine(app.toggle(key=next(t.key for t in app.toggle if "parts" in t.key)).set_value(True).run())
    assert "orange-badge[question]" in texts(app)
    assert "2 were recognised" in texts(app), "one word, no commas"
    app = fine(app.selectbox(key="study_map_prompt_token").set_value("gold").run())
    assert "Line 3" in texts(app) and "Line 4" not in texts(app)
    app = fine(app.button(key="study_file_drop").click().run())
    assert "There is no item yet" in app.warning[0].value


def test_ifeval_loads_as_it_is(visit):
    line = {"key": 7, "prompt": "Write a poem. Do not use any commas.", "instruction_id_list": ["punctuation:no_comma"]}
    app = fine(given(visit("study"), "ifeval.jsonl", json.dumps(line | {"kwargs": [{}]}).encode()))
    assert not [e for e in app.expander if e.label.startswith("Columns")] and "1 came with the file" in texts(app)


def test_what_is_no_table_is_told_and_nothing_breaks(visit):
    app = visit("study")
    for name, data, told in [
        ("x.csv", b"\x89PNG\x00\xff", "UTF-8"),
        ("empty.csv", b"", "no items"),
        ("twice.csv", b"a,a\n1,2\n", "Two columns"),
        ("odd.csv", b"foo,bar\n1,2\n", "no column"),
    ]:
        app = given(app, name, data)
        assert not app.exception, name
        assert told in texts(app) or "No line of" in texts(app), name
        app = app.button(key="study_start").click().run()
        assert not app.exception and not list_studies(), name


def test_parts_are_taken_where_they_are_ticked():
    items = [Item("a", "own", prompt="One. Two?"), Item("b", "own", prompt="B"), Item("c", "own", prompt="C")]
    rows = [(True, "a", "One.", "", "Two?"), (False, "b", "x", "", ""), (True, "c", "", None, " ")]
    table = pd.DataFrame(rows, columns=["use", "id", "instruction", "context", "question"])
    a, b, c = with_segments(items, table)
    assert a.segments == {"instruction": "One.", "question": "Two?"} and not a.prompt
    assert (b, c) == (items[1], items[2])


def test_instructions_of_the_table_with_what_is_wrong_with_them():
    item = Item("a", "own", segments={"instruction": "Answer in one word.", "question": "Why?"})
    told = detected_instructions(item)
    assert [(t.id, t.kwargs["count"], t.text in item.segments["instruction"]) for t in told] == [
        ("heed:words", 1, True)
    ]
    rows = [
        ("a", "heed:words", '{"relation": "exactly", "count": 1}', "one word"),
        ("a", "heed:words", '{"count": 1}', ""),
        ("a", "heed:number", "", "not there"),
        ("a", "heed:number", "{", ""),
        ("a", None, "", ""),
    ]
    (made,), problems = with_instructions([item], pd.DataFrame(rows, columns=["item", "kind", "settings", "words"]))
    assert [t.id for t in made.instructions] == ["heed:words", "heed:number"] and len(problems) == 3
    assert made.instructions[1].text == "" and "relation" in problems[0]


def test_settings_are_names_with_values():
    assert parse_settings("") == {} and parse_settings(None) == {} and parse_settings('{"a": 1}') == {"a": 1}
    for wrong in ("[1]", "{"):
        with pytest.raises(HeedError):
            parse_settings(wrong)


def test_held_out_examples_are_never_asked():
    items = [
        Item(f"i{n}", "own", segments={"instruction": "Go.", "question": f"Q{n % 3}"}, reference=("r",))
        for n in range(5)
    ]
    shown, rest = hold_out_examples(items, 2)
    assert [e.question for e in shown["own"]] == ["Q0", "Q1"] and [i.id for i in rest] == ["i2"]
    assert hold_out_examples(items, 0) == ({}, tuple(items))


def test_a_log_of_inspect_ai_is_taken_as_it_is_and_a_damaged_one_is_said(visit):
    data = (Path(__file__).parent.parent / "data" / "inspect_ai_sky.eval").read_bytes()
    app = fine(given(visit("study"), "sky.eval", data))
    assert "2 items." in texts(app) and "Sample a, epoch 2: an item has one given answer" in texts(app)
    damaged = bytearray(data)
    at = damaged.find(b"samples/a_epoch_1.json") + 60
    damaged[at : at + 200] = bytes(200)
    app = given(visit("study"), "sky.eval", bytes(damaged))
    assert not app.exception and len(app.error) == 1 and "in the log cannot be read" in app.error[0].value
