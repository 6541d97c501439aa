"""Tests of prediction-powered means: a case worked out by hand, limits, coverage of the interval by simulation."""

import numpy as np
import pytest

from core.study.statistics.prediction_powered import FEWEST_RATED, prediction_powered_mean


def test_a_case_worked_out_by_hand():
    """Rated y = f + 1 on ten rows, so cov(y, f) = 1.1111 * var(f of the rated rows); ten more rows are unrated."""
    f = np.array([0.0, 1.0] * 5 + [1.0] * 10)
    y = np.array([1.0, 2.0] * 5 + [np.nan] * 10)
    found = prediction_powered_mean(y, f, range(20))
    cov, var = 0.25 * 10 / 9, 0.75 * 0.25
    weight = cov / (2 * var)
    assert found.weight == pytest.approx(weight)
    assert found.estimate == pytest.approx(1.5 + weight * (1.0 - 0.5))
    assert (found.rated, found.unrated, found.rated_mean, found.raw_mean) == (10, 10, 1.5, 0.75)
    spread = np.sqrt(10 / 9 * 10 * (0.5 * (1 - weight) / 10) ** 2)
    assert found.high - found.estimate == pytest.approx(2.2621571628 * spread)


def test_without_use_of_the_scores_it_is_the_mean_of_the_ratings():
    rng = np.random.default_rng(0)
    y = np.where(np.arange(200) < 50, rng.normal(3, 1, 200), np.nan)
    constant = prediction_powered_mean(y, np.ones(200), range(200))
    assert constant.weight == 0 and constant.estimate == pytest.approx(np.nanmean(y))
    everywhere = prediction_powered_mean(np.nan_to_num(y, nan=2.0), rng.normal(size=200), range(200))
    assert everywhere.weight == 0 and everywhere.unrated == 0 and everywhere.estimate == everywhere.rated_mean


def test_too_few_ratings_give_no_interval_but_both_means():
    y = np.array([1.0] * (FEWEST_RATED - 1) + [np.nan] * 5)
    found = prediction_powered_mean(y, np.arange(14.0), range(14))
    assert np.isnan(found.estimate) and found.rated == FEWEST_RATED - 1 and found.raw_mean == 6.5
    one_prompt = prediction_powered_mean(np.append(np.ones(30), np.nan), np.arange(31.0), [0] * 30 + [1])
    assert np.isnan(one_prompt.estimate) and one_prompt.rated == 30


@pytest.mark.parametrize(("quality", "per_cluster"), [(0.9, 1), (0.0, 1), (-0.6, 1), (0.8, 3)])
def test_the_interval_covers_the_truth_as_often_as_it_says(quality, per_cluster):
    """A judge that is far too kind, good, useless or contrary: 95 % of the intervals cover, and a good one is narrower."""
    rng = np.random.default_rng(7)
    truth, hits, ratio, rounds = 3.0, 0, [], 600
    for _ in range(rounds):
        prompts = 160 // per_cluster
        cluster = np.repeat(np.arange(prompts), per_cluster)
        shared = rng.normal(size=prompts)[cluster]
        good = 0.7 * shared + 0.7 * rng.normal(size=len(cluster))
        y = truth + good
        f = 1.2 + 0.5 * (quality * good + np.sqrt(1 - quality**2) * rng.normal(size=len(cluster)))
        rated = rng.permutation(prompts)[: prompts // 4]
        y[~np.isin(cluster, rated)] = np.nan
        found = prediction_powered_mean(y, f, cluster)
        hits += found.low <= truth <= found.high
        alone = prediction_powered_mean(y, np.zeros(len(y)), cluster)
        ratio.append((found.high - found.low) / (alone.high - alone.low))
    assert 0.925 <= hits / rounds <= 0.98
    assert np.mean(ratio) < 0.75 if quality == 0.9 else np.mean(ratio) < 1.03


def test_leaving_out_the_correction_does_not_cover():
    """The simulation can fail: the raw mean of a judge that is too strict never covers."""
    rng = np.random.default_rng(1)
    good = rng.normal(size=200)
    y = np.where(np.arange(200) < 40, 3 + good, np.nan)
    found = prediction_powered_mean(y, 1.2 + 0.5 * good, range(200))
    assert abs(found.raw_mean - 3) > 1.5 and found.low <= 3 <= found.high
