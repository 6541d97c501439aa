"""Intervals of cells: scipy's own on one cell, coverage on known samples, samples that are missing."""

import numpy as np
import pytest
from scipy import stats

from core.charts.diagrams.stability_circles import sample_series
from core.maps.intervals import interval_of

SAMPLES = np.random.default_rng(0).normal(5, 2, (12, 2, 3))


def test_t_is_that_of_scipy_cell_by_cell():
    mean, low, high = interval_of(sample_series(SAMPLES), 0.9)
    for r, c in np.ndindex(2, 3):
        cell = SAMPLES[:, r, c].astype(np.float32).astype(float)
        expected = stats.t.interval(0.9, 11, cell.mean(), stats.sem(cell))
        assert (low[r, c], high[r, c]) == pytest.approx(expected) and mean[r, c] == pytest.approx(cell.mean())


def test_percentiles_hold_the_middle_of_the_samples():
    values = np.arange(101, dtype=float).reshape(-1, 1, 1)
    mean, low, high = interval_of(sample_series(values), 0.9, "percentile")
    assert (mean[0, 0], low[0, 0], high[0, 0]) == pytest.approx((50, 5, 95))


def test_the_t_interval_covers_the_true_mean_as_often_as_it_says():
    drawn = np.random.default_rng(1).normal(3, 1, (6, 100, 100))
    _, low, high = interval_of(sample_series(drawn), 0.8)
    assert ((low <= 3) & (high >= 3)).mean() == pytest.approx(0.8, abs=0.015)


@pytest.mark.parametrize("kind", ["t", "percentile"])
def test_missing_samples_are_left_out_of_their_cell(kind):
    holed = SAMPLES.copy()
    holed[8:, 0, 0] = np.nan
    holed[1:, 0, 1] = np.nan
    holed[:, 0, 2] = np.nan
    mean, low, high = interval_of(sample_series(holed), kind=kind)
    short = interval_of(sample_series(SAMPLES[:8]), kind=kind)
    assert [a[0, 0] for a in (mean, low, high)] == pytest.approx([a[0, 0] for a in short])
    assert np.isfinite(mean[0, 1]) and np.isnan(low[0, 1]) and np.isnan(high[0, 1])
    assert np.isnan([mean[0, 2], low[0, 2], high[0, 2]]).all()
    assert (low[1] <= mean[1]).all() and (mean[1] <= high[1]).all()


def test_equal_samples_have_an_interval_of_no_width():
    mean, low, high = interval_of(sample_series(np.full((4, 1, 1), 0.25)))
    assert (mean[0, 0], low[0, 0], high[0, 0]) == (0.25, 0.25, 0.25)


@pytest.mark.parametrize(
    ("samples", "given", "said"),
    [
        (1, {}, "An interval by t needs at least 2 samples, and there is 1: add more."),
        (2, {"kind": "percentile"}, "needs at least 3 samples, and there are 2"),
        (5, {"kind": "normal"}, "kind must be one of t, percentile"),
        (5, {"level": 95}, "level must lie between 0 and 1"),
    ],
)
def test_what_has_no_interval_is_said(samples, given, said):
    with pytest.raises(ValueError, match=said):
        interval_of(sample_series(SAMPLES[:samples]), **given)
