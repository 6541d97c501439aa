"""Entropy of attention: known rows, a slow loop, and what was readable."""

import math

import numpy as np
import pytest

from core.maps.attention_entropy import attention_entropy, readable_counts
from core.records import AttentionMaps, map_tokens


def maps(values, **about):
    values = np.asarray(values, np.float32)
    return AttentionMaps(values, map_tokens(values.shape[2]), map_tokens(values.shape[3]), **about)


def test_even_rows_have_the_log_of_what_was_readable():
    even = np.tril(np.ones((5, 5))) / np.arange(1, 6)[:, None]
    found = maps(even[None, None], causal=True)
    assert attention_entropy(found)[0] == pytest.approx([math.log(n) for n in range(1, 6)], abs=1e-6)
    relative = attention_entropy(found, relative=True)[0]
    assert np.isnan(relative[0]) and relative[1:] == pytest.approx([1] * 4, abs=1e-6)


def test_one_token_read_has_none_and_heads_are_averaged_after():
    heads = np.zeros((1, 2, 1, 4))
    heads[0, 0, 0, 1] = heads[0, 1, 0, 3] = 1
    assert attention_entropy(maps(heads, kind="encoder"))[0, 0] == 0, "two narrow heads are no broad layer"
    heads[0, 1] = 0.25
    assert attention_entropy(maps(heads, kind="encoder"))[0, 0] == pytest.approx(math.log(4) / 2)


def test_what_a_learned_sink_took_does_not_count():
    row = np.array([0.1, 0.1, 0.0, 0.0]).reshape(1, 1, 1, 4)
    assert attention_entropy(maps(row, kind="encoder"))[0, 0] == pytest.approx(math.log(2))
    assert np.isnan(attention_entropy(maps(0 * row, kind="encoder"))[0, 0]), "a row of nothing has no entropy"


def test_layers_and_heads_that_are_not_there():
    values = np.random.default_rng(0).dirichlet(np.ones(4), (3, 2, 3))
    values[1], values[2, 1] = np.nan, np.nan
    found = attention_entropy(maps(values, kind="encoder"))
    assert np.isnan(found[1]).all() and np.isfinite(found[[0, 2]]).all()
    assert np.allclose(found[2], -(values[2, 0] * np.log(values[2, 0])).sum(-1), atol=1e-5)


def test_rows_of_an_answer_read_the_prompt_and_a_window_less():
    values = np.tril(np.ones((3, 8)), 5) / (np.arange(3) + 6)[:, None]
    found = maps(np.stack([values, values])[:, None], causal=True, offset=5)
    assert readable_counts(found).tolist() == [[6, 7, 8]] * 2
    assert readable_counts(found, [None, 4]).tolist() == [[6, 7, 8], [4, 4, 4]]
    relative = attention_entropy(found, relative=True, windows=[None, 6])
    assert relative[0] == pytest.approx([1, 1, 1], abs=1e-6) and relative[1, 2] == pytest.approx(
        math.log(8) / math.log(6)
    )
    assert readable_counts(maps(values[None, None], kind="cross")).tolist() == [[8, 8, 8]]


def test_equals_a_slow_loop():
    values = np.random.default_rng(1).dirichlet(np.full(6, 0.3), (2, 3, 4)).astype(np.float32)
    found = attention_entropy(maps(values, kind="encoder"))
    for layer, query in np.ndindex(2, 4):
        slow = [-sum(p * math.log(p) for p in values[layer, h, query].tolist() if p > 0) for h in range(3)]
        assert found[layer, query] == pytest.approx(sum(slow) / 3, abs=1e-5)
