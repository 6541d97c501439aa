"""Tests which of two answers scores higher at equal size: McNemar, a logistic fit, studies in which size is all."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.discrete.discrete_model import Logit

from core.study.statistics.equal_size import pairs_at_equal_size


def made(rng, prompts, shorter, kind, effect=0.0):
    """Changes and ln ratios of comparable pairs; "threshold": following means having fewer than 50 words."""
    own = rng.normal(np.log(60), 0.4, prompts)
    first, second = (np.round(np.exp(own - s + 0.2 * rng.normal(size=prompts))) for s in (0.0, shorter))
    scores = [(w < 50).astype(float) for w in (first, second)]
    coin = rng.random(prompts) < {"threshold": 0.0, "mixed": 0.5, "coin": 1.0}[kind]
    chance = rng.uniform(0.2, 0.5, prompts)
    scores = [np.where(coin, rng.random(prompts) < chance + e, s) for s, e in zip(scores, (0.0, effect), strict=True)]
    near = np.maximum(first, second) <= 1.25 * np.minimum(first, second)
    return (scores[1] - scores[0])[near], np.log(second / first)[near]


def test_without_a_ratio_it_is_mcnemars_test_with_continuity():
    got = pairs_at_equal_size(np.array([1.0] * 15 + [-1.0] * 5 + [0.0] * 9), np.zeros(29))
    assert (got.better, got.worse) == (15, 5) and got.odds == pytest.approx(3)
    assert got.p == pytest.approx(stats.chi2.sf((10 - 1) ** 2 / 20, 1))
    assert got.low < 3 < got.high and (got.low > 1) == (got.p < 0.05)


def test_the_odds_are_those_of_a_logistic_fit():
    rng = np.random.default_rng(0)
    r = rng.normal(size=300)
    y = rng.random(300) < 1 / (1 + np.exp(-(0.5 + 0.8 * r)))
    fit = Logit(y.astype(float), np.column_stack([np.ones(300), r])).fit(disp=0)
    got = pairs_at_equal_size(np.where(y, 1.0, -1.0), r)
    assert np.log(got.odds) == pytest.approx(fit.params[0], abs=1e-4)
    low, high = fit.conf_int()[0]
    assert np.log(got.low) == pytest.approx(low, abs=0.03) and np.log(got.high) == pytest.approx(high, abs=0.03)


def test_exchanging_both_answers_turns_the_odds():
    change, ratio = made(np.random.default_rng(1), 300, 0.1, "mixed")
    one, other = pairs_at_equal_size(change, ratio), pairs_at_equal_size(-change, -ratio)
    assert one.odds == pytest.approx(1 / other.odds, rel=1e-4) and one.p == pytest.approx(other.p)
    assert one.low == pytest.approx(1 / other.high, rel=1e-3)


@pytest.mark.parametrize("kind", ["threshold", "mixed", "coin"])
@pytest.mark.parametrize("shorter", [0.15, 0.3])
def test_size_alone_is_found_to_be_nothing_at_the_nominal_rate(kind, shorter):
    """Of 300 studies at 5 %, more than 24 come once in 200 by chance."""
    rng = np.random.default_rng(2)
    found = [pairs_at_equal_size(*made(rng, 200, shorter, kind)) for _ in range(300)]
    assert np.mean([f.p <= 0.05 for f in found]) <= 0.08
    assert np.mean([f.low <= 1 <= f.high for f in found]) >= 0.92


@pytest.mark.parametrize(("shorter", "least"), [(0.0, 0.9), (0.3, 0.6)])
def test_an_effect_beside_a_change_of_size_is_found(shorter, least):
    rng = np.random.default_rng(3)
    found = [pairs_at_equal_size(*made(rng, 200, shorter, "coin", effect=0.3)) for _ in range(60)]
    assert np.mean([f.p <= 0.05 and f.odds > 1 for f in found]) > least


@pytest.mark.parametrize("change", [np.zeros(10), np.full(10, np.nan), np.array([])])
def test_without_a_difference_nothing_is_known(change):
    got = pairs_at_equal_size(change, np.zeros(len(change)))
    assert got.p == 1 and np.isnan(got.odds) and (got.low, got.high) == (0, np.inf) and got.better == 0


def test_where_size_tells_every_pair_nothing_is_known():
    got = pairs_at_equal_size(np.array([1.0] * 20 + [-1.0] * 4), np.array([-0.2] * 20 + [0.2] * 4))
    assert got.p == 1 and np.isnan(got.odds) and (got.better, got.worse) == (20, 4)


def test_few_pairs_that_size_tells_but_for_one_leave_both_ends_open():
    """The slope that fits is the steepest: of the other sign, even the lower end of the odds would be infinite."""
    got = pairs_at_equal_size(np.ones(3), np.array([0.0526, 0.0, 0.1335]))
    assert got.low < 1 and got.high == np.inf and got.p > 0.9


def test_all_pairs_in_one_direction_have_no_upper_end():
    got = pairs_at_equal_size(np.ones(20), np.linspace(-0.2, 0.2, 20))
    assert got.p < 0.001 and got.low > 1 and got.high == np.inf
