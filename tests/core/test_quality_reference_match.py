"""Tests of scores against a reference, each beside an independent computation: SQuAD's rules, BLEU, chrF, LCS."""

import math
import re
import string
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.records import Answered
from core.study.quality import score_answered
from core.study.quality.normalise import normal_tokens, normalise
from core.study.quality.reference_match import contains_reference, f1_score

PLAIN = st.lists(
    st.sampled_from("the a an The sky Sky is blue, blue. (red) don't well-known half-time 7 15 'so' New York!".split()),
    max_size=9,
).map(" ".join)


def value(name, answer, *reference, truncated=False):
    return score_answered(Answered("Q", answer, reference, truncated=truncated), [name])[name]


def squad(text):
    """An independent implementation of the evaluation rules of the SQuAD paper."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\s+", " ", re.sub(r"\b(a|an|the)\b", " ", text)).strip()


@settings(max_examples=60, deadline=None)
@given(PLAIN, PLAIN)
def test_exact_match_and_f1_are_squads(answer, reference):
    if not squad(answer) or not squad(reference):
        return
    a, r = squad(answer).split(), squad(reference).split()
    same = sum((Counter(a) & Counter(r)).values())
    assert normalise(answer) == squad(answer)
    assert value("exact_match", answer, reference).value == (a == r)
    assert f1_score(answer, reference) == pytest.approx(2 * same / (len(a) + len(r)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,000", "1000"), ("1,234,567.50", "1234567.5"), ("3.14", "3.14"), ("-5", "-5"), ("\u22125", "-5"),
        ("$5.00", "5"), ("-$5", "-5"), (".5", "0.5"), ("007", "007"), ("The 5.", "5"), ("covid-19", "covid19"),
        ("0.0", "0"), ("A", "a"), ("the", "the"), ("\u0663", "3"), ("blue\u2014sky", "blue sky"), ("\u201cBlue\u201d", "blue"),
        ("12345678901234567890123456789012345.10", "12345678901234567890123456789012345.1"),
    ],
)  # fmt: skip
def test_normalised_numbers_and_signs(text, expected):
    assert normalise(text) == expected


@pytest.mark.parametrize(
    ("answer", "reference", "found"),
    [
        ("It is 5.", "5", True), ("It is 15.", "5", False), ("51", "5", False), ("5.5", "5", False), ("5.0", "5", True),
        ("1,500 metres", "1500", True), ("1500", "1,500", True), ("1,500", "500", False), ("1,500", "1", False),
        ("-5", "5", False), ("10-5", "5", True), ("x = -5", "-5", True), ("$5", "5", True), ("5%", "5", True),
        ("at 5:30", "5", False), ("at 5:30", "5:30", True), ("1/2", "2", False), ("the 5th", "5", False),
        ("(5)", "5", True), ("Answer:5", "5", True), ("5, 6", "5", True), ("20 + 4 = 24", "24", True),
        ("The capital is Paris.", "Paris", True), ("Parisian cafés", "Paris", False), ("PARIS!", "paris", True),
        ("Paris's streets", "Paris", True), ("in the U.S. today", "US", True), ("New-York", "New York", True),
        ("New York City", "the New York City", True), ("York New", "New York", False), ("cafe\u0301", "café", True),
        ("首都は北京です。", "北京", True), ("首都は東京です。", "北京", False), ("It is A.", "A", True),
        ("It is a dog.", "A", False), ("it's :-)", ":-)", True), ("smile", ":-)", False), ("", "5", False),
        ("**Blue**", "blue", True), ("a_blue_sky", "blue", True), ("don't", "don't", True),
    ],
)  # fmt: skip
def test_contains_whole_words(answer, reference, found):
    assert contains_reference(answer, reference) is found
    assert value("contains", answer, reference).value == found
    assert value("correct", answer, "never this", reference).value == found


def test_unspaced_scripts_come_one_by_one():
    assert normal_tokens("abc東京 7") == ["abc", "東", "京", "7"]
    assert value("token_f1", "東京", "京都").value == 0.5


def lcs(a, b):
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


def test_rouge_l_is_the_longest_common_subsequence():
    a, r = "the small cat sat on the old mat", "the cat lay on the mat today"
    common = lcs(a.split(), r.split())
    p, q = common / len(a.split()), common / len(r.split())
    assert value("rouge_l", a, r).value == pytest.approx(2 * p * q / (p + q))
    assert value("rouge_l", a, "nothing", r).value == pytest.approx(2 * p * q / (p + q)), "the best reference counts"
    assert value("rouge_l", "東京は", "東京").value == pytest.approx(0.8), "not only a-z"


def ngrams(items, n):
    return Counter(tuple(items[i : i + n]) for i in range(len(items) - n + 1))


def test_bleu_by_hand():
    a, r = "the cat sat on the mat".split(), "the cat is on the mat today".split()
    logs, zeros = [], 0
    for n in range(1, 5):
        mine, theirs = ngrams(a, n), ngrams(r, n)
        hits, total = sum((mine & theirs).values()), sum(mine.values())
        zeros += not hits
        logs.append(math.log(hits / total if hits else 1 / (2**zeros * total)))
    brevity = min(0.0, 1 - len(r) / len(a))
    assert value("bleu", " ".join(a), " ".join(r)).value == pytest.approx(100 * math.exp(sum(logs) / 4 + brevity))


def test_chrf_by_hand():
    a, r = "the cat sat", "the cat is here"
    precision, recall = [], []
    for n in range(1, 7):
        mine, theirs = ngrams(a.replace(" ", ""), n), ngrams(r.replace(" ", ""), n)
        hits = sum((mine & theirs).values())
        precision.append(hits / sum(mine.values()))
        recall.append(hits / sum(theirs.values()))
    p, q = sum(precision) / 6, sum(recall) / 6
    assert value("chrf", a, r).value == pytest.approx(100 * 5 * p * q / (4 * p + q))


@pytest.mark.parametrize("name", ["exact_match", "contains", "correct", "token_f1", "rouge_l", "bleu", "chrf"])
def test_ends_of_the_scale_and_undefined(name):
    text = "The quick brown fox jumps over it"
    top = 100 if name in ("bleu", "chrf") else 1
    assert value(name, text, text).value == pytest.approx(top)
    assert value(name, "zzz", "qqq").value == pytest.approx(0)
    assert value(name, "", text).value == 0, "an empty answer is wrong, not unknown"
    for missing in ((), ("",), ("  ",)):
        assert value(name, text, *missing).value is None
        assert "no reference" in value(name, text, *missing).why


def test_a_stopped_answer():
    assert value("contains", "Paris is", "Paris", truncated=True).value == 1
    assert value("contains", "It is", "Paris", truncated=True).value is None
    for name in ("correct", "exact_match", "token_f1", "rouge_l", "bleu", "chrf"):
        for text in ("Paris", "It is"):
            stopped = value(name, text, "Paris", truncated=True)
            assert stopped.value is None and "token limit" in stopped.why


def test_a_whole_text_as_reference_is_no_yes_or_no():
    text = "The town plants forty young trees along the river so that its banks hold in floods."
    seen = value("correct", text, text)
    assert seen.value is None and "rouge_l" in seen.why
    assert value("rouge_l", text, text).value == 1 and value("correct", "Blue.", text, "blue").value == 1
