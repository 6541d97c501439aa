"""Tests that permutations move whole units inside their blocks, and that their p-values are exact."""

from collections import Counter
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.study.statistics import blocks, correlate_table, observations, permutation

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("block", [[0] * 6, [1, 0, 1, 2, 0, 1]])
def test_units_stay_in_their_block(block):
    block = np.array(block)
    moves = permutation.draw_permutations(block, 3000, RNG)
    assert (np.sort(moves, axis=1) == np.arange(6)).all() and (block[moves] == block).all()
    where = Counter(moves[:, 0].tolist())
    assert set(where) == set(np.flatnonzero(block == block[0])) and max(where.values()) < 1.2 * min(where.values())


def test_first_return_is_uniform_on_the_units_at_hand():
    every = np.array(list(permutations(range(5))))
    units = np.array([0, 2, 3])
    got = Counter(map(tuple, permutation.induced_permutations(every, units).tolist()))
    assert len(got) == 6 and set(got.values()) == {20}


def test_first_return_keeps_what_stays_inside():
    moves = np.array([[1, 2, 0, 4, 3]])
    assert permutation.induced_permutations(moves, np.arange(5)).tolist() == moves.tolist()
    assert permutation.induced_permutations(moves, np.array([0, 1, 3])).tolist() == [[1, 0, 2]]


def test_p_over_all_permutations_is_scipys():
    x, y = RNG.normal(size=6), RNG.normal(size=6).round(0)
    table = pd.DataFrame({"prompt_id": np.arange(6), "x": x, "y": y})
    runs = observations.read_runs(table, ["x", "y"], "prompt_id", None)
    piece = next(blocks.grid_blocks(runs, [0], [1], []))
    test = blocks.PermutationTest(piece, np.array([0]), np.array([0]))
    every = np.array(list(permutations(range(6))))
    exact = stats.permutation_test(
        (x,),
        lambda x: abs(stats.spearmanr(x, y)[0]),
        permutation_type="pairings",
        alternative="greater",
        n_resamples=np.inf,
    )
    assert test.exceeding(every)[0, 0] / len(every) == pytest.approx(exact.pvalue)


def test_more_permutations_where_they_can_decide():
    assert permutation.next_count(999, 40, 0) == 999
    assert permutation.next_count(999, 40, 1) == 9_999
    assert permutation.next_count(9_999, 40, 1) == 9_999
    assert permutation.next_count(9_999, 2_000, 3) == 99_999
    assert permutation.next_count(999, 900, 800) == 999
    assert permutation.next_count(9_999, 2_000, 300) == 9_999, "many at once need less"
    assert permutation.next_count(99_999, 10**6, 1) == 99_999


def test_small_p_are_told_apart():
    x = RNG.normal(size=60)
    table = pd.DataFrame({"prompt_id": np.arange(60), "x": x, "strong": x, "none": RNG.normal(size=60)})
    got = correlate_table(table, "x", ["strong", "none"], resamples=0, linked=()).set_index("metric")
    assert got.p["strong"] == pytest.approx(1e-4) and got.p["none"] > 0.005


def test_batches_count_every_permutation_once():
    assert list(permutation.chunk_sizes(10, 3, 12)) == [4, 4, 2] and list(permutation.chunk_sizes(2, 100, 10)) == [1, 1]
