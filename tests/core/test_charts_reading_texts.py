"""Tests of what is said beside the shaded texts: a selection, its sentence, and shares that make one."""

import re

import numpy as np
import pytest

from core.charts.reading_texts import beside_line, rows_of_answer, summary_sentence, words_of_selection
from core.importance import explain_by
from tests.pages import made_up


@pytest.fixture
def words():
    return explain_by(made_up.run(), sink="drop", columns="word", rows="word")


def test_a_selection_is_a_span_of_the_answer_or_words_of_the_input(words):
    trace = made_up.run()
    rows = rows_of_answer(trace, words)
    assert words_of_selection(trace, words, None).whole
    one = words_of_selection(trace, words, {"side": "answer", "start": 1, "end": 2})
    assert one.rows.tolist() == [1] and not one.whole and one.name == f"“{words.rows.labels[1].strip()}”"
    every = words_of_selection(trace, words, {"side": "answer", "start": int(rows[0]), "end": int(rows[-1]) + 1})
    assert every.whole
    given = words_of_selection(trace, words, {"side": "input", "start": 9, "end": 10})
    assert [words.columns.labels[c].strip() for c in given.columns] == ["sky"]
    far = words_of_selection(trace, words, {"side": "answer", "start": 900, "end": 901})
    assert far.whole, "what is not there picks nothing"


def test_the_sentence_is_of_what_is_picked(words):
    trace = made_up.run()
    given = words_of_selection(trace, words, {"side": "input", "start": 9, "end": 10})
    assert summary_sentence(trace, words, given).startswith("“sky” was read")
    one = words_of_selection(trace, words, {"side": "answer", "start": 1, "end": 2})
    assert summary_sentence(trace, words, one).startswith(f"While writing {one.name}")


def test_the_groups_beside_make_one(words):
    line = beside_line(words, np.arange(len(words.rows)))
    assert sum(float(n) for n in re.findall(r"\*\*([\d.]+) %\*\*", line)) == pytest.approx(100, abs=0.3)
