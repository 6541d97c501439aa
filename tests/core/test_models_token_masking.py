"""Tests of hidden tokens: no token reads them, positions stay, nothing else changes; every family."""

import inspect
import threading

import pytest
import torch

from core.errors import Cancelled
from core.models import token_steering as module
from core.models.attention_setup import install_attention
from core.models.self_check import hiding_leaks
from core.models.token_masking import HiddenTokens, hide_tokens
from tests.core import tiny

pytestmark = pytest.mark.slow

LENGTH, AT = 12, 5
MIXERS = ("lfm2", *(family for family, settings in tiny.DISPATCH.items() if "index_topk" in settings))
"""Convolutions; and an indexer, which picks keys before any is hidden, so that a hidden one takes another's place."""
"""Families that also mix tokens by convolution, so that no token can be hidden."""
OTHER = {
    "mpt": {"d_model": 32, "n_heads": 4, "n_layers": 2},
    "codegen": tiny.GPT | {"rotary_dim": 4},
    "gpt_neox_japanese": {},
}


def ids(batch=1):
    return torch.randint(3, 120, (batch, LENGTH), generator=torch.Generator().manual_seed(1))


def hide(*places, batch=1):
    keys = torch.zeros((batch, LENGTH), dtype=torch.bool)
    keys[:, list(places)] = True
    return keys


def logs(model, tokens, keys=None, **settings):
    mask = settings.pop("attention_mask", torch.ones_like(tokens))
    with torch.no_grad(), hide_tokens(model, HiddenTokens(keys)):
        return model(tokens, attention_mask=mask, use_cache=False, **settings).logits.log_softmax(-1)


@pytest.mark.parametrize("family", [f for f in tiny.DISPATCH if f not in MIXERS])
def test_on_the_fast_path_it_is_what_the_librarys_own_mask_gives(family):
    model = tiny.build(family)
    assert install_attention(model) == "dispatch" and not hiding_leaks(model)
    ours = logs(model, ids(), hide(AT))
    own = {"attention_mask": (~hide(AT)).long()}
    if "position_ids" in inspect.signature(model.forward).parameters:
        own["position_ids"] = torch.arange(LENGTH)[None]
    assert torch.allclose(ours[:, AT + 1 :], logs(model, ids(), **own)[:, AT + 1 :], atol=1e-5)
    base = logs(model, ids())
    assert torch.allclose(ours[:, :AT], base[:, :AT], atol=1e-5), "what stands before cannot change"
    assert (ours - base)[:, AT + 1 :].abs().max() > 1e-3


@pytest.mark.parametrize("family", [*tiny.EAGER, *OTHER])
def test_on_the_slow_path_the_other_weights_are_scaled_up(family):
    """In the first layer the weights are the old ones without the hidden key, rescaled to a sum of one."""
    model = tiny.build(family, attn_implementation="eager", **OTHER.get(family, {}))
    assert not hiding_leaks(model)
    with torch.no_grad():
        before = model(ids(), use_cache=False, output_attentions=True).attentions[0]
        with hide_tokens(model, HiddenTokens(hide(AT))):
            after = model(ids(), use_cache=False, output_attentions=True).attentions[0]
    expected = before.clone()
    expected[..., AT] = 0
    expected /= expected.sum(-1, keepdim=True)
    assert torch.allclose(after, expected, atol=1e-6)
    assert not any(m._forward_pre_hooks for m in model.modules()), "nothing stays on the model"


@pytest.mark.parametrize("family", MIXERS)
def test_a_family_that_mixes_tokens_otherwise_is_recognised(family):
    model = tiny.build(family)
    install_attention(model)
    assert hiding_leaks(model)


def test_small_weights_do_not_pass_a_mixer_off_as_attention():
    model = tiny.build("lfm2")
    install_attention(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.3 if parameter.ndim > 1 else 1)  # about as large as an untrained model's
    assert hiding_leaks(model)


def test_a_model_without_attention_is_recognised():
    assert hiding_leaks(tiny.build("mamba", state_size=4, time_step_rank=4))


def test_a_lost_mask_is_noticed(monkeypatch):
    model = tiny.build("llama")
    install_attention(model)
    assert not hiding_leaks(model)
    monkeypatch.setattr(module, "_merge", lambda mask, *rest: mask)
    assert hiding_leaks(model)


@pytest.mark.parametrize("family", ["llama", "mistral", "gemma2", "gpt_oss", "bloom"])
def test_hiding_the_first_tokens_makes_no_nan(family):
    model = tiny.build(family, **({"attn_implementation": "eager"} if family in tiny.EAGER else {}))
    if family not in tiny.EAGER:
        install_attention(model)
    assert not logs(model, ids(), hide(0)).isnan().any()
    assert not logs(model, ids(), hide(*range(AT))).isnan().any()
    assert not logs(model, ids(), hide(*range(LENGTH))).isnan().any()


def test_variants_of_a_batch_do_not_touch_each_other():
    model = tiny.build("gemma3_text")
    install_attention(model)
    keys = torch.cat([hide(2), hide(), hide(4, 7)])
    together = logs(model, ids().repeat(3, 1), keys)
    for row in range(3):
        assert torch.allclose(together[row], logs(model, ids(), keys[row : row + 1])[0], atol=1e-5)


def test_recorded_rows_show_the_hole():
    from core.models.self_check import attention_and_logits

    model = tiny.build("llama")
    install_attention(model)
    with hide_tokens(model, HiddenTokens(hide(AT))):
        rows, _ = attention_and_logits(model, ids())
    assert all(layer[:, :, AT + 1 :, AT].abs().max() == 0 for layer in rows.values())
    assert all(torch.allclose(layer.sum(-1), torch.ones(1)) for layer in rows.values())


def test_other_threads_see_everything():
    model = tiny.build("llama")
    install_attention(model)
    base, got = logs(model, ids()), []
    with hide_tokens(model, HiddenTokens(hide(AT))):
        other = threading.Thread(target=lambda: got.append(model(ids()).logits.log_softmax(-1)))
        other.start()
        other.join()
    assert torch.allclose(got[0], base, atol=1e-6)


@pytest.mark.parametrize("family", ["llama", "bloom"])
def test_cancel_is_heard_within_a_layer(family):
    model = tiny.build(family, **({"attn_implementation": "eager"} if family == "bloom" else {}))
    if family == "llama":
        install_attention(model)
    asked = []

    def cancelled():
        asked.append(1)
        return len(asked) > 1

    with pytest.raises(Cancelled), hide_tokens(model, HiddenTokens(None, cancelled)):
        model(ids(), use_cache=False)
    assert len(asked) == 2 and not any(m._forward_pre_hooks for m in model.modules())
