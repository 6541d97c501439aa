"""Tests the components of runs of tiny models: against transformers' own hidden states, hooks, and the run itself."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from core.capture import component_recorder as module
from core.errors import Cancelled
from core.models import load_model
from core.records import UNKNOWN_LAYERS
from tests.core import models_made_up as made_up
from tests.core import tiny
from tests.core.run_unstored import run

pytestmark = pytest.mark.slow

FAMILIES = ["llama", "gpt2", "gemma2", "gemma3_text", "phi", "gpt_neox", "mixtral", "olmo2", "cohere", "mistral", "lfm2",
            "bloom", "gptj"]  # fmt: skip
EXTRA = {"gemma2": {"final_logit_softcapping": 30.0}, "cohere": {"logit_scale": 0.25}}
SLOW = ("bloom", "gptj")
TEXT = "abcdefg hij"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("models")
    kept: dict[str, Any] = {}

    def get(family: str) -> Any:
        if family not in kept:
            sizes = {"vocab_size": 259, "eos_token_id": 0, "bos_token_id": None} | EXTRA.get(family, {})
            folder = made_up.save_model(home / f"tiny-{family}", tiny.build(family, **sizes))
            settings = json.loads((folder / "generation_config.json").read_text()) | {"eos_token_id": 0}
            (folder / "generation_config.json").write_text(json.dumps(settings))
            kept[family] = load_model(str(folder))
        return kept[family]

    with made_up.alone(home):
        yield get


def hidden_states(model: Any, ids: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """(what stands before each layer and behind the last, [L + 1, K, d], logits [K, V]) of one pass.

    transformers' last entry is behind the last norm; what stands before it is taken by a hook on the last layer.
    """
    from core.models.layer_parts import model_parts

    last: list[torch.Tensor] = []
    module = model_parts(model).modules[-1]
    hook = module.register_forward_hook(lambda m, a, out: last.append(out[0] if type(out) is tuple else out))
    with torch.no_grad():
        out = model.hf(input_ids=torch.tensor([ids]), use_cache=False, output_hidden_states=True)
    hook.remove()
    return torch.cat([*out.hidden_states[:-1], last[0]]), out.logits[0].float()


def left_on(model: Any) -> list[Any]:
    """Hooks of ours, and layers whose ``forward`` was replaced; transformers leaves hooks of its own."""
    hooks = [hook for m in model.hf.modules() for hook in (*m._forward_hooks.values(), *m._forward_pre_hooks.values())]
    return [h for h in hooks if h.__module__.startswith("core")] + [
        m for m in model.hf.modules() if "forward" in vars(m)
    ]


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request: pytest.FixtureRequest, models: Any) -> tuple[Any, Any, Any]:
    """(model, a run that wrote an answer, the run that scores the same answer), both with components."""
    model = models(request.param)
    wrote = run(model, TEXT, raw=True, max_new_tokens=20, keep="components")
    ids = wrote.token_ids[wrote.prompt_length :].tolist()
    return model, wrote, run(model, TEXT, raw=True, answer=ids, keep="components")


def test_norms_of_the_stream_are_those_of_transformers(pair: Any) -> None:
    model, wrote, read = pair
    states, _ = hidden_states(model, wrote.token_ids[:-1].tolist())
    for trace in (wrote, read):
        assert np.allclose(trace.components.residual, states.norm(dim=-1), rtol=1e-4, atol=1e-4)


def test_the_lens_is_the_last_norm_and_the_output_layer(pair: Any) -> None:
    """By hand where the family names them as most do; in all, the last row is the model's own prediction."""
    model, wrote, read = pair
    p, written = wrote.prompt_length, torch.tensor(wrote.token_ids[wrote.prompt_length :].tolist())
    states, logits = hidden_states(model, wrote.token_ids[:-1].tolist())
    base = model.hf.base_model
    norm = next(getattr(base, n) for n in ("norm", "ln_f", "final_layernorm", "final_layer_norm", "embedding_norm")
                if hasattr(base, n))  # fmt: skip
    with torch.no_grad():
        raw = model.hf.get_output_embeddings()(norm(states[:, p - 1 :])).float()
    if model.ref.family == "gemma2":
        raw = 30 * torch.tanh(raw / 30)
    if model.ref.family == "cohere":
        raw = raw * 0.25
    assert torch.allclose(raw[-1], logits[p - 1 :], atol=1e-4, rtol=1e-4), "the oracle itself"
    logs = torch.log_softmax(raw, -1)
    for trace in (wrote, read):
        found = trace.components
        assert found.has_lens and found.lens == "logit lens" and found.lens_ids.shape == (len(states), trace.steps)
        picked = logs.gather(-1, written[None, :, None].expand(len(states), -1, 1))[..., 0]
        assert np.allclose(found.final_logprobs, picked, atol=2e-4)
        assert np.allclose(found.lens_logprobs, logs.max(-1).values, atol=2e-4)
        assert np.allclose(found.lens_entropy, -(logs.exp() * logs).sum(-1), atol=5e-4)
        assert np.allclose(found.final_logprobs[-1], trace.logprobs, atol=1e-4)
        assert (found.lens_ids == logs.argmax(-1).numpy()).mean() > 0.99
        assert ((logs > picked[..., None]).sum(-1).numpy() + 1 == found.final_ranks).mean() > 0.99
        assert found.lens_texts[-1] == tuple(alternatives[0] for alternatives in trace.alternative_texts)
    assert (wrote.components.first_choice <= model.ref.layers).all(), "greedy: the last layer's first choice"


