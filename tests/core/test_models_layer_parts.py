"""Tests the parts of layers of many families: what is added adds up, entering a layer gives the model's own logits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core.models.attention_setup import install_attention
from core.models.layer_parts import ModelParts, enterable, entering, find_parts, head_projections, logits_of
from core.models.self_check import probe_ids
from tests.core import tiny

pytestmark = pytest.mark.slow

FAMILIES = ["llama", "qwen2", "gpt2", "gemma2", "gemma3_text", "phi", "gpt_neox", "mixtral", "olmo2", "cohere", "opt",
            "granite", "glm4", "gpt_oss", "lfm2", "gptj", "glm_moe_dsa"]  # fmt: skip
SCALED = {"granite": {"residual_multiplier": 0.22, "logits_scaling": 4.0}, "cohere": {"logit_scale": 0.25}}
CAPPED = {"gemma2": {"final_logit_softcapping": 30.0}}


def built(family: str) -> Any:
    model = tiny.build(family, **SCALED.get(family, {}), **CAPPED.get(family, {}))
    install_attention(model)
    return model


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest) -> Any:
    return built(request.param)


def run_all(model: Any, ids: torch.Tensor) -> Any:
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, output_hidden_states=True)


def test_what_is_added_adds_up_to_what_the_layer_adds(model: Any) -> None:
    """On other tokens than those on which the parts were found."""
    parts = find_parts(model)
    assert len(parts.layers) == model.config.num_hidden_layers and parts.has_lens
    outs: dict[Any, torch.Tensor] = {}

    def keep(module: Any, args: Any, out: Any) -> None:
        outs[module] = out[0] if isinstance(out, tuple) else out

    for part in parts.layers:
        hooks = [a.module.register_forward_hook(keep) for a in part.added]
        assert part.mlp is not None and part.added
        seen: dict[str, Any] = {}

        def layer(module: Any, args: Any, kwargs: Any, out: Any, seen: dict[str, Any] = seen) -> None:
            seen["before"] = args[0] if args else kwargs["hidden_states"]
            seen["after"] = out[0] if isinstance(out, tuple) else out

        hooks.append(part.module.register_forward_hook(layer, with_kwargs=True))
        run_all(model, probe_ids(model, 17).flip(1))
        for hook in hooks:
            hook.remove()
        before = seen["before"]
        total = sum(outs[a.module].reshape(before.shape) * a.factor for a in part.added)
        whole = seen["after"] - before
        assert (total - whole).norm() <= 1e-4 * whole.norm()


def test_entered_at_any_layer_the_model_says_the_same(model: Any) -> None:
    parts, ids = find_parts(model), probe_ids(model, 11)
    out = run_all(model, ids)
    for at in range(1, len(parts.layers)):
        with torch.no_grad(), entering(parts.layers, at, out.hidden_states[at]):
            found = model(input_ids=torch.zeros_like(ids), attention_mask=torch.ones_like(ids), use_cache=False).logits
        assert torch.allclose(found, out.logits, atol=1e-4, rtol=1e-4)
    again = run_all(model, ids).logits
    assert torch.equal(again, out.logits), "nothing of it stays"
    assert enterable(SimpleNamespace(hf=model))


def test_the_output_layer_with_its_scale_and_cap(model: Any) -> None:
    """``logits_of`` of what the last layer returned is the model's own; entering is undone also where it fails."""
    parts, ids = find_parts(model), probe_ids(model, 5)
    last: list[torch.Tensor] = []
    hook = parts.modules[-1].register_forward_hook(lambda m, a, out: last.append(out[0] if type(out) is tuple else out))
    logits = run_all(model, ids).logits
    hook.remove()
    assert torch.allclose(logits_of(model, parts.layers, last[0][0]), logits[0], atol=1e-4, rtol=1e-4)
    with pytest.raises(KeyError), entering(parts.layers, 2, last[0]):
        raise KeyError
    assert all("forward" not in vars(module) for module in parts.modules)


def named(model: Any, module: Any) -> str:
    return next(name for name, found in model.named_modules() if found is module)


@pytest.mark.parametrize(
    ("family", "attention", "mlp", "down"),
    [
        ("llama", "self_attn", "mlp", "mlp.down_proj"),
        ("gemma2", "post_attention_layernorm", "post_feedforward_layernorm", "mlp.down_proj"),
        ("olmo2", "post_attention_layernorm", "post_feedforward_layernorm", "mlp.down_proj"),
        ("gpt_neox", "attention", "mlp", "mlp.dense_4h_to_h"),
        ("gpt2", "attn", "mlp", "mlp.c_proj"),
        ("opt", "self_attn", "fc2", "fc2"),
        ("mixtral", "self_attn", "mlp", None),
    ],
)
def test_the_parts_are_the_ones_that_are_meant(family: str, attention: str, mlp: str, down: str | None) -> None:
    model = built(family)
    for part in find_parts(model).layers:
        assert part.attention is not None and part.mlp is not None and part.others == ()
        assert named(part.module, part.attention.module) == attention and named(part.module, part.mlp.module) == mlp
        assert (None if part.down is None else named(part.module, part.down)) == down


def test_factors_and_other_mixers() -> None:
    granite = find_parts(built("granite")).layers[1]
    assert granite.attention is not None and granite.attention.factor == pytest.approx(0.22, rel=1e-3)
    conv, attention, _ = find_parts(built("lfm2")).layers
    assert conv.attention is None and len(conv.others) == 1 and conv.mlp is not None
    assert attention.attention is not None and attention.others == ()


def test_where_parts_do_not_add_up_nothing_is_said() -> None:
    """BLOOM's blocks return the stream itself; OPT can apply a norm behind the sum."""
    bloom = find_parts(tiny.build("bloom"))
    assert [part.added for part in bloom.layers] == [()] * 3 and bloom.has_lens
    opt = tiny.build("opt", do_layer_norm_before=False)
    install_attention(opt)
    assert [part.added for part in find_parts(opt).layers] == [()] * 3


def test_a_model_whose_layers_cannot_be_told_has_no_parts() -> None:
    model = built("llama")
    model.config.num_hidden_layers = 7
    assert find_parts(model) == ModelParts()
    assert not enterable(SimpleNamespace(hf=model))
    assert head_projections(SimpleNamespace(hf=model, ref=SimpleNamespace(attention="eager"))) == {}


def test_half_precision_is_looked_at_in_float32() -> None:
    parts = find_parts(built("llama").to(torch.bfloat16))
    assert parts.has_lens and all(part.attention and part.mlp and part.attention.factor == 1 for part in parts.layers)
