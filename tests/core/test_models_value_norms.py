"""Tests what each head writes for a key: against the projection applied to the values, and against the model's output."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from core.models.attention import Recorder, recording
from core.models.attention_setup import install_attention
from core.models.self_check import probe_ids
from core.models.value_norms import find_grams, written_norms
from tests.core import tiny

pytestmark = pytest.mark.slow

GATED = {"axk2", "hy_v4", "dots3_note_text"}
"""Families that gate the heads' output before the projection."""
PROMPT, NEW = 14, 4


@pytest.fixture(scope="module", params=[family for family in tiny.DISPATCH if family not in GATED])
def model(request: pytest.FixtureRequest) -> Any:
    built = tiny.build(request.param)
    assert install_attention(built) == "dispatch"
    return built


def one_pass(model: Any, ids: torch.Tensor) -> tuple[dict[int, torch.Tensor], dict[int, torch.Tensor]]:
    """({layer: rows [1, H, N, N]}, {layer: values [1, H_kv, N, d]}) of a pass over ``ids``."""
    rows: dict[int, torch.Tensor] = {}
    values: dict[int, torch.Tensor] = {}

    def emit(layers: list[int], first: int, start: int, weights: torch.Tensor) -> None:
        rows.update(zip(layers, weights, strict=True))

    def keep(layer: int, first: int, value: torch.Tensor) -> None:
        assert first == 0 and layer not in values
        values[layer] = value

    recorder = Recorder(emit, first=ids.shape[1], emit_values=keep)
    with torch.no_grad(), recording(recorder):
        model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
    return rows, values


def projections(model: Any) -> list[Any]:
    """The output projection of each layer, by the names that these families give it."""
    names = ("o_proj", "out_proj", "c_proj", "dense", "o")
    found = []
    for name, module in model.named_modules():
        if "attn" not in type(module).__name__.lower() and "attention" not in type(module).__name__.lower():
            continue
        own = [getattr(module, n) for n in names if hasattr(module, n)]
        if own and hasattr(module, "layer_idx") and not name.endswith("indexer"):
            found.append(own[0])
    return found


def test_what_heads_write_adds_up_to_the_layers_output(model: Any) -> None:
    """sum_hj a_hj W_h v_hj + bias is what the projection returned, and each norm is that of its own term."""
    ids = probe_ids(model, PROMPT)
    grams = find_grams(model)
    written: dict[int, torch.Tensor] = {}
    layers = sorted(grams)
    assert layers, "these families all name their projection"
    modules = projections(model)
    assert len(modules) == len(layers)
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, at=layer: written.__setitem__(at, out[0]))
        for layer, module in zip(layers, modules, strict=True)
    ]
    rows, values = one_pass(model, ids)
    for hook in hooks:
        hook.remove()
    for layer, module in zip(layers, modules, strict=True):
        weight = module.weight.T if type(module).__name__ == "Conv1D" else module.weight
        heads = rows[layer].shape[1]
        value = values[layer].repeat_interleave(heads // values[layer].shape[1], dim=1)[0]
        terms = torch.einsum("hkd,ohd->hko", value, weight.detach().unflatten(1, (heads, -1)))
        total = torch.einsum("hqk,hko->qo", rows[layer][0], terms)
        bias = getattr(module, "bias", None)
        assert torch.allclose(total + (0 if bias is None else bias.detach()), written[layer], atol=1e-3, rtol=1e-4)
        got = written_norms(values[layer], grams[layer])[0]
        assert torch.allclose(got, terms.norm(dim=-1), rtol=1e-3, atol=1e-3)


def test_while_generating_each_key_is_passed_on_once(model: Any) -> None:
    """Past windows and picked keys, with a cache, the norms are those of one pass over the same tokens."""
    ids, grams = probe_ids(model, PROMPT), find_grams(model)
    norms: dict[int, torch.Tensor] = {}
    times = dict.fromkeys(grams, torch.zeros(PROMPT + NEW - 1))

    def keep(layer: int, first: int, value: torch.Tensor) -> None:
        got = written_norms(value, grams[layer])
        whole = norms.setdefault(layer, torch.zeros(1, got.shape[1], PROMPT + NEW - 1))
        whole[..., first : first + got.shape[2]] = got
        times[layer] = times[layer] + torch.isin(
            torch.arange(PROMPT + NEW - 1), torch.arange(first, first + got.shape[2])
        )

    with torch.no_grad(), recording(Recorder(lambda *_: None, emit_values=keep)):
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False
        )
    _, values = one_pass(model, out[:, :-1])
    for layer, gram in grams.items():
        assert (times[layer] == 1).all()
        assert torch.allclose(norms[layer], written_norms(values[layer], gram), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("family", sorted(GATED))
def test_families_that_gate_what_heads_write_have_no_norms(family: str) -> None:
    """The formula would not hold, so nothing is said."""
    built = tiny.build(family)
    assert install_attention(built) == "dispatch" and find_grams(built) == {}


def test_one_layer_with_something_before_its_projection_is_enough() -> None:
    built = tiny.build("llama")
    assert install_attention(built) == "dispatch" and len(find_grams(built)) == 3
    attention = built.model.layers[1].self_attn
    attention.o_proj = torch.nn.Sequential(torch.nn.Tanh(), attention.o_proj)
    assert find_grams(built) == {}
