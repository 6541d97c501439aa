"""Tests of keys that are read more or less: odds multiplied exactly, targets reached, every family against eager."""

import math
import threading
from contextlib import contextmanager

import pytest
import torch

from core.errors import CaptureError
from core.models.attention import Recorder, recording
from core.models.attention_setup import install_attention
from core.models.token_masking import HiddenTokens
from core.models.token_steering import KeyRule, TokenSteering, steer_tokens
from tests.core import tiny
from tests.core.test_models_token_masking import MIXERS

pytestmark = pytest.mark.slow

LENGTH, PART = 12, (4, 5, 6)
FACTORS = (0.25, 0.5, 2.0, 16.0)


def ids(batch=1):
    return torch.randint(3, 120, (batch, LENGTH), generator=torch.Generator().manual_seed(1))


def rule(factor=1.0, row=0, **fields):
    bias = math.log(factor) if factor else -math.inf
    return KeyRule(row, torch.tensor(PART), **({"bias": bias} | fields))


def read(model, rules, tokens=None):
    """(logits, {layer: weights [B, H, Q, K]}) of one pass on the dispatch path."""
    tokens = ids() if tokens is None else tokens
    found = {}

    def emit(layers, first, start, weights):
        for layer, one in zip(layers, weights, strict=True):
            found[layer] = torch.nn.functional.pad(one, (start, LENGTH - start - one.shape[-1]))

    with torch.no_grad(), steer_tokens(model, TokenSteering(rules)), recording(Recorder(emit, LENGTH)):
        logits = model(tokens, attention_mask=torch.ones_like(tokens), use_cache=False).logits
    return logits, found


