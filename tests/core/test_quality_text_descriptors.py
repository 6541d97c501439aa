"""Tests of length, loops, distinct n-grams and compression: known answers, slow reference computations."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.records import Answered
from core.study.quality import score_answered
from core.study.quality.text_descriptors import LONGEST_LOOP

NAMES = ["words", "characters", "sentences", "distinct_1", "distinct_2", "loop_share", "zlib_ratio", "copy_share"]


def values(answer, prompt="", **known):
    return {n: v.value for n, v in score_answered(Answered(prompt, answer, **known), NAMES).items()}


def test_lengths():
    seen = values("It's well-known. 3.14 is pi!\nYes")
    assert (seen["words"], seen["sentences"], seen["characters"]) == (6, 3, 32)
    assert values(" \u0928\u093f ")["characters"] == 1, "characters as a reader sees them"
    assert values("")["words"] == 0
    assert values("blue sky", truncated=True)["words"] is None


def test_tokens_need_a_model():
    assert score_answered(Answered("", "blue"), ["tokens"])["tokens"].value is None
    assert score_answered(Answered("", "blue", token_ids=[3, 4]), ["tokens"])["tokens"].value == 2


def looping(words):
    """Repetition found by brute force over every block length and position."""
    again = set()
    for n in range(1, LONGEST_LOOP + 1):
        rounds = 3 if n < 4 else 2
        for start in range(len(words) - rounds * n + 1):
            block = words[start : start + n]
            if words[start : start + rounds * n] == block * rounds:
                end = start + n
                while end < len(words) and words[end] == words[end - n]:
                    end += 1
                again |= set(range(start + n, end))
    return len(again) / len(words)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40))
def test_loops_beside_a_slow_search(words):
    assert values(" ".join(words))["loop_share"] == pytest.approx(looping(words))


def test_known_loops():
    assert values("the sky is blue today")["loop_share"] == 0
    assert values("very very good")["loop_share"] == 0
    assert values("very very very good")["loop_share"] == 2 / 4
    assert values("I like the sky. I like the sky. I like")["loop_share"] == 6 / 10
    assert values("go " * 50, truncated=True)["loop_share"] == pytest.approx(49 / 50), "a loop is stopped by the limit"


def test_distinct_counts_ngrams():
    seen = values("The sky, the sky, the sea")
    assert seen["distinct_1"] == 3 / 6 and seen["distinct_2"] == 3 / 5
    one = score_answered(Answered("", "Blue"), ["distinct_1", "distinct_2"])
    assert one["distinct_1"].value == 1 and "fewer than 2" in one["distinct_2"].why


def test_compressed_size_and_copies():
    text = "blue sky " * 30
    assert values(text)["zlib_ratio"] == len(zlib.compress(text.encode(), 9)) / len(text.encode())
    assert values("The sky is blue", "What color is THE sky?")["copy_share"] == 3 / 4


def test_nothing_is_said_of_an_empty_answer():
    for name in ("distinct_1", "distinct_2", "loop_share", "zlib_ratio", "copy_share"):
        assert score_answered(Answered("q", " "), [name])[name].why == "the answer is empty"
