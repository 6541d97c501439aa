"""Tests of the ladder's rows and of the sentence on what changed, on hand-made answers."""

import math

import numpy as np
import pytest

from core.comparing.steering_ladder import LadderRow, ladder_rows, ladder_sentence, reading_phrase, word_logprobs
from core.records import SteeredAnswers, Steering
from core.text.units import units
from tests.core import charts_made_up as made

PLAIN = LadderRow(1, "Blue, it is.", 17, "end", -10.0, 0.1, 0.1, -0.88, 1, 0, 2)


def row(factor=8.0, **changes):
    fields = {
        "answer": "Blue.",
        "tokens": 19,
        "finish": "end",
        "logprob": -12.5,
        "share": 0.3,
        "new_share": 0.3,
        "plain": -1.06,
        "followed": 2,
        "asked": 2,
    }
    return LadderRow(factor, **(fields | changes))


def said(one, part="the instruction"):
    return ladder_sentence([PLAIN, one], 1, part)


def test_what_changed_is_said_and_nothing_else():
    assert said(row()) == (
        "Reading the instruction 8 times as much changed the answer: 2 of 2 instructions followed instead of 1; 19 "
        "tokens instead of 17; the plain model finds it less likely (-1.06 instead of -0.88 nats a token)."
    )
    as_before = row(tokens=17, followed=1, plain=-0.88)
    assert said(as_before) == "Reading the instruction 8 times as much changed the answer."
    likelier = said(row(factor=0.25, followed=1, plain=-0.5, tokens=1), "“sky”")
    assert likelier.startswith("Reading “sky” 1/4 as much changed the answer: 1 token instead of 17; the plain")
    assert "likelier (-0.50 instead of -0.88" in likelier


def test_the_same_answer_an_empty_one_and_one_that_was_cut_off():
    same = said(row(answer=PLAIN.answer, tokens=17, plain=-0.88))
    assert same == (
        "Reading the instruction 8 times as much left the answer word for word as it was; that answer became less "
        "likely by 2.50 nats."
    )
    assert said(row(answer="", tokens=0, plain=math.nan, followed=0)).endswith(
        "left the answer empty, instead of 17 tokens."
    )
    cut = said(row(finish="length", tokens=64, followed=0, undecided=2))
    assert "0 of 2 instructions followed instead of 1 (2 undecided now: cut off)" in cut
    assert "64 tokens instead of 17 (cut off by the token limit)" in cut
    assert ladder_sentence([PLAIN], 0, "the instruction") == (
        "Reading the instruction as by itself is the plain run: 17 tokens, 1 of 2 instructions followed."
    )
    assert reading_phrase("the example", 0) == "Hiding the example"
    with pytest.raises(ValueError, match="factor 1"):
        ladder_sentence([row()], 0, "it")


def test_no_sentence_claims_a_cause():
    for factor in (0, 0.125, 1, 8):
        assert not {"because", "ignored", "relied"} & set(said(row(factor=factor)).split()) or factor == 1


def test_rows_are_sorted_and_sum_the_answer_alone():
    trace = made.trace()
    ways = tuple(Steering(((0, 0, 4),), factor) for factor in (8, 1, 0.5))
    logprobs = np.arange(3 * trace.steps, dtype=np.float32).reshape(3, trace.steps) / -100
    found = SteeredAnswers(
        trace.id, ways, logprobs, trace.logprobs, [0.3, 0.2, 0.1], ("a", "b", ""), [0.4, 0.5, np.nan], [1, 2, 0],
        [-1.0, -2.0, np.nan], ("end",) * 3, ("x", "y", "z"),
    )  # fmt: skip
    rows = ladder_rows(found, trace, [[True, False], [None, True], [False, False]])
    assert [r.factor for r in rows] == [0.5, 1, 8] and [r.run_id for r in rows] == ["z", "y", "x"]
    assert [r.said for r in rows] == ["0 of 2", "1 of 2, 1 undecided", "1 of 2"]
    assert rows[2].logprob == pytest.approx(float(logprobs[0, trace.answer_steps].sum()))
    assert rows[0].name == "× 1/2" and ladder_rows(found, trace)[0].said == ""
    words = units(trace.tokens, "word", range(trace.prompt_length, len(trace.tokens)))
    whole = word_logprobs(logprobs, trace, words)
    apart = sum(word_logprobs(logprobs, trace, words, w) for w in range(len(words)))
    assert whole == pytest.approx(apart)
    scored = SteeredAnswers(trace.id, ways, logprobs, trace.logprobs, [0.3, 0.2, 0.1])
    with pytest.raises(ValueError, match="needs factors"):
        ladder_rows(scored, trace)
