"""Tests of agreement between runs: known numbers, undefined cases, ties in any order, both baselines."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.comparing import side_by_side
from core.comparing.agreement import measure_agreement, why_undefined
from core.comparing.similarity import (
    SIMILARITY_MEASURES,
    jensen_shannon_distance,
    kendall_similarity,
    spearman_similarity,
    top_overlap,
)
from core.importance import explain
from tests.core.traces_made_up import trace

SHARES = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.4]), min_size=2, max_size=12)


def found(x, y, uniform=None, place=None):
    x, y = np.array(x, float), np.array(y, float)
    even = (np.ones(len(x)),) * 2 if uniform is None else tuple(np.array(u, float) for u in uniform)
    at = (np.linspace(0, 1, len(x)),) * 2 if place is None else place
    return {m.measure: m for m in measure_agreement(0, 1, (x, y), even, at)}


def test_known_numbers():
    x, y = [0.1, 0.2, 0.3, 0.4], [0.1, 0.3, 0.2, 0.4]
    m = found(x, y)
    assert m["spearman"].value == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert m["kendall"].value == pytest.approx(4 / 6)
    assert m["cosine"].value == pytest.approx(0.29 / 0.30)
    p, q = np.array(x), np.array(y)
    half = (p + q) / 2
    divergence = (p * np.log2(p / half)).sum() / 2 + (q * np.log2(q / half)).sum() / 2
    assert m["jensen-shannon"].value == pytest.approx(np.sqrt(divergence))
    assert m["top-3"].value == 1 and np.isnan(m["top-5"].value) and m["top-5"].why
    assert {x.units for x in m.values()} == {4}


def by_pairs(x, y):
    """Kendall's tau-b, computed pair by pair."""
    a, b = (np.sign(v[:, None] - v[None]) for v in (x, y))
    return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


def by_ranks(x, y):
    """Spearman's rho, computed as Pearson's correlation of mean ranks."""
    a, b = (((v[:, None] > v[None]).sum(1) + (v[:, None] >= v[None]).sum(1)) / 2 for v in (x, y))
    return np.corrcoef(a, b)[0, 1]


def by_entropies(x, y):
    p, q = x / x.sum(), y / y.sum()

    def h(v):
        return -(v[v > 0] * np.log2(v[v > 0])).sum()

    return np.sqrt(max(h((p + q) / 2) - (h(p) + h(q)) / 2, 0))


@given(SHARES, st.randoms())
def test_the_same_numbers_as_their_definitions(x, random):
    x, y = np.array(x), np.array(random.choices(x, k=len(x)))
    if x.any() and y.any():
        assert jensen_shannon_distance(x, y) == pytest.approx(by_entropies(x, y), abs=1e-6)
        assert jensen_shannon_distance(x, y) == jensen_shannon_distance(y, x)
    if np.ptp(x) and np.ptp(y):
        assert spearman_similarity(x, y) == pytest.approx(by_ranks(x, y)) and spearman_similarity(
            x, y
        ) == spearman_similarity(y, x)
        assert kendall_similarity(x, y) == pytest.approx(by_pairs(x, y)) and kendall_similarity(
            x, y
        ) == kendall_similarity(y, x)


def test_agreement_may_be_left_out():
    runs = [trace("one two three four", seed=1), trace("one two three four", seed=2)]
    made = [explain(t, sink="separate", granularity="word") for t in runs]
    assert side_by_side(runs, made, agreement=False).agreements == ()
    assert len(side_by_side(runs, made).agreements) == len(SIMILARITY_MEASURES)


def test_nothing_in_common():
    m = found([1, 0, 0, 1], [0, 1, 1, 0])
    assert m["jensen-shannon"].value == pytest.approx(1) and m["cosine"].value == 0 and m["spearman"].value == -1


def test_shares_count_not_their_sum():
    """Twice the share for every word is full agreement: only proportions count."""
    m = found([0.1, 0.2, 0.05, 0.3], [0.2, 0.4, 0.1, 0.6])
    assert (m["cosine"].value, m["jensen-shannon"].value, m["spearman"].value) == (1, 0, 1)


def test_ties_at_the_edge_count_by_their_part():
    assert top_overlap(3)(np.array([3, 2, 1, 1, 0]), np.array([3, 2, 1, 0, 0])) == pytest.approx((2 + 0.5) / 3)
    assert top_overlap(3)(np.array([1, 1, 1, 1, 1.0]), np.array([5, 4, 3, 2, 1.0])) == pytest.approx(3 * 0.6 / 3)
    assert top_overlap(3)(np.array([3, 2, 1, 1, 0]), np.array([3, 2, 1, 1, 0])) == 1


