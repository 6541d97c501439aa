"""Tests of stopping a pass: at every part with weights, there and back, and nothing stays on the model."""

import pytest
import torch

from core.errors import Cancelled
from core.models.stoppable import stopping
from tests.core import models_made_up as made_up

IDS = torch.tensor([[5, 6, 7, 8]])


def calls(hf, backward):
    """How often a pass asks."""
    asked = []
    with stopping(hf, lambda: bool(asked.append(1))), torch.set_grad_enabled(backward):
        out = hf(IDS, use_cache=False).logits.sum()
        if backward:
            out.backward()
    return len(asked)


def test_a_pass_asks_at_every_part_and_on_the_way_back():
    hf = made_up.tiny_llama()
    parts = sum(bool(part._parameters) for part in hf.modules())
    assert calls(hf, backward=False) == parts
    assert calls(hf, backward=True) == 2 * parts


@pytest.mark.parametrize("backward", [False, True])
def test_it_stops_at_each_of_them(backward):
    hf = made_up.tiny_llama()
    for last in range(calls(hf, backward)):
        left = iter(range(last))
        with (
            pytest.raises(Cancelled),
            stopping(hf, lambda left=left: next(left, None) is None),
            torch.set_grad_enabled(backward),
        ):
            hf(IDS, use_cache=False).logits.sum().backward()


def test_what_it_computes_is_the_same_and_nothing_stays():
    hf = made_up.tiny_llama()
    with torch.no_grad():
        before = hf(IDS).logits
        with stopping(hf, lambda: False):
            assert torch.equal(hf(IDS).logits, before)
    assert not any(part._forward_hooks for part in hf.modules())
