"""Tests of the orders in which runs are stepped through: known places, negative correlations, strata, neighbours."""

import numpy as np
import pandas as pd
import pytest

from core.study.findings.run_ranking import ORDER_DESCRIPTIONS, ORDERS, neighbour_runs, order_runs


def table(x, y, **columns):
    own = {"cell": [f"c{i}" for i in range(len(x))], "x": x, "y": y, "task": "t", "model": "m", "structure": "s"}
    return pd.DataFrame(own | columns)


def test_known_places():
    made = table([0, 1, 2, 3, 4], [0, 3, 2, 1, 4])
    assert order_runs(made, "x", "y", 0.5) == ["c0", "c1", "c2", "c3", "c4"]
    assert order_runs(made, "x", "y", 0.5, "typical")[0] == "c2"
    assert set(order_runs(made, "x", "y", 0.5, "extreme")[:2]) == {"c0", "c4"}
    assert set(order_runs(made, "x", "y", 0.5, "counter")[:2]) == {"c1", "c3"}


def test_a_negative_correlation_turns_the_metric_over():
    made = table([0, 1, 2], [0, 1, 2])
    assert set(order_runs(made, "x", "y", -0.5, "counter")[:2]) == {"c0", "c2"}


def test_ranks_are_taken_inside_strata():
    made = table([0, 1, 2, 100, 101, 102], [0, 1, 2, 2, 1, 0], task=["a"] * 3 + ["b"] * 3)
    assert set(order_runs(made, "x", "y", 0.5, "counter")[:2]) == {"c3", "c5"}


def test_runs_without_a_value_are_left_out_and_one_run_is_fine():
    assert order_runs(table([1.0, np.nan], [np.nan, 2.0]), "x", "y", 0.1, "typical") == []
    assert order_runs(table([1.0], [1.0]), "x", "y", 0.1, "extreme") == ["c0"]
    with pytest.raises(ValueError, match="no order"):
        order_runs(table([1], [1]), "x", "y", 0, "best")
    assert set(ORDER_DESCRIPTIONS) == set(ORDERS)


def test_neighbours():
    assert neighbour_runs(["a", "b", "c"], "b") == (1, "a", "c")
    assert neighbour_runs(["a", "b"], "a") == (0, "", "b") and neighbour_runs(["a", "b"], "b") == (1, "a", "")
    assert neighbour_runs(["a"], "z") == (-1, "", "a") and neighbour_runs([], "z") == (-1, "", "")
