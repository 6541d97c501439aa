"""Tests what is laid over the shaded texts: places, tints with their signs, lengths that do not fit."""

import base64
import json

import numpy as np
import pytest

from core.charts.overlays import Tint
from core.charts.shaded_texts import shaded_texts_data
from tests.core import charts_made_up as made


def test_what_was_not_given_is_not_there():
    tr = made.trace()
    data = shaded_texts_data(made.importance(tr))
    assert not {"beside_text", "marks", "tint"} & set(data)


def test_columns_of_the_importance_become_places_in_the_text():
    tr = made.trace("one two three", "yes")
    imp = made.importance(tr, "prompt")
    lines = ["markup", ["A 1 %", "B 2 %"], "\u202ebad", None, ""]
    data = shaded_texts_data(imp, marks=[3, 0], beside_text=lines)
    assert [u["t"] for u in data["input"]["units"]] == ["one", "two", "three"]
    assert data["beside_text"] == [["A 1 %", "B 2 %"], ["bad"], []]
    assert data["marks"] == [2], "markup is not shown, so it cannot be marked"


def test_tint_keeps_signs_and_its_own_limit():
    tr = made.trace("q", "one two three")
    imp = made.importance(tr)
    data = shaded_texts_data(imp, tint=np.array([0.5, -2.0, np.nan]))["tint"]
    assert np.array_equal(
        np.frombuffer(base64.b64decode(data["values"]), "<f4"), np.array([0.5, -2, np.nan], "f4"), True
    )
    assert (data["limit"], data["unit"]) == (2.0, "nats")
    assert shaded_texts_data(imp, tint=Tint([0, 0, 0], limit=None))["tint"]["limit"] == 1.0
    json.dumps(shaded_texts_data(imp, tint=[np.nan, np.inf, 0.0]), allow_nan=False)


def test_the_numbers_and_a_pick_survive_what_is_laid_over():
    tr = made.trace()
    imp = made.importance(tr)
    plain, lit = shaded_texts_data(imp), shaded_texts_data(imp, marks=[1], tint=np.ones(tr.steps))
    assert (plain["version"], plain["texts"]) == (lit["version"], lit["texts"])


@pytest.mark.parametrize("wrong", [{"beside_text": ["one"]}, {"tint": [1.0]}])
def test_a_length_that_does_not_fit_is_refused(wrong):
    tr = made.trace()
    with pytest.raises(ValueError, match=r"fit|for|expected"):
        shaded_texts_data(made.importance(tr), **wrong)
