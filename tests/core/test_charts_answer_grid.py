"""Tests of the data behind the table of answers: shades, tallies, agreement, hostile text, what changes the version."""

import json
from dataclasses import replace

import pytest

from core.charts.answer_grid import answer_grid_data, answer_grid_source, shade_of
from core.records import AnswerGrid, AnswerVerdict, AnswerWord, GridAnswer, Item

RIGHT = AnswerVerdict("correct", True, "correct", "Right: blue")
WRONG, OPEN = replace(RIGHT, passed=False), replace(RIGHT, passed=None)


def answer(cell="c", text="Blue.", verdicts=(RIGHT,), seed=0, **more):
    words = (AnswerWord("", text, 0.1),)
    return GridAnswer(cell, "done", seed, answer=text, words=words, tokens=2, verdicts=verdicts, **more)


def grid(*answers, agreement=(1, float("nan")), item=None):
    item = item or Item("item-001", "own", "What color is the sky?", reference=("blue",))
    place = {(item.id, "m"): tuple(answers)}
    return AnswerGrid((item,), ("m",), ("Model M",), place, {(item.id, "m"): agreement})


def test_a_word_is_shaded_by_how_unlikely_it_was():
    assert shade_of(1) == 0 and shade_of(0.1) == pytest.approx(0.5) and shade_of(0.01) == 1
    assert shade_of(1e-9) == 1 and shade_of(0) == 1, "the shade is cut at 1 %"
    word = answer_grid_data(grid(answer()))["rows"][0]["cells"][0]["answers"][0]["words"]
    assert word == [["", "Blue.", 0.5, "10 %"]]


def test_a_column_tallies_what_was_decided():
    some = answer(), answer(verdicts=(WRONG,)), answer(verdicts=(OPEN,), truncated=True)
    failed = GridAnswer("f", "failed", error="It is too long.")
    found = answer_grid_data(grid(*some, failed, GridAnswer("w", "waiting"), agreement=(2, 0.4)))
    assert found["models"] == [
        {"name": "Model M", "lines": ["Correct: 1 of 3, 1 undecided", "2 tokens on average, 1 cut off", "1 failed"]}
    ]
    cell = found["rows"][0]["cells"][0]
    assert cell["line"] == "Correct: 1 of 3, 1 undecided · 2 different answers, 40 % of words in common"
    assert [one["state"] for one in cell["answers"]] == ["done", "done", "done", "failed", "waiting"]


def test_one_sample_says_nothing_of_agreement_and_equal_ones_are_named():
    assert answer_grid_data(grid(answer()))["rows"][0]["cells"][0]["line"] == ""
    found = answer_grid_data(grid(answer(verdicts=()), answer(verdicts=()), agreement=(1, 1.0)))
    assert found["rows"][0]["cells"][0]["line"] == "all answers the same"
    assert found["models"][0]["lines"] == ["2 tokens on average"], "no verdict is no verdict, not 0 of 2"


def test_the_row_holds_what_was_asked_with_bidi_overrides_taken_out():
    item = Item("mine", "own", segments={"instruction": "Be \u202ekind.", "question": "Why?"}, reference=("a", "b"))
    row = answer_grid_data(grid(answer(text="\u202eevil"), item=item))["rows"][0]
    assert (row["name"], row["prompt"]) == ("mine", "Why?")
    assert row["beside"] == ["System: Be kind.", "Right answer: a or b"]
    assert "\u202e" not in json.dumps(row, ensure_ascii=False)


def test_the_version_changes_with_what_is_drawn_and_only_then():
    first = answer_grid_data(grid(answer()))["version"]
    assert answer_grid_data(grid(answer()))["version"] == first
    assert answer_grid_data(grid(answer(text="Green.")))["version"] != first


def test_the_script_puts_text_in_as_text():
    script, style = answer_grid_source()
    assert "textContent" in script and "HTML" not in script and ".heed-grid" in style
