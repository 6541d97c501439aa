"""Tests that sinks planted in a run are found, that words merely read much are not, and how they are treated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.importance import METHODS, explain, group_rows
from core.importance.sinks import LITTLE, find_sinks
from core.records import Rows, Trace
from tests.core import store_made_up as made_up

KEYS, STEPS = 40, 12


def run(weights: np.ndarray, norms: np.ndarray) -> Trace:
    """A run with the same rows ``weights`` [step, key] in 2 x 2 heads and ``norms`` [key] behind them."""
    base = made_up.trace(prompt=KEYS, steps=STEPS, heads=2)
    keys = KEYS + STEPS - 1
    whole = np.zeros((4, STEPS, keys))
    whole[..., :KEYS] = weights / weights.sum(1, keepdims=True)
    rows = Rows(
        queries=np.arange(STEPS) + KEYS - 1,
        layers=[0, 0, 1, 1],
        heads=[0, 1, 0, 1],
        packed=np.round(65535 * np.sqrt(whole)).astype(np.uint16),
        sums=whole.sum(-1),
    )
    behind = np.ones(keys)
    behind[:KEYS] = norms
    return replace(base, rows=rows, norms=np.broadcast_to(behind, (2, 2, keys)).astype(np.float16))


def planted(read: dict[int, float], little: dict[int, float], seed: int = 0) -> Trace:
    """``read`` {key: weight in every step} over small random ones; ``little`` {key: norm}, 1 elsewhere."""
    rng = np.random.default_rng(seed)
    weights, norms = rng.uniform(0.5, 1.5, (STEPS, KEYS)), rng.uniform(0.6, 1.8, KEYS)
    for key, weight in read.items():
        weights[:, key] = weight
    for key, norm in little.items():
        norms[key] = norm
    return run(weights, norms)


@pytest.mark.parametrize("seed", range(10))
def test_planted_sinks_are_found_and_nothing_else(seed: int) -> None:
    """7 and 20 are sinks; 11 is read as much and writes; 13 writes little and is not read; 0 is always one."""
    trace = planted({0: 20, 7: 8, 20: 7, 11: 8}, {0: 0.1, 7: 0.1, 20: 0.2, 13: 0.1}, seed)
    assert find_sinks(trace) == (0, 7, 20)


def test_a_word_that_only_some_steps_read_is_no_sink() -> None:
    trace = planted({7: 6}, {7: 0.1})
    assert trace.rows is not None and find_sinks(trace) == (0, 7)
    weights = trace.rows.weights()[0][:, :KEYS].copy()
    weights[STEPS // 2 :, 7] = 0.001
    assert find_sinks(run(weights, np.where(np.arange(KEYS) == 7, 0.1, 1.0))) == (0,)


def test_how_little_stands_behind_it_decides() -> None:
    for norm, found in ((LITTLE * 0.9, True), (LITTLE * 1.2, False)):
        trace = run(
            np.where(np.arange(KEYS) == 7, 6.0, 1.0) * np.ones((STEPS, 1)), np.where(np.arange(KEYS) == 7, norm, 1.0)
        )
        assert (7 in find_sinks(trace)) == found


@pytest.mark.parametrize("norms", [None, np.zeros((2, 2, 0), np.float16)])
def test_without_knowing_what_is_written_only_the_first_token_counts(norms: np.ndarray | None) -> None:
    assert find_sinks(replace(planted({7: 6}, {7: 0.1}), norms=norms)) == (0,)


@pytest.mark.parametrize("method", ["mean-attention", "value-weighted", "last-layer"])
def test_sinks_are_a_group_of_their_own_and_nothing_is_lost(method: str) -> None:
    trace = planted({0: 20, 7: 8, 20: 7}, {0: 0.1, 7: 0.1, 20: 0.2})
    kept, apart, dropped = (explain(trace, method, sink=s, inputs="all") for s in ("keep", "separate", "drop"))
    assert kept.sinks == apart.sinks == (0, 7, 20)
    assert (apart.values[:, [0, 7, 20]] == 0).all() and (dropped.values[:, [0, 7, 20]] == 0).all()
    assert np.allclose(apart.shares["sink"], kept.values[:, [0, 7, 20]].sum(1), atol=1e-5)
    assert np.allclose(apart.values.sum(1) + apart.removed, 1, atol=1e-5)
    assert np.allclose(dropped.values.sum(1), 1, atol=1e-5)
    groups = ("sink", "template", "system", "user", "assistant", "output")
    assert np.allclose(sum(kept.shares[g] for g in groups), 1, atol=1e-5), "the groups are disjoint"
    assert apart.notes[-1] == "Left out with the first token, as sinks of this run: “t7” and “t20”."
    assert not any("sinks of this run" in note for note in kept.notes)
    uniform = explain(trace, method, sink="drop", inputs="all").uniform
    assert np.allclose(uniform.sum(1), 1, atol=1e-5) and (uniform[:, 7] == 0).all()


def test_value_weighting_alone_takes_most_of_a_sink_away() -> None:
    trace = planted({7: 12, 11: 12}, {7: 0.05})
    mean, written = (explain(trace, m).values[:, [7, 11]].mean(0) for m in ("mean-attention", "value-weighted"))
    assert mean[0] == pytest.approx(mean[1], rel=1e-3) and written[0] < 0.1 * written[1]
    assert METHODS["value-weighted"].linear and group_rows(explain(trace), explain(trace).rows).sinks == (0, 7)
