"""Tests ranks of resamples and partial correlations against slow reference computations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.study.statistics import ranks

RNG = np.random.default_rng(4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=9))
def test_ranks_of_a_resample_are_those_of_repeated_rows(rows):
    values = np.array([[v] for v, _ in rows], float)
    counts = np.array([[c for _, c in rows]])
    repeated = stats.rankdata(np.repeat(values[:, 0], counts[0]))
    got = np.repeat(ranks.drawn_midranks(values, counts)[0, :, 0], counts[0])
    assert np.allclose(got, repeated)


@pytest.mark.parametrize("ties", [False, True])
def test_inner_products_are_spearman(ties):
    values = RNG.normal(size=(30, 3))
    values = np.round(values) if ties else values
    counts = RNG.integers(0, 4, size=(2, 30))
    s = ranks.rank_scores(ranks.drawn_midranks(values, counts), counts.astype(float), np.zeros((2, 30, 0)), None)
    for b in range(2):
        got = (s[b] * counts[b][:, None]).T @ s[b]
        assert np.allclose(got, stats.spearmanr(np.repeat(values, counts[b], axis=0))[0])


def test_one_control_gives_the_textbook_partial_correlation():
    values = RNG.normal(size=(40, 3)) + RNG.normal(size=(40, 1))
    r = ranks.midranks(values)[None]
    s = ranks.rank_scores(r[..., :2], np.ones((1, 40)), r[..., 2:], None)[0]
    xy, xz, yz = (stats.spearmanr(values[:, a], values[:, b])[0] for a, b in ((0, 1), (0, 2), (1, 2)))
    assert np.isclose(s[:, 0] @ s[:, 1], (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)))


def test_controls_that_repeat_each_other_or_are_constant_change_nothing():
    r = ranks.midranks(RNG.normal(size=(40, 3)))[None]
    one = ranks.rank_scores(r[..., :2], np.ones((1, 40)), r[..., 2:], None)
    many = np.concatenate([r[..., 2:], r[..., 2:] * 2, np.ones((1, 40, 1))], axis=2)
    assert np.allclose(one, ranks.rank_scores(r[..., :2], np.ones((1, 40)), many, None))


def test_constant_columns_have_no_scores():
    r = np.dstack([np.arange(5.0), np.full(5, 3.0)])
    s = ranks.rank_scores(r, np.ones((1, 5)), np.zeros((1, 5, 0)), None)
    assert np.isfinite(s[0, :, 0]).all() and np.isnan(s[0, :, 1]).all()
    same = ranks.rank_scores(r[..., :1], np.ones((1, 5)), r[..., :1], None)
    assert np.isnan(same).all(), "nothing is left of a column that is its own control"
