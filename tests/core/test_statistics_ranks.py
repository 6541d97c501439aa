"""Tests ranks of resamples and partial correlations against slow reference computations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.interpolate import make_lsq_spline

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


def test_curves_are_scipys_splines():
    """Residuals equal those of a least-squares cubic spline with knots at the quarters."""
    rng = np.random.default_rng(5)
    x, y = rng.permutation(60) + 1.0, rng.normal(size=60)
    u = (x - 0.5) / 60
    order = np.argsort(u)
    spline = make_lsq_spline(u[order], y[order], np.r_[[0.0] * 4, 0.25, 0.5, 0.75, [1.0] * 4], k=3)
    counts = np.ones((1, 60))
    curves = ranks.control_curves(x[None, :, None], counts, 6)
    s = ranks.rank_scores(y[None, :, None], counts, curves, None)[0, :, 0]
    want = y - spline(u)
    assert np.allclose(s, want / np.linalg.norm(want), atol=1e-6)
    assert [ranks.curve_count(n) for n in (5, 19, 20, 39, 40, 400)] == [1, 1, 3, 3, 6, 6]
