"""The fast search against every rectangle there is, on small arrays; sizes, overlap and order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.maps.rectangle_scan import best_rectangles


def best_of_all(excess, least=(1, 1), most=(99, 99)):
    """The largest sum / √cells over every rectangle, one by one."""
    rows, columns = excess.shape
    return max(
        excess[t:b, left:r].sum() / np.sqrt((b - t) * (r - left))
        for t in range(rows)
        for b in range(t + least[0], min(rows, t + most[0]) + 1)
        for left in range(columns)
        for r in range(left + least[1], min(columns, left + most[1]) + 1)
    )


def score(excess, one):
    cells = excess[one.top : one.bottom + 1, one.left : one.right + 1]
    return cells.sum() / np.sqrt(cells.size)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 12))
def test_the_best_is_found_or_nearly(seed, rows, columns):
    excess = np.random.default_rng(seed).normal(size=(rows, columns))
    excess[rows // 3 : rows // 2 + 1, columns // 3 : columns // 2 + 1] += 2
    (found,) = best_rectangles(excess, np.ones(excess.shape), 1)
    assert found.score == pytest.approx(score(excess, found))
    assert found.score >= 0.95 * best_of_all(excess)


def test_it_is_the_very_best_nearly_always():
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(40):
        excess = generator.normal(size=(8, 10))
        (found,) = best_rectangles(excess, np.ones(excess.shape), 1)
        hits += found.score >= best_of_all(excess) - 1e-9
    assert hits >= 36


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10**6),
    st.tuples(st.integers(1, 4), st.integers(1, 5)),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
)
def test_sizes_hold_and_nothing_overlaps(seed, least, more):
    most = least[0] + more[0], least[1] + more[1]
    excess = np.random.default_rng(seed).normal(size=(14, 17))
    found = best_rectangles(excess, np.ones(excess.shape), 6, least, most)
    taken = np.zeros(excess.shape, int)
    for one in found:
        assert least[0] <= one.bottom - one.top + 1 <= most[0] and least[1] <= one.right - one.left + 1 <= most[1]
        taken[one.top : one.bottom + 1, one.left : one.right + 1] += 1
    assert found and taken.max() == 1
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(one.score > 0 for one in found)


def test_nothing_above_what_is_usual_is_nothing():
    weight = np.ones((5, 6))
    assert best_rectangles(np.zeros((5, 6)), weight, 3) == []
    assert best_rectangles(-np.ones((5, 6)), weight, 3) == []
    assert best_rectangles(np.zeros((0, 6)), np.ones((0, 6)), 3) == []
    assert best_rectangles(np.ones((5, 6)), weight, 3, min_size=(6, 1)) == []
    assert best_rectangles(np.ones((5, 6)), weight, 0) == []


def test_the_array_is_left_as_it_was():
    excess = np.random.default_rng(0).normal(size=(9, 9))
    before = excess.copy()
    best_rectangles(excess, np.ones(excess.shape), 3)
    assert np.array_equal(excess, before)


def test_a_rectangle_in_a_large_array_is_found_exactly():
    excess = np.random.default_rng(0).normal(size=(400, 300))
    excess[210:231, 17:59] += 3
    (found,) = best_rectangles(excess, np.ones(excess.shape), 1)
    assert tuple(found)[:4] == (210, 17, 230, 58)
