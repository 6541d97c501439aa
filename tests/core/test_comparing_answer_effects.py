"""Tests of knock-out effects summed by words and of the sentence about them, against hand-computed numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.comparing.answer_effects import answer_effect, effect_sentence, odds_factor, quoted_labels
from core.text.units import units
from tests.core import charts_made_up as made


@pytest.fixture
def tr():
    return made.trace()


def rows(tr, level="word"):
    return units(tr.tokens, level, range(tr.prompt_length, len(tr.tokens)))


def test_a_loss_is_summed_by_words_and_the_largest_is_named(tr):
    effect = np.zeros(tr.steps, np.float32)
    effect[0], effect[4] = 0.31, 2.0
    found = answer_effect(tr, effect, rows(tr))
    assert found.total == pytest.approx(2.31, abs=1e-6) and found.steps == tr.steps
    assert rows(tr).labels[found.most] == tr.output_tokens[4] == "beautiful"
    said = effect_sentence(found, ["one word"], rows(tr), "mask")
    assert said == (
        "With “one word” hidden, this same answer is 10 times less likely: "
        "it lost 2.31 nats over 9 tokens, most at “beautiful” (2.00)."
    )


def test_a_gain_and_no_change_are_said_as_such(tr):
    gained = answer_effect(tr, np.full(tr.steps, -0.1), rows(tr))
    said = effect_sentence(gained, ["sky"], rows(tr), "remove")
    assert "taken out of the prompt" in said and "times likelier: it gained 0.90 nats" in said
    none = effect_sentence(answer_effect(tr, np.zeros(tr.steps), rows(tr)), ["sky"], rows(tr), "mask")
    assert none == "With “sky” hidden, this same answer is about as likely as before: +0.000 nats over 9 tokens."


def test_what_cannot_be_made_is_said(tr):
    found = answer_effect(tr, np.full(tr.steps, np.nan), rows(tr))
    assert math.isnan(found.total) and found.most == -1
    assert "cannot be scored" in effect_sentence(found, ["<|user|>"], rows(tr), "remove")


def test_factors_are_numbers_people_read():
    assert odds_factor(math.log(2)) == "2.00 times" and odds_factor(-math.log(2)) == "2.00 times"
    assert odds_factor(math.log(1234)) == "1,234 times" and odds_factor(50.04) == "e^50.0 times"


def test_many_words_are_not_all_quoted():
    assert quoted_labels(["a"]) == "“a”" and quoted_labels(["a", " b"]) == "“a” and “b”"
    assert quoted_labels(list("abcdef")) == "“a”, “b”, “c”, “d” and 2 more"


@given(st.lists(st.floats(-20, 20, width=32), min_size=9, max_size=9), st.sampled_from(["token", "word", "sentence"]))
def test_no_granularity_loses_anything(effect, level):
    tr = made.trace()
    found = answer_effect(tr, np.array(effect), rows(tr, level))
    assert found.by_row.sum() == pytest.approx(sum(effect), abs=1e-3)
    assert found.total == pytest.approx(sum(effect), abs=1e-3)
