"""Tests the exchange of labels within prompts: all orders by hand, undefined values, optimum, nothing in noise."""

from itertools import permutations as orders
from itertools import product

import numpy as np
import pytest

from core.study.statistics.exchange import exchange_labels

SCORES = np.array([-1.0, 0.0, 2.0])


def by_hand(values):
    """p of both statistics over every way to exchange the values inside their prompts."""
    rows = [v[np.isfinite(v)] for v in values]
    places = [np.flatnonzero(np.isfinite(v)) for v in values]
    seen = np.isfinite(values).sum(0)

    def both(order):
        cov, sums = 0.0, np.zeros(values.shape[1])
        for row, at, o in zip(rows, places, order, strict=True):
            u = row[list(o)] - row.mean()
            cov += np.mean(u * (SCORES[at] - SCORES[at].mean()))
            sums[at] += u
        return abs(cov), float((sums**2 / np.maximum(seen, 1)).sum())

    every = [both(o) for o in product(*(orders(range(len(r))) for r in rows))]
    own = both([range(len(r)) for r in rows])
    return [np.mean([e[i] >= own[i] - 1e-12 for e in every]) for i in (0, 1)], own[0] / len(rows)


@pytest.mark.parametrize("gap", [False, True])
def test_it_equals_all_orders_by_hand(gap):
    values = np.random.default_rng(3).normal(size=(4, 3)) + 0.8 * SCORES
    if gap:
        values[1, 1] = np.nan
    (trend, apart), cov = by_hand(values)
    got = exchange_labels(values, SCORES, permutations=60_000)
    assert abs(got.covariance) == pytest.approx(cov) and got.prompts == 4
    assert got.p == pytest.approx(trend, abs=0.012) and got.p_apart == pytest.approx(apart, abs=0.012)


def test_what_differs_between_prompts_only_moves_nothing():
    values = np.random.default_rng(0).normal(size=(40, 3))
    shift = 100 * np.arange(40.0)[:, None]
    a, b = exchange_labels(values, SCORES), exchange_labels(values + shift, SCORES)
    assert a.p == pytest.approx(b.p) and a.covariance == pytest.approx(b.covariance)


def test_an_optimum_in_the_middle_is_seen_by_the_second_only():
    rng = np.random.default_rng(1)
    scores = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    values = -(scores**2) * 0.3 + rng.normal(size=(60, 5))
    values -= np.polyval(np.polyfit(scores, values.mean(0), 1), scores)  # no line is left in the means
    got = exchange_labels(values, scores)
    assert got.p > 0.5 and got.p_apart < 0.001
    rising = exchange_labels(0.3 * scores + rng.normal(size=(60, 5)), scores)
    assert rising.p < 0.001 and rising.covariance > 0


def test_nothing_is_found_in_noise_at_the_nominal_rate():
    rng = np.random.default_rng(5)
    found = [
        exchange_labels((rng.random((30, 4)) < 0.4).astype(float), np.arange(4.0), permutations=199) for _ in range(400)
    ]
    for p in (np.array([f.p for f in found]), np.array([f.p_apart for f in found])):
        assert (p <= 0.05).mean() < 0.085 and p.min() >= 1 / 200


def test_prompts_with_one_value_and_constants_give_no_p_below_one():
    values = np.array([[1.0, np.nan, np.nan], [np.nan] * 3])
    assert exchange_labels(values, SCORES).prompts == 0 and np.isnan(exchange_labels(values, SCORES).p)
    flat = exchange_labels(np.ones((10, 3)), SCORES)
    assert flat.p == flat.p_apart == 1.0 and flat.covariance == 0.0