def test_what_is_undefined_says_why_and_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        even = found([1, 1, 1, 1], [1, 2, 3, 4])
        one, none = found([1], [1]), found([], [])
        jensen_shannon_distance(*(np.array([0.1, 0.2, 0.7]) * f for f in (1, 1 + 1e-15)))
        zero = found([0, 0, 0, 0], [1, 2, 3, 4])
        lost = found([np.nan] * 6, [1, 2, 3, 4, 5, 6])
    assert np.isnan(even["spearman"].value) and "no order" in even["kendall"].why and even["cosine"].value > 0
    assert np.isnan([m.value for m in (*one.values(), *none.values(), *lost.values())]).all()
    assert "one word" in one["cosine"].why and "no word" in none["spearman"].why and "no answer" in lost["top-3"].why
    assert "nothing" in zero["cosine"].why and "nothing" in zero["jensen-shannon"].why
    for m in (*even.values(), *one.values(), *none.values(), *zero.values(), *lost.values()):
        assert bool(m.why) == bool(np.isnan(m.value))
        assert not m.why or (m.why.endswith(".") and m.why[0].isupper())


def test_pieces_alone():
    """The baseline of token counts: words of 2 and 3 tokens get 2 and 3 times as much."""
    uniform = [0.1, 0.2, 0.3, 0.1]
    m = found(uniform, [0.1, 0.2, 0.3, 0.1], (uniform, uniform))
    assert m["cosine"].pieces == pytest.approx(1) and m["jensen-shannon"].pieces == pytest.approx(0)
    x, y, even = [0.4, 0.1, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.4, 0.8]
    m = found(x, y, (even, even))
    assert m["spearman"].pieces == pytest.approx((spearman_similarity(np.array(x), np.array(even)) + 1) / 2)
    assert m["top-3"].pieces == pytest.approx((2 / 3 + 1) / 2)
    assert np.isnan(found(x, y)["spearman"].pieces) and found(x, y)["top-3"].pieces == pytest.approx(0.75)


def test_position_alone():
    """Position explains shares that are a parabola over the position; below 5 words its baseline is undefined."""
    at = np.linspace(0, 1, 6)
    curve = 0.1 + (at - 0.3) ** 2
    m = found(curve, curve)
    assert m["cosine"].position == pytest.approx(1) and m["jensen-shannon"].position == pytest.approx(0, abs=1e-4)
    assert np.isnan(found([1, 2, 3, 4], [1, 3, 2, 4])["cosine"].position)
    spiky = np.array([0, 0, 0, 1.0, 0, 0])
    assert found(spiky, spiky)["jensen-shannon"].position > 0.4


@given(SHARES, st.randoms())
def test_order_of_runs_and_words_does_not_matter(x, random):
    y = random.sample(x, len(x))
    at = np.sort([random.random() for _ in x])
    there = np.linspace(0, 1, len(x))
    values, even = (np.array(x), np.array(y)), (np.array(y) + 1, np.array(x) + 2)
    first = measure_agreement(0, 1, values, even, (at, there))
    second = measure_agreement(0, 1, values[::-1], even[::-1], (there, at))
    order = random.sample(range(len(x)), len(x))
    third = measure_agreement(0, 1, *(tuple(v[order] for v in pair) for pair in (values, even, (at, there))))
    for a, b, c in zip(first, second, third, strict=True):
        np.testing.assert_array_equal([a.value, a.position, a.pieces], [b.value, b.position, b.pieces])
        np.testing.assert_allclose([a.value, a.pieces], [c.value, c.pieces], atol=1e-9)
        low = -1 if a.measure in ("spearman", "kendall", "cosine") else 0
        assert all(np.isnan(v) or low - 1e-9 <= v <= 1 + 1e-9 for v in (a.value, a.position, a.pieces))


@given(SHARES)
def test_a_list_with_itself(x):
    for m in found(x, x).values():
        assert m.why or m.value == (0 if m.measure == "jensen-shannon" else 1)


def test_rounding_makes_no_order():
    x = np.array([0.1 + 0.2, 0.3, 0.3 * (1 + 1e-12), 0.3])
    assert np.isnan(found(x, [1, 2, 3, 4])["spearman"].value)


def test_every_measure_is_there():
    assert list(SIMILARITY_MEASURES) == ["spearman", "kendall", "cosine", "jensen-shannon", "top-3", "top-5", "top-10"]
    assert why_undefined("top-10", np.ones(10), np.ones(10)) and not why_undefined("top-10", np.ones(11), np.ones(11))
    assert kendall_similarity(np.array([1, 2, 3.0]), np.array([3, 2, 1.0])) == pytest.approx(-1)
    assert jensen_shannon_distance(np.array([1, 0.0]), np.array([0, 1.0])) == pytest.approx(1)