@contextmanager
def eager(model, bias):
    """The oracle: the library's eager path, with ``bias`` [B, H, Q, K] added to the mask of each attention module."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    taken = [
        m for n, m in model.named_modules() if n.lower().endswith(("attn", "attention")) and hasattr(m, "layer_idx")
    ]

    def add(module, args, kwargs):
        mask = kwargs["attention_mask"]
        return args, {**kwargs, "attention_mask": mask + bias[..., : mask.shape[-2], : mask.shape[-1]].to(mask)}

    hooks = [m.register_forward_pre_hook(add, with_kwargs=True) for m in taken]
    assert len(hooks) == model.config.num_hidden_layers
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        model.set_attn_implementation(before)


def one_layer():
    model = tiny.build("llama", num_hidden_layers=1)
    assert install_attention(model) == "dispatch"
    return model


def share(weights):
    return weights[..., list(PART)].sum(-1)


@pytest.mark.parametrize("factor", FACTORS)
def test_the_odds_of_reading_the_part_are_multiplied_by_the_factor(factor):
    model = one_layer()
    before, after = (share(read(model, rules)[1][0]).double() for rules in ([], [rule(factor)]))
    seen = (before > 0) & (before < 1)
    odds = (after / (1 - after))[seen] / (before / (1 - before))[seen]
    assert seen.any() and torch.allclose(odds, torch.full_like(odds, factor), rtol=2e-4)
    inside = read(model, [rule(factor)])[1][0][..., list(PART)] / read(model, [])[1][0][..., list(PART)]
    ratio = inside[..., LENGTH - 1, :]
    assert torch.allclose(ratio, ratio[..., :1].expand_as(ratio), rtol=1e-4), "within the part nothing moves"


def test_the_share_that_is_really_read_grows_with_the_factor():
    model = one_layer()
    found = torch.stack([share(read(model, [rule(f)])[1][0])[..., LENGTH - 1] for f in (0, 0.1, 0.5, 1, 2, 8, 64)])
    assert (found.diff(dim=0) > 0).all()


def test_the_factor_one_is_the_plain_pass_and_zero_is_hiding_to_the_last_bit():
    model = tiny.build("mistral")
    install_attention(model)
    keys = torch.zeros((1, LENGTH), dtype=torch.bool)
    keys[:, list(PART)] = True
    with torch.no_grad(), steer_tokens(model, HiddenTokens(keys)):
        hidden = model(ids(), attention_mask=torch.ones_like(ids()), use_cache=False).logits
    assert torch.equal(read(model, [rule(0)])[0], hidden)
    assert torch.equal(read(model, [])[0], model(ids(), attention_mask=torch.ones_like(ids()), use_cache=False).logits)


@pytest.mark.parametrize("family", [f for f in tiny.DISPATCH if f not in MIXERS])
def test_on_the_fast_path_it_is_an_additive_mask_on_the_eager_path(family):
    model = tiny.build(family)
    assert install_attention(model) == "dispatch"
    logits, rows = read(model, [rule(5.0)])
    bias = torch.zeros(1, 1, LENGTH, LENGTH)
    bias[..., list(PART)] = math.log(5.0)
    with torch.no_grad(), eager(model, bias):
        out = model(ids(), use_cache=False, output_attentions=True)
    assert torch.allclose(logits.log_softmax(-1), out.logits.log_softmax(-1), atol=1e-4)
    for layer, weights in rows.items():
        assert torch.allclose(weights, out.attentions[layer][..., :LENGTH], atol=1e-5)
    assert (logits - read(model, [])[0]).abs().max() > 1e-3


@pytest.mark.parametrize("family", ["bloom", "gptj", "xglm"])
def test_on_the_slow_path_the_odds_are_multiplied_once(family):
    model = tiny.build(family, attn_implementation="eager")
    with torch.no_grad():
        plain = model(ids(), use_cache=False, output_attentions=True).attentions[0]
        with steer_tokens(model, TokenSteering([rule(3.0)])):
            after = model(ids(), use_cache=False, output_attentions=True).attentions[0]
    expected = plain.clone()
    expected[..., list(PART)] *= 3
    assert torch.allclose(after, expected / expected.sum(-1, keepdim=True), atol=1e-6)
    assert not any(m._forward_pre_hooks for m in model.modules())


def test_a_mask_of_yes_and_no_cannot_say_more():
    model = tiny.build("mpt", attn_implementation="eager", d_model=32, n_heads=4, n_layers=2)
    with (
        pytest.raises(CaptureError, match="factor 0"),
        torch.no_grad(),
        steer_tokens(model, TokenSteering([rule(2.0)])),
    ):
        model(ids(), use_cache=False)


def test_layers_heads_and_readers_are_the_only_ones_changed():
    model = tiny.build("llama")
    install_attention(model)
    plain = read(model, [])[1]
    by_layer = read(model, [rule(4.0, layers=frozenset({1}))])[1]
    assert torch.equal(plain[0], by_layer[0]) and (plain[1] - by_layer[1]).abs().max() > 1e-3
    by_head = read(model, [rule(4.0, layers=frozenset({0}), heads=(2,))])[1][0]
    changed = (by_head - plain[0]).abs().amax((0, 2, 3)) > 1e-4
    assert changed.tolist() == [False, False, True, False]
    late = read(model, [rule(4.0, layers=frozenset({0}), first_reader=9)])[1][0]
    moved = (late - plain[0]).abs().amax((0, 1, 3)) > 1e-4
    assert moved.tolist() == [False] * 9 + [True] * 3


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt_oss", "mistral", "gpt2"])
def test_a_target_is_reached_and_nothing_above_it_is_touched(family):
    model = tiny.build(family, num_hidden_layers=1) if family == "llama" else tiny.build(family)
    install_attention(model)
    plain, after = (share(read(model, rules)[1][0]) for rules in ([], [rule(target=0.4)]))
    seen = plain > 0
    low, high = seen & (plain < 0.4), plain >= 0.4
    assert low.any() and torch.allclose(after[low], torch.full_like(after[low], 0.4), atol=1e-4)
    assert torch.equal(after[high], plain[high])
    most = share(read(model, [rule(target=0.1, most=True)])[1][0])
    much = seen & (plain > 0.1) & (plain < 1)
    assert torch.allclose(most[much], torch.full_like(most[much], 0.1), atol=1e-4)
    assert torch.equal(most[plain <= 0.1], plain[plain <= 0.1])


def test_the_target_is_what_the_right_factor_gives():
    model = one_layer()
    weights, last = read(model, [])[1][0], LENGTH - 1
    p = share(weights)[0, 0, last].double()
    factor = float(0.6 * (1 - p) / (p * 0.4))
    ours = read(model, [rule(target=0.6, heads=(0,), first_reader=last)])
    theirs = read(model, [rule(factor, heads=(0,), first_reader=last)])
    assert torch.allclose(ours[1][0], theirs[1][0], atol=1e-5) and torch.allclose(ours[0], theirs[0], atol=1e-4)


def test_the_slow_path_refuses_targets_in_a_sentence():
    model = tiny.build("bloom", attn_implementation="eager")
    with pytest.raises(CaptureError, match="use a factor"), steer_tokens(model, TokenSteering([rule(target=0.4)])):
        pass


def test_rows_of_a_batch_are_steered_each_in_its_own_way_and_other_threads_not_at_all():
    model = tiny.build("qwen2")
    install_attention(model)
    tokens = ids().repeat(3, 1)
    logits, _ = read(model, [rule(4.0, row=1), rule(0.0, row=2)], tokens)
    for row, rules in enumerate(([], [rule(4.0)], [rule(0.0)])):
        assert torch.allclose(logits[row], read(model, rules)[0][0], atol=1e-5)
    found = []
    with steer_tokens(model, TokenSteering([rule(4.0)])):
        thread = threading.Thread(target=lambda: found.append(model(ids(), use_cache=False).logits))
        thread.start()
        thread.join()
    assert torch.equal(found[0], model(ids(), use_cache=False).logits)
