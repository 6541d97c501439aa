"""Tests of numbers added to attention logits by columns: equal to an additive mask."""

import math

import pytest
import torch

from core.models import attention
from core.models.bias_columns import COLUMNS, with_bias_columns
from core.models.token_steering import KeyRule, TokenSteering

BATCH, HEADS, SHARED, TOKENS, WIDTH, SCALE = 2, 4, 2, 9, 6, 0.3


@pytest.fixture
def vectors():
    made = torch.Generator().manual_seed(1)
    shapes = ((HEADS, "q"), (SHARED, "k"), (SHARED, "v"))
    return [torch.randn(BATCH, heads, TOKENS, WIDTH, generator=made) for heads, _ in shapes]


RULES = {
    "one part": [KeyRule(None, torch.tensor([2, 3]), 1.4)],
    "two parts that overlap": [KeyRule(None, torch.tensor([2, 3]), 1.4), KeyRule(None, torch.tensor([3, 5]), -2.0)],
    "two rows of a batch": [KeyRule(0, torch.tensor([0, 1]), 0.7), KeyRule(1, torch.tensor([4]), -0.7)],
    "some heads": [KeyRule(None, torch.tensor([1]), 2.0, heads=(0, 3)), KeyRule(None, torch.tensor([6]), 1.0)],
    "late readers": [KeyRule(None, torch.tensor([1, 2]), 2.0, first_reader=5)],
    "keys that are not there yet": [KeyRule(None, torch.tensor([1, 20]), 2.0)],
}


@pytest.mark.parametrize("name", RULES)
def test_columns_equal_the_mask(vectors, name):
    query, key, value = vectors
    rules = RULES[name]
    mask = TokenSteering(rules).merged(None, 0, TOKENS, TOKENS, HEADS, query)
    attend = torch.nn.functional.scaled_dot_product_attention
    expected = attend(query, key, value, attn_mask=mask, scale=SCALE, enable_gqa=True)
    wider = with_bias_columns(rules, query, key, value, SCALE)
    assert [one.shape[-1] for one in wider] == [WIDTH + COLUMNS] * 3
    found = attend(*wider, is_causal=True, scale=SCALE, enable_gqa=True)
    torch.testing.assert_close(found[..., :WIDTH], expected, atol=2e-6, rtol=0)
    assert not torch.allclose(attend(query, key, value, is_causal=True, scale=SCALE, enable_gqa=True), expected)


def test_what_cannot_be_a_column_keeps_its_mask(vectors):
    hidden = KeyRule(None, torch.tensor([1]), -math.inf)
    many = [KeyRule(None, torch.tensor([1]), 1.0, first_reader=n) for n in range(COLUMNS + 1)]
    for rules in ([], [hidden], [KeyRule(None, torch.tensor([2]), 1.0), hidden], many):
        assert with_bias_columns(rules, *vectors, SCALE) is None


def test_a_prompt_takes_columns_and_a_step_takes_the_mask(vectors):
    steering, module = TokenSteering(RULES["one part"]), type("Layer", (), {"layer_idx": 0, "is_causal": True})()
    query, key, value = vectors
    given = (module, steering, query, key, value)
    assert attention._with_columns(*given, None, {}) is not None
    assert attention._with_columns(*given, torch.ones(1, 1, TOKENS, TOKENS), {}) is None
    assert attention._with_columns(module, steering, query[:, :, -1:], key, value, None, {}) is None
    assert attention._with_columns(module, None, query, key, value, None, {}) is None