def test_writes_add_up_and_are_measured_by_hooks(pair: Any) -> None:
    from core.models.layer_parts import model_parts

    model, wrote, read = pair
    known = model_parts(model).layers
    for trace in (wrote, read):
        found, ids = trace.components, trace.token_ids[:-1].tolist()
        for at, part in enumerate(known):
            for one, norms in ((part.attention, found.attention_write[at]), (part.mlp, found.mlp_write[at])):
                if one is None:
                    assert np.isnan(norms).all()
                    continue
                outs: list[torch.Tensor] = []
                hook = one.module.register_forward_hook(
                    lambda m, a, o, outs=outs: outs.append(o[0] if type(o) is tuple else o)
                )
                hidden_states(model, ids)
                hook.remove()
                assert np.allclose(norms, outs[0].reshape(len(ids), -1).norm(dim=-1) * one.factor, rtol=1e-3, atol=1e-4)
    if model.ref.family == "bloom":
        assert np.isnan(wrote.components.mlp_write).all()
        assert any("not known in 3 of 3 layers" in note for note in wrote.notes)
    elif model.ref.family == "lfm2":
        assert np.isnan(wrote.components.attention_write[[0, 2]]).all()
    else:
        assert not np.isnan(wrote.components.attention_write).any() and not np.isnan(wrote.components.mlp_write).any()


def test_key_and_value_norms_are_those_of_the_cache(pair: Any) -> None:
    model, wrote, read = pair
    with torch.no_grad():
        cache = model.hf(input_ids=torch.tensor([wrote.token_ids[:-1].tolist()]), use_cache=True).past_key_values
    for trace in (wrote, read):
        found = trace.components
        if model.ref.family in SLOW:
            assert found.key_norms.shape == found.value_norms.shape == (3, 0, len(trace.tokens) - 1)
            continue
        assert found.key_norms.shape[0] == len(model.ref.attention_layers)
        for i, layer in enumerate(model.ref.attention_layers):
            kept = cache.layers[layer]
            last = kept.keys.shape[2]  # a window keeps its last keys only
            for norms, vectors in ((found.key_norms, kept.keys), (found.value_norms, kept.values)):
                assert np.allclose(norms[i][:, -last:], vectors[0].norm(dim=-1), rtol=1e-4, atol=1e-4)


