"""Tests of items as JSON: round trips, and errors for wrong content."""

import json

import pytest

from core.errors import PromptError
from core.records import Item
from core.study.item_files import TASKS, example_from, examples, item_from, item_to, suite
from tests.core import study_tiny


@pytest.mark.parametrize("made", [study_tiny.item(), Item("x", "own", "Hi", answer="Yes", rating=2.5)])
def test_an_item_survives_json(made):
    assert item_from(json.loads(json.dumps(item_to(made)))) == made


def test_suites_are_read_with_their_words():
    for task in TASKS:
        items, shown = suite(task), examples(task)
        assert items and all(item.task == task for item in items)
        assert shown or task == "bias"
    assert suite("fact")[0].instructions[0].text
    with pytest.raises(PromptError, match="no suite 'x'"):
        suite("x")
    assert examples("x") == ()


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        (3, "JSON object"),
        ({}, "no prompt"),
        ({"prompt": "  "}, "no prompt"),
        ({"prompt": 3}, "prompt must be text"),
        ({"segments": {"story": "x"}}, "no segment 'story'"),
        ({"segments": ["x"]}, "object of texts"),
        ({"prompt": "x", "reference": [True]}, "reference must be"),
        ({"prompt": "x", "instructions": {"id": "x"}}, "list of objects"),
        ({"prompt": "x", "instructions": [{"kwargs": {}}]}, "needs an id"),
        ({"prompt": "x", "instructions": [{"id": "a", "kwargs": []}]}, None),
        ({"prompt": "x", "instructions": [{"id": "a", "kwargs": [1]}]}, "kwargs of a"),
        ({"prompt": "x", "rating": "good"}, "rating must be a number"),
        ({"prompt": "x", "rating": "nan"}, "rating must be a number"),
    ],
)
def test_a_faulty_item_says_what_is_wrong(plain, said):
    if said is None:
        assert item_from(plain).instructions[0].kwargs == {}
        return
    with pytest.raises(PromptError, match=said):
        item_from(plain)


def test_an_example_needs_an_answer():
    assert example_from({"answer": "a", "question": "q"}).question == "q"
    for plain in ({"question": "q"}, {"answer": 3}, "x", {"answer": "a", "context": 3}):
        with pytest.raises(PromptError):
            example_from(plain)
