"""Tests of word alignment: a longest common subsequence, independent of the order of the runs, nothing dropped."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.comparing import alignment as module
from core.comparing.alignment import align_labels, align_texts, common_subsequence

WORDS = st.lists(st.sampled_from(["a", "b", "c", "A", "d", " ", "  ", "é", "e\u0301", "東"]), max_size=9)


def table(*lines, **settings):
    """For each aligned slot, the word of each run or ·."""
    texts = [line.split() if isinstance(line, str) else line for line in lines]
    found = align_texts(texts, **settings)
    return [tuple(t[p] if p >= 0 else "·" for t, p in zip(texts, slot, strict=True)) for slot in found.T]


def longest(a, b):
    """Length of a longest common subsequence, by brute force."""

    @cache
    def rest(i, j):
        if i == len(a) or j == len(b):
            return 0
        here = [rest(i + 1, j), rest(i, j + 1)]
        return max([*here, 1 + rest(i + 1, j + 1)] if a[i] == b[j] else here)

    return rest(0, 0)


def test_matched_replaced_inserted_deleted():
    assert table("the sky is blue", "the sky was blue") == [
        ("the", "the"), ("sky", "sky"), ("is", "was"), ("blue", "blue"),
    ]  # fmt: skip
    assert table("the blue sky", "the sky") == [("the", "the"), ("blue", "·"), ("sky", "sky")]
    found = table("x one y", "x two three y")
    assert found[0] == ("x", "x") and found[-1] == ("y", "y")
    assert sorted(found[1:-1]) == sorted([("one", "·"), ("·", "two"), ("·", "three")])


def test_letters_are_compared_folded_and_composed():
    assert table(["Sky", "caf\u00e9", "Straße"], ["sky", "cafe\u0301", "STRASSE"]) == [
        ("Sky", "sky"), ("caf\u00e9", "cafe\u0301"), ("Straße", "STRASSE"),
    ]  # fmt: skip
    assert table([" sky", "x"], ["x", "sky"]).count((" sky", "sky")) == 0
    assert table([" sky"], ["sky", "blue"], strip=True)[0] == (" sky", "sky")


def test_a_word_that_two_runs_insert_at_one_place_is_one_unit():
    assert table("a z", "a new z", "a new z") == [("a", "a", "a"), ("·", "new", "new"), ("z", "z", "z")]
    assert table("a z", "a new z", "a other z")[1] in [("·", "new", "other")]
    found = table("x y z", "x q r z", "x w z")
    assert ("y", "·", "w") in found and len(found) == 5


def test_spaces_belong_to_the_word_that_follows():
    assert table(["x", " ", "x", "x"], ["x", "x", " ", "x"]) == [
        ("x", "x"), (" ", "·"), ("x", "x"), ("·", " "), ("x", "x"),
    ]  # fmt: skip
    assert table(["a", "  ", "b", "\n"], ["a", " ", "b"]) == [("a", "a"), ("  ", " "), ("b", "b"), ("\n", "·")]
    assert table([" "], ["  ", "a"]) == [("·", "  "), ("·", "a"), (" ", "·")]


@given(WORDS, WORDS)
def test_two_texts_share_as_much_as_they_can(a, b):
    solid = [[module.word_key(w, False) for w in line if not w.isspace()] for line in (a, b)]
    found = align_texts([a, b])
    both = [(a[i], b[j]) for i, j in found.T if i >= 0 and j >= 0]
    same = [x for x, y in both if not x.isspace() and module.word_key(x, False) == module.word_key(y, False)]
    assert len(same) == longest(*map(tuple, solid))


@given(st.lists(WORDS, min_size=1, max_size=4), st.randoms())
def test_every_word_stands_once_in_order_whatever_the_order_of_runs(lines, random):
    found = align_texts(lines)
    for line, places in zip(lines, found, strict=True):
        assert places[places >= 0].tolist() == list(range(len(line)))
    assert ((found >= 0).sum(0) > 0).all()
    order = list(range(len(lines)))
    random.shuffle(order)
    np.testing.assert_array_equal(align_texts([lines[k] for k in order]), found[order])


@given(WORDS, WORDS)
def test_the_same_text_stands_in_the_same_places(a, b):
    found = align_texts([a, b, a])
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[:2], align_texts([a, b]))


def test_a_guess_for_very_long_texts_drops_nothing(monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 3)
    a, b = "z a b c d x".split(), "y a c b d w".split()
    found = align_texts([a, b])
    for line, places in zip((a, b), found, strict=True):
        assert places[places >= 0].tolist() == list(range(len(line)))
    assert common_subsequence(["a", "b"], [{"b"}, {"a"}, {"b"}]) == [(0, 1), (1, 2)]


@pytest.mark.parametrize("kind", ["same", "repetitive", "different", "edited"])
def test_long_texts(kind):
    rng = np.random.default_rng(0)
    base = rng.zipf(1.3, 4000) % 900
    lines = []
    for run in range(4):
        line = {
            "same": base,
            "repetitive": np.arange(run, 4000 + run) % 3,
            "different": rng.integers(0, 5000, 4000),
            "edited": np.where(rng.random(4000) < 0.1, run + 10_000, base),
        }[kind]
        lines.append([str(w) for w in line])
    found = align_texts(lines)
    for places in found:
        assert places[places >= 0].tolist() == list(range(4000))
    if kind == "repetitive":
        assert found.shape[1] <= 4006
    if kind in ("same", "edited"):
        assert found.shape[1] <= 4000 * (1 if kind == "same" else 1.1)


def test_by_label_pairs_wherever_they_stand():
    lines = [["instruction", "context"], ["context", "other", "instruction"]]
    found = align_labels(lines)
    assert found.tolist() == align_labels(lines[::-1])[::-1].tolist()
    names = [{t[p] for t, p in zip(lines, slot, strict=True) if p >= 0} for slot in found.T]
    assert sorted(map(sorted, names)) == [["context"], ["instruction"], ["other"]]
