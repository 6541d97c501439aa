"""Tests of cross-scores: sentences and matrix, from numbers set by hand."""

import math

import numpy as np
import pytest

from core.charts import picture_files
from core.charts.cross_score_matrix import cross_score_matrix_chart
from core.comparing.cross_scores import cross_score_rows, cross_scores_sentence, next_words_sentence

TWO = np.array([[0.0, -math.log(4)], [math.log(2), 0.0]])


def test_the_sentence_names_what_differs_most():
    said = cross_scores_sentence(TWO, ["A", "B"])
    assert said == (
        "The answer of A is 4.00 times less likely under the prompt of B than under its own. "
        "The answer of B is 2.00 times likelier under the prompt of A than under its own."
    )


def test_the_closest_of_several_is_named():
    odds = np.array([[0.0, -3.0, -math.log(2)], [0.001, 0, -1], [np.nan, np.nan, 0.0]])
    said = cross_scores_sentence(odds, ["A", "B", "C"])
    assert "2.00 times less likely under the prompt of C than under its own, which comes closest." in said
    assert "The answer of B is as likely under the prompt of A as under its own." in said
    assert "The answer of C could not be scored" in said
    assert "only one prompt" in cross_scores_sentence(np.zeros((1, 1)), ["A"])


def test_two_next_words_against_each_other():
    logprobs = np.log([[0.4, 0.1], [0.1, 0.1]])
    said = next_words_sentence(logprobs, ["nurse", "doctor"], ["A", "B"])
    assert said == (
        "The log-odds of “nurse” over “doctor” are +1.39 nats behind A, +0.00 nats behind B; "
        "behind A they are 4.00 times those behind B."
    )
    assert "times" not in next_words_sentence(logprobs[:1], ["nurse", "doctor"], ["A"])


def test_the_matrix_shows_odds_and_draws():
    chart = cross_score_matrix_chart(
        TWO, TWO - 5, TWO / 2 - 1, ["Blue.", "Sky <b>"], ["A · man", "B · woman"], caption=["a model"]
    )
    spec = chart.to_dict()
    assert "own prompt" in str(spec) and "+0.69" in str(spec)
    assert picture_files.png(chart).data[:4] == b"\x89PNG"
    with pytest.raises(ValueError):
        cross_score_matrix_chart(TWO, TWO, TWO, ["a"], ["A", "B"])


def test_equal_answers_and_prompts_draw():
    zero = np.zeros((3, 3))
    assert picture_files.svg(cross_score_matrix_chart(zero, zero, zero, ["x"] * 3, ["A", "B", "C"])).data


def test_each_pair_of_answer_and_prompt_is_one_line():
    sums = np.array([[-1.0, -2.0], [-3.0, -4.0]])
    assert cross_score_rows(["A", "B"], ["yes", "no"], sums, sums / 2, TWO) == [
        ("A", "yes", "A", -1.0, -0.5, 0.0),
        ("A", "yes", "B", -2.0, -1.0, -math.log(4)),
        ("B", "no", "A", -3.0, -1.5, math.log(2)),
        ("B", "no", "B", -4.0, -2.0, 0.0),
    ]
