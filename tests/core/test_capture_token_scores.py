"""Tests scores from raw logits against float64, and the packing of attention rows to 16 bits."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.capture.gather import Gather
from core.capture.packed_rows import pack_weights
from core.capture.token_scores import score_logits
from core.records import Segment, Source, Tokens
from core.text.token_groups import GROUPS


@given(st.integers(0, 2**20), st.floats(0.1, 50), st.booleans())
def test_scores_are_what_float64_gives(seed, width, barred):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, width, (3, 40))
    if barred:
        logits[:, 5:9] = -np.inf
    written = np.array([0, 1, 39])
    logs = (
        logits
        - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True))
        - logits.max(1, keepdims=True)
    )
    seen = score_logits(torch.tensor(logits, dtype=torch.float32), torch.tensor(written))
    assert np.allclose(seen.logprobs, logs[range(3), written], atol=1e-4, rtol=1e-5)
    p = np.exp(logs)
    assert np.allclose(seen.entropy, -np.where(p > 0, p * np.where(p > 0, logs, 0), 0).sum(1), atol=1e-3)
    assert np.allclose(seen.top, np.sort(logs, 1)[:, :-6:-1], atol=1e-4, rtol=1e-5)


@given(st.lists(st.floats(0, 1.0000002), min_size=1, max_size=30))
def test_packing_keeps_weights_to_the_documented_error(weights):
    made = torch.tensor([weights], dtype=torch.float32)
    out = torch.zeros(made.shape, dtype=torch.uint16)
    pack_weights(made.clone(), out)
    back = (out.numpy().astype(np.float64) / 65535) ** 2
    assert np.abs(back - np.minimum(made.numpy(), 1)).max() < 1.6e-5


def prompt():
    return Tokens(
        ids=range(4),
        texts=("<", "ab", "cd", ">"),
        message=[-1, 0, 0, -1],
        start=[-1, 0, 2, -1],
        end=[-1, 2, 4, -1],
        roles=("template", "user", "user", "template"),
        parts=("prompt",) * 4,
        sources=(Source("abcd", "user", "user"),),
    )


@pytest.mark.parametrize("blocks", [[3], [1, 1, 1], [2, 1]])
def test_rows_come_out_as_they_went_in(blocks):
    """Rows of three steps and two layers of two heads, added in blocks; layer 5 reads only its last two keys."""
    rng = np.random.default_rng(0)
    truth = rng.random((2, 2, 3, 6)).astype(np.float32) * np.tril(np.ones((3, 6), np.float32), 3)
    truth[1, :, :, :] *= np.triu(np.ones((3, 6), np.float32), 2)
    truth /= truth.sum(-1, keepdims=True)
    gather = Gather(prompt(), (Segment("context", 0, 1, 4),), 64, "all", (2, 5))
    first = 0
    for rows in blocks:
        part = torch.tensor(truth[:, None, :, first : first + rows])
        gather([2], first, 0, part[:1, ..., : 4 + first + rows - 1].clone())
        start = 2 + first
        gather([5], first, start, part[1:, ..., start : 4 + first + rows - 1].clone())
        first += rows
    rows = gather.rows(3)
    assert rows.layers.tolist() == [2, 2, 5, 5] and rows.heads.tolist() == [0, 1, 0, 1]
    assert np.allclose(rows.weights().reshape(2, 2, 3, 6), truth, atol=2e-5)
    assert rows.queries.tolist() == [3, 4, 5]
    mass = gather.mass((2, 5), 3)
    names = [*GROUPS, "segment:context"]
    assert np.allclose(mass[..., names.index("sink")], truth[..., 0], atol=1e-6)
    assert np.allclose(mass[..., names.index("user")], truth[..., 1:3].sum(-1), atol=1e-6)
    assert np.allclose(mass[..., names.index("output")], truth[..., 4:].sum(-1), atol=1e-6)
    assert np.allclose(mass[..., names.index("segment:context")], truth[..., 1] / 2 + truth[..., 2], atol=1e-6)
    own = np.stack([truth[..., s, 3 + s] for s in range(3)], -1)
    assert np.allclose(mass[..., names.index("query")], own, atol=1e-6)


def test_an_answer_that_ends_early_keeps_only_its_steps():
    gather = Gather(prompt(), (), 64, "all", (0,))
    gather([0], 0, 0, torch.full((1, 1, 2, 1, 4), 0.25))
    gather([0], 1, 0, torch.full((1, 1, 2, 1, 5), 0.2))
    rows = gather.rows(2)
    assert rows.packed.shape == (2, 2, 5) and rows.packed[:, 0, 4].max() == 0
    assert np.allclose(rows.weights()[:, 1], 0.2, atol=2e-5)