def test_rows_and_scores_are_those_of_a_run_without(pair: Any) -> None:
    model, wrote, _ = pair
    plain = run(model, TEXT, raw=True, max_new_tokens=20)
    assert plain.components is None and plain.id == wrote.id
    assert np.array_equal(plain.token_ids, wrote.token_ids) and np.array_equal(plain.logprobs, wrote.logprobs)
    assert np.array_equal(plain.rows.packed, wrote.rows.packed) if plain.rows else wrote.rows is None
    assert (plain.norms is None) == (wrote.norms is None)
    assert not left_on(model), "nothing stays on the model"


def test_blocks_of_the_lens_change_nothing(models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(models("llama"), TEXT, max_new_tokens=20, keep="components").components
    monkeypatch.setattr(module, "LENS_BLOCK", 3)
    monkeypatch.setattr(module, "LENS_ROWS", 2)
    parts = run(models("llama"), TEXT, max_new_tokens=20, keep="components").components
    for name in ("residual", "final_logprobs", "lens_logprobs", "lens_entropy"):
        assert np.allclose(getattr(whole, name), getattr(parts, name), atol=1e-5)
    assert np.array_equal(whole.lens_ids, parts.lens_ids) and whole.lens_texts == parts.lens_texts


def test_one_token_and_a_prompt_of_one_token(models: Any) -> None:
    trace = run(models("llama"), "a", raw=True, max_new_tokens=1, keep="components")
    assert trace.components.residual.shape == (4, 1) and trace.components.lens_ids.shape == (4, 1)


def test_a_writes_that_do_not_add_up_in_this_run_are_not_known(models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts were right where they were found; a layer that does something else now is not believed."""
    model = models("llama")
    run(model, TEXT, max_new_tokens=2, keep="components")
    layer = model.hf.model.layers[1]
    plain = layer.forward
    monkeypatch.setattr(layer, "forward", lambda *a, **k: plain(*a, **k) * 1.5)
    found = run(model, TEXT, max_new_tokens=4, keep="components").components
    assert np.isnan(found.attention_write[1]).all() and np.isnan(found.mlp_write[1]).all()
    assert not np.isnan(found.attention_write[[0, 2]]).any()


def test_a_lens_that_misses_the_models_own_prediction_is_left_out(models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = module.logits_of
    monkeypatch.setattr(module, "logits_of", lambda *a: plain(*a).flip(-1))
    trace = run(models("llama"), TEXT, max_new_tokens=3, keep="components")
    assert not trace.components.has_lens and trace.components.lens_texts == ((),) * 4
    assert module.UNKNOWN_LENS in trace.notes and trace.components.first_choice.shape == (0,)
    assert not np.isnan(trace.components.residual).any()


def test_a_model_whose_layers_are_not_known_has_no_components(models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.models.layer_parts import ModelParts

    monkeypatch.setattr(module, "model_parts", lambda model: ModelParts())
    trace = run(models("llama"), TEXT, max_new_tokens=3, keep="components")
    assert trace.components is None and UNKNOWN_LAYERS in trace.notes and trace.rows is not None


def test_cancelling_while_the_lens_reads(models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.capture import capture, make_request

    model = models("llama")
    request = make_request(model.key, TEXT, max_new_tokens=3, keep="components")
    reading: list[int] = []
    plain = module.ComponentRecorder.read_lens

    def read(self: Any, written: torch.Tensor) -> None:
        reading.append(1)
        plain(self, written)

    monkeypatch.setattr(module.ComponentRecorder, "read_lens", read)
    with pytest.raises(Cancelled):
        capture(model, request, cancelled=lambda: bool(reading))
    assert not left_on(model)


def test_a_batch_runs_alone_what_keeps_components(models: Any) -> None:
    from core.capture import make_request
    from core.capture.batch_generation import can_batch, capture_all

    model = models("llama")
    requests = [make_request(model.key, text, max_new_tokens=3, keep="components") for text in ("ab", "cde")]
    assert not any(map(can_batch, requests))
    assert all(trace.components is not None for _, trace in capture_all(model, requests))


def test_half_precision(models: Any) -> None:
    model = models("qwen2")
    model.hf.to(torch.bfloat16)
    found = run(model, TEXT, max_new_tokens=6, keep="components")
    assert found.components.has_lens and not np.isnan(found.components.mlp_write).any()
