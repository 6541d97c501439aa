"""Tests which instructions gain from short answers, each by its own check, and the two shares of a run."""

import json

import numpy as np
import pandas as pd
import pytest

from core.study.findings.short_answers import GAINING, OTHERS, gains_from_short, split_followed

NUMBER = {"relation": "at least", "num_words": 20}


@pytest.mark.parametrize(
    ("id", "kwargs", "gains"),
    [
        ("punctuation:no_comma", {}, True),
        ("length_constraints:number_words", NUMBER, False),
        ("length_constraints:number_words", {**NUMBER, "relation": "less than"}, True),
        ("change_case:english_lowercase", {}, True),
        ("startend:quotation", {}, False),
        ("keywords:existence", {"keywords": ["ocean"]}, False),
        ("keywords:forbidden_words", {"forbidden_words": ["ocean"]}, True),
        ("heed:words", {"relation": "at most", "count": 3}, True),
        ("heed:words", {"relation": "exactly", "count": 30}, False),
        ("heed:one_of", {"options": ["positive", "negative"]}, True),
        ("heed:number", {}, True),
        ("detectable_format:number_bullet_lists", {"num_bullets": 3}, False),
        ("length_constraints:number_words", {}, None),
        ("of nobody", {}, None),
    ],
)
def test_each_is_decided_by_its_own_check(id, kwargs, gains):
    assert gains_from_short(id, json.dumps(kwargs)) is gains


def test_settings_that_are_no_json_are_not_known():
    assert gains_from_short("punctuation:no_comma", "{") is None


def test_shares_of_a_run_by_sort():
    rows = [
        ("a", "punctuation:no_comma", {}, 1), ("a", "heed:words", {"relation": "at most", "count": 3}, 0),
        ("a", "length_constraints:number_words", NUMBER, 1), ("b", "length_constraints:number_words", NUMBER, 0),
        ("c", "punctuation:no_comma", {}, 1), ("c", "heed:words", {"relation": "at most", "count": 3}, np.nan),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["cell", "id", "kwargs", "strict"]).assign(
        kwargs=lambda t: t["kwargs"].map(json.dumps)
    )
    found = split_followed(table)
    assert found.loc["a"].to_dict() == {GAINING: 0.5, OTHERS: 1.0}
    assert np.isnan(found.loc["b", GAINING]) and found.loc["b", OTHERS] == 0
    assert np.isnan(found.loc["c", GAINING]), "an undecided verdict leaves the share open"
