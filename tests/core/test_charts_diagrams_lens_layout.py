"""A side's lines fill it exactly; grown ones are larger, the rest alike; labels keep their distance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.charts.diagrams.lens_layout import GROWN_SHARE, line_edges, shown_labels


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.sets(st.integers(0, 299)), st.floats(1, 20), st.floats(0, 40))
def test_lines_fill_the_side(n, grown, grow, room):
    grown = {g for g in grown if g < n}
    edges = line_edges(n, 400, grown, grow, room)
    sizes = np.diff(edges)
    assert len(edges) == n + 1 and edges[-1] == pytest.approx(400) and (sizes > 0).all()
    if 0 < len(grown) < n:
        large, small = sizes[sorted(grown)], np.delete(sizes, sorted(grown))
        assert np.ptp(large) < 1e-9 and np.ptp(small) < 1e-9 and large[0] >= small[0] - 1e-9
        assert large.sum() <= max(GROWN_SHARE, len(grown) / n) * 400 + 1e-6


def test_grown_lines_are_as_large_as_asked():
    assert np.diff(line_edges(100, 400, [3], 3))[3] == pytest.approx(12)
    assert np.diff(line_edges(100, 400, [3], 3, room=20))[3] == pytest.approx(20)
    assert np.diff(line_edges(4, 400, range(4), 3)).tolist() == [100] * 4
    assert line_edges(0, 400).tolist() == [0]


def test_labels_are_sparse_and_those_of_grown_lines_come_first():
    edges = line_edges(200, 500, [50, 120], 3, 20)
    shown = shown_labels(edges, 11, [50, 120])
    centres = (edges[1:] + edges[:-1])[shown] / 2
    assert {50, 120} <= set(shown) and np.diff(centres).min() >= 0.9 * 11
    assert 30 < len(shown) < 50 and shown == sorted(shown)
    assert shown_labels(line_edges(10, 500), 11) == list(range(10))
    assert np.ptp(np.diff(shown_labels(line_edges(200, 500), 11))) == 0, "even steps"
