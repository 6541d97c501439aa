"""How alike two maps are: known answers, symmetry, cells that could not be read left out."""

import math

import numpy as np
import pytest

from core.maps.map_agreement import map_agreement
from core.records import AttentionMap

SQUARE = np.array([[0.1, 0.9], [0.4, 0.6]])


def test_known_answers():
    same = map_agreement(AttentionMap.of(SQUARE), AttentionMap.of(SQUARE * 2))
    assert (same.spearman, same.cells) == (pytest.approx(1), 4) and same.cosine == pytest.approx(1)
    other = map_agreement(AttentionMap.of(SQUARE), AttentionMap.of(1 - SQUARE))
    assert other.spearman == pytest.approx(-1)
    apart = map_agreement(AttentionMap.of(np.eye(2)), AttentionMap.of(1 - np.eye(2)))
    assert apart.cosine == pytest.approx(0)


def test_order_does_not_matter_and_a_constant_map_has_no_ranks():
    a, b = (AttentionMap.of(np.random.default_rng(i).random((4, 5))) for i in (0, 1))
    one, two = map_agreement(a, b), map_agreement(b, a)
    assert (one.spearman, one.cosine) == (pytest.approx(two.spearman), pytest.approx(two.cosine))
    flat = map_agreement(a, AttentionMap.of(np.full((4, 5), 0.2)))
    assert math.isnan(flat.spearman) and flat.cosine > 0
    assert math.isnan(map_agreement(a, AttentionMap.of(np.zeros((4, 5)))).cosine)


def test_cells_that_could_not_be_read_do_not_count():
    values = np.array([[1.0, 0.0], [0.4, 0.6]])
    both = map_agreement(AttentionMap.of(values, causal=True), AttentionMap.of(values, causal=True))
    holes = AttentionMap.of(np.where(np.eye(2) > 0, np.nan, values))
    assert both.cells == 3 and map_agreement(holes, AttentionMap.of(values)).cells == 2


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="2 x 2 and 3 x 3 cells"):
        map_agreement(AttentionMap.of(SQUARE), AttentionMap.of(np.eye(3)))
