"""Tests of attention against effect (points, corners, ranks, guess) on a run with numbers set by hand."""

import math

import numpy as np
import pytest

from core.comparing.attention_vs_effect import (
    agreement_sentence,
    compare_with_effect,
    corner_of,
    is_word,
    overlap_sentence,
    rank_agreement,
    strongest,
)
from core.records import Probe
from tests.core import charts_made_up as made

SHARES = np.array([0.4, 0.05, 0.3, 0.01])
LOST = np.array([2.0, 1.0, 0.0, -0.5])


@pytest.fixture
def tr():
    return made.trace("Name the sky now", "Blue it is")


def both(tr, per_step=False, columns=None):
    steps = tr.steps
    importance = made.importance(tr, "own", np.tile(SHARES, (steps, 1)))
    probe = Probe(
        tr.id, importance.columns, np.eye(4, dtype=bool), np.repeat(-LOST[:, None], steps, 1), np.zeros(steps), "mask"
    )
    rows = np.arange(steps)
    return compare_with_effect(
        importance, tr, probe, np.arange(4) if columns is None else columns, rows, per_step
    ), importance


def test_points_are_multiples_of_uniform_and_nats_of_the_answer(tr):
    found, importance = both(tr)
    even = importance.uniform.mean(0)
    assert found.read == pytest.approx(SHARES / even, rel=1e-5)
    assert found.lost == pytest.approx(LOST * tr.steps)
    assert both(tr, per_step=True)[0].lost == pytest.approx(LOST)


def test_the_four_corners(tr):
    found, _ = both(tr)
    assert found.members("helped, read little").tolist() == [1]
    assert corner_of(1.0, 0.11) == "read and helped" and corner_of(1.0, 0.09) == "read, no difference"
    assert corner_of(1.0, -0.11) == "read and hindered" and corner_of(0.9, -0.11) == "hindered, read little"
    assert corner_of(0.9, -0.09) == "read little, no difference"
    assert corner_of(math.nan, 1) == "" and corner_of(2, math.nan) == ""


def test_columns_keep_their_numbers(tr):
    found, _ = both(tr, columns=np.array([2, 0]))
    assert found.columns.tolist() == [2, 0] and found.members("read and helped").tolist() == [0]


def test_rank_agreement_is_spearmans(tr):
    found, _ = both(tr)
    ranks = np.array([4, 2, 3, 1]), np.array([4, 3, 2, 1])
    expected = 1 - 6 * ((ranks[0] - ranks[1]) ** 2).sum() / (4 * 15)
    assert found.spearman == pytest.approx(expected) and found.n == 4
    assert "Spearman +0.80 over 4 words" in agreement_sentence(found)


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [([1, 2], [1, 2], "Only 2"), ([1, 1, 1], [1, 2, 3], "read the same"), ([1, 2, 3], [0, 0, 0], "same effect")],
)
def test_undefined_ranks_say_why(a, b, why):
    value, n, said = rank_agreement(np.array(a, float), np.array(b, float))
    assert math.isnan(value) and n == len(a) and why in said


def test_undefined_points_count_in_nothing():
    value, n, _ = rank_agreement(np.array([1, 2, 3, np.nan, 5.0]), np.array([1, 2, 3, 4, np.nan]))
    assert n == 3 and value == pytest.approx(1)


def test_the_guess_is_compared_by_words():
    labels = ["Name", "the", "sky", "now"]
    best = strongest(np.array([0.4, np.nan, 0.3, 0.1]), np.array([0, 1, 2, 3]))
    assert best == [0, 2, 3]
    said = overlap_sentence([2, 1, 0], best, labels, "read most")
    assert said == "2 of your 3 are among the 3 words read most: “sky” and “Name”. You did not pick “now”."
    assert overlap_sentence([1], [0], labels, "read most") == (
        "0 of your 1 are among the one word read most. You did not pick “Name”."
    )


def test_punctuation_is_no_word():
    assert is_word("sky") and is_word("東") and is_word("7") and not is_word(":") and not is_word("␣")
