"""Tests of random-effects pooling: the numbers of statsmodels, and strata that share prompts."""

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from core.study.statistics import pooling


def test_independent_strata_give_dersimonian_and_laird():
    z, n = np.array([0.1, 0.5, -0.2, 0.4]), np.array([30, 45, 60, 33])
    v = pooling.fisher_variance(n)
    got, want = pooling.pool_strata(z, v), combine_effects(z, v, method_re="dl")
    assert got.tau2 == pytest.approx(want.tau2) and got.q == pytest.approx(want.q) and got.i2 == pytest.approx(want.i2)
    assert got.z == pytest.approx(want.mean_effect_re) and got.se == pytest.approx(want.sd_eff_w_re)
    assert np.allclose(got.weight, want.weights_rel_re)


def test_one_stratum_is_itself_and_missing_strata_do_not_count():
    v = pooling.fisher_variance(np.array([40]))
    one = pooling.pool_strata(np.array([0.3]), v)
    assert one.z == pytest.approx(0.3) and one.tau2 == 0 and np.isnan(one.i2) and one.se == pytest.approx(v[0] ** 0.5)
    two = pooling.pool_strata(np.array([0.3, np.nan]), np.array([v[0], np.inf]))
    assert two.z == pytest.approx(0.3) and two.se == pytest.approx(one.se) and two.weight.tolist() == [1, 0]


@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_heterogeneity_is_not_seen_where_there_is_none(shared):
    """Strata that share prompts have a small Q; without the covariance, real heterogeneity would be missed."""
    rng, v = np.random.default_rng(0), pooling.fisher_variance(np.full(5, 60))
    cover = v[0] * ((1 - shared) * np.eye(5) + shared)
    samples = rng.multivariate_normal(np.zeros(5), cover, size=1000)
    z = rng.multivariate_normal(np.zeros(5), cover + 0.04 * np.eye(5), size=400)
    found = [pooling.pool_strata(one, v, samples).tau2 for one in z]
    assert np.mean(found) == pytest.approx(0.04, abs=0.008)


def test_strata_that_are_copies_are_worth_one():
    rng, v = np.random.default_rng(1), pooling.fisher_variance(np.full(3, 60))
    sample = rng.normal(0, v[0] ** 0.5, size=(5000, 1))
    got = pooling.pool_strata(np.full(3, 0.2), v, np.repeat(sample, 3, axis=1))
    assert got.se == pytest.approx(sample.std(ddof=1)) and got.tau2 == 0


def test_perfect_correlations_come_back_as_one():
    back = pooling.z_to_correlation(pooling.fisher_z(np.array([1.0, -1.0, 0.5]))).tolist()
    assert back[:2] == [1, -1] and back[2] == pytest.approx(0.5, abs=1e-12)  # the last bit is the processor's
    assert np.isinf(pooling.fisher_variance(np.array([3]))).all()


def pooled_studies(strata, tau, studies=2000, prompts=60):
    """Pooled numbers of made-up studies whose strata differ by ``tau`` around a mean of 0."""
    rng, v = np.random.default_rng(strata), pooling.fisher_variance(np.full((strata, studies), prompts))
    return pooling.pool_strata(rng.normal(0, np.sqrt(tau**2 + v)), v)


@pytest.mark.parametrize("strata", [4, 8, 16])
@pytest.mark.parametrize("tau", [0.0, 0.3])
def test_the_interval_covers_the_mean_of_strata_that_differ(strata, tau):
    """With a normal quantile: 87 % for 4 and 91 % for 8 strata."""
    got = pooled_studies(strata, tau)
    covered = np.abs(got.z) <= got.reach()
    assert 0.93 <= covered.mean() <= 0.98
    assert (covered == (got.p() >= 0.05)).all()


def test_few_strata_have_an_interval_for_themselves():
    """Of two strata, -0.5 and 0.5, the mean is 0 and known as well as its prompts tell it."""
    v = pooling.fisher_variance(np.array([60, 60]))
    got = pooling.pool_strata(np.array([-0.5, 0.5]), v)
    assert got.tau2 > 0.3 and got.z == pytest.approx(0) and got.own_se == pytest.approx(np.sqrt(v[0] / 2))
    assert got.reach() == pytest.approx(1.959964 * got.own_se, rel=1e-4) and got.se > 3 * got.own_se
