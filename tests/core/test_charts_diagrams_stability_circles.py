"""Stability: the ring begins at the low end and ends at the high end of the interval of its cell."""

import math

import numpy as np
import pytest

from core.charts.diagrams.stability_circles import FULL_RING, THINNEST, sample_series, stability_map
from core.maps.intervals import interval_of
from tests.core.diagrams_read import cells, drawn_width, texts

SAMPLES = np.random.default_rng(0).dirichlet(np.full(3, 0.6), (6, 2))


def ends(one):
    """(inner, outer) radius of a ring as Vega draws it: a line of width t round a circle of area s."""
    middle = math.sqrt(one["s"]) / 2
    return middle - one["t"] / 2, middle + one["t"] / 2


@pytest.mark.parametrize("kind", ["t", "percentile"])
def test_rings_are_the_interval(kind):
    mean, low, high = interval_of(sample_series(SAMPLES), 0.9, kind)
    full = FULL_RING * 40 / high.max()
    for (r, c), one in cells(stability_map(SAMPLES, level=0.9, kind=kind)).items():
        assert (one["m"], one["l"], one["h"]) == pytest.approx((mean[r, c], low[r, c], high[r, c]), rel=1e-5)
        inner, outer = ends(one)
        assert outer == pytest.approx(high[r, c] * full, abs=0.05)
        assert inner == pytest.approx(max(low[r, c], 0) * full, abs=max(0.05, THINNEST))


def test_a_sure_cell_is_thin_and_an_unsure_one_thick():
    values = np.zeros((5, 1, 2))
    values[:, 0, 0], values[:, 0, 1] = 0.5, [0.1, 0.9, 0.3, 0.7, 0.5]
    found = cells(stability_map(values, kind="percentile"))
    assert found[0, 0]["t"] == THINNEST and found[0, 1]["t"] > 10 * THINNEST


def test_caption_says_interval_samples_and_cut():
    said = " ".join(texts(stability_map(sample_series(SAMPLES, ["if", "b"], source="MiniLM"))))
    for part in ("MiniLM", "95 % t interval of the mean over 6 samples", "inner radius = low end", "if", "read, not"):
        assert part in said, part
    assert "ends below 0 are drawn at 0" in " ".join(texts(stability_map(SAMPLES, level=0.999)))
    positive = stability_map(np.random.default_rng(0).uniform(0.4, 0.5, (9, 2, 2)), kind="percentile", level=0.5)
    assert "below 0" not in " ".join(texts(positive)) and "middle 50 % of the samples" in " ".join(texts(positive))


def test_cells_without_samples_stay_empty_and_errors_are_sentences():
    holed = SAMPLES.copy()
    holed[:, 0, 0] = np.nan
    assert (0, 0) not in cells(stability_map(holed))
    with pytest.raises(ValueError, match="at least 2 samples"):
        stability_map(SAMPLES[:1])
    with pytest.raises(ValueError, match=r"expected \(samples, queries, keys\)"):
        stability_map(SAMPLES[0])


@pytest.mark.parametrize("width", [330, 690])
def test_width(width):
    assert drawn_width(stability_map(SAMPLES, width=width)) == pytest.approx(width, abs=1)
    unsure = np.zeros((2, 20, 20))
    unsure[1, :, -1] = 1  # discs as large as can be, at the right edge
    assert drawn_width(stability_map(unsure, width=width)) == pytest.approx(width, abs=1)
