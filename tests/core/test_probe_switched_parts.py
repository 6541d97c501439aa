"""Tests switching off parts of models: batched equals a hook and a pass each; known answers; progress, cancel, errors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import Cancelled, MethodError
from core.probe import switch_off
from core.records import Part, SwitchedOff, Trace, all_blocks, all_heads
from tests.core import models_made_up as made_up
from tests.core import probe_made_up as probes
from tests.core.run_unstored import run

pytestmark = pytest.mark.slow

NAMES: dict[str, tuple[str, str, str, str]] = {
    "llama": ("model.layers", "self_attn.o_proj", "mlp", "mlp.down_proj"),
    "gpt2": ("transformer.h", "attn.c_proj", "mlp", "mlp.c_proj"),
    "gemma2": ("model.layers", "self_attn.o_proj", "mlp", "mlp.down_proj"),
    "phi": ("model.layers", "self_attn.dense", "mlp", "mlp.fc2"),
    "gpt_neox": ("gpt_neox.layers", "attention.dense", "mlp", "mlp.dense_4h_to_h"),
    "mixtral": ("model.layers", "self_attn.o_proj", "mlp", ""),
    "lfm2": ("model.layers", "self_attn.out_proj", "feed_forward", "feed_forward.w2"),
    "opt": ("model.decoder.layers", "self_attn.out_proj", "fc2", "fc2"),
}
"""{family: (layers, output projection, MLP, down projection)}, by the names that the families give them."""
TEXT = "abc defg"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("models")
    kept: dict[str, tuple[Any, Trace]] = {}

    def get(family: str) -> tuple[Any, Trace]:
        if family not in kept:
            built = probes.copier(3) if family == "copier" else probes.random(family)
            model = probes.load(home / family, built)
            kept[family] = model, run(model, TEXT, raw=True, max_new_tokens=6, keep="none")
        return kept[family]

    with made_up.alone(home):
        yield get


def place(model: Any, family: str, part: Part) -> tuple[Any, bool, slice]:
    """(module, at its input, columns) by name: written without what is tested."""
    layers, projection, mlp, down = NAMES[family]
    layer = model.hf.get_submodule(layers)[part.layer]
    if part.kind == "head":
        width = model.hf.get_submodule(f"{layers}.{part.layer}.{projection}").weight.shape[1] // model.ref.heads
        return layer.get_submodule(projection), True, slice(part.index * width, (part.index + 1) * width)
    if part.kind == "unit":
        return layer.get_submodule(down), True, slice(part.index, part.index + 1)
    if family == "gemma2":  # a norm stands between; its output at an input of 0 is 0 as well
        return layer.get_submodule("self_attn" if part.kind == "attention" else "mlp"), False, slice(None)
    return layer.get_submodule(projection.split(".")[0] if part.kind == "attention" else mlp), False, slice(None)


def one_pass(model: Any, family: str, trace: Trace, part: Part | None) -> np.ndarray:
    """The oracle: log-probabilities [T] of one forward pass with one hook."""
    hooks = []
    if part is not None:
        module, at_input, columns = place(model, family, part)

        def before(m: Any, args: Any) -> Any:
            values = args[0].clone()
            values[..., columns] = 0
            return (values, *args[1:])

        def after(m: Any, args: Any, out: Any) -> Any:
            return (out[0] * 0, *out[1:]) if isinstance(out, tuple) else out * 0

        hooks = [module.register_forward_pre_hook(before) if at_input else module.register_forward_hook(after)]
    ids = torch.tensor([trace.token_ids.tolist()])
    with torch.no_grad():
        logits = model.hf(input_ids=ids[:, :-1], use_cache=False).logits[0, -trace.steps :].float()
    for hook in hooks:
        hook.remove()
    return torch.log_softmax(logits, -1).gather(-1, ids[0, -trace.steps :, None])[:, 0].numpy()


@pytest.mark.parametrize("entered", [True, False])
@pytest.mark.parametrize("family", NAMES)
def test_batched_is_one_pass_each(models: Any, family: str, entered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model, trace = models(family)
    units = [Part("unit", layer, i) for layer in (0, 2) for i in (0, 7)] if NAMES[family][3] else []
    parts = [*all_heads(trace.model), *all_blocks(trace.model), *units]
    parts = [parts[i] for i in np.random.default_rng(0).permutation(len(parts))]
    if not entered:
        monkeypatch.setattr("core.probe.switched_parts.MOST_STATES", 0)
    monkeypatch.setattr("core.probe.switched_parts.TOKENS", {"cpu": 60})
    found = switch_off(model, trace, parts)
    base = one_pass(model, family, trace, None)
    assert np.allclose(found.base, base, atol=1e-4)
    for part, effect in zip(found.parts, found.effect, strict=True):
        assert np.allclose(effect, base - one_pass(model, family, trace, part), atol=1e-4), part.label
    assert np.abs(found.effect).max() > 0.1 and found.notes == ()


def test_a_model_that_copies_by_its_only_head(models: Any) -> None:
    """Without the head nothing is written anywhere, so every token is as likely as any other; its MLP does nothing."""
    model, trace = models("copier")
    found = switch_off(model, trace, [Part("head", 0, 0), Part("attention", 0), Part("mlp", 0), Part("unit", 0, 2)])
    assert np.allclose(found.base - found.effect[0], -np.log(probes.TOKENS), atol=1e-4)
    assert np.allclose(found.effect[0], found.effect[1], atol=1e-5), "its projection has no bias"
    assert (found.effect[0] > 0.5).all() and np.abs(found.effect[2:]).max() < 1e-5


def test_a_head_that_the_projection_does_not_read_has_no_effect(models: Any) -> None:
    model, trace = models("llama")
    projection = model.hf.model.layers[1].self_attn.o_proj.weight
    kept = projection.detach().clone()
    with torch.no_grad():
        projection[:, 8:16] = 0
    try:
        effect = switch_off(model, trace, all_heads(trace.model)).by_head()
    finally:
        with torch.no_grad():
            projection.copy_(kept)
    assert effect.shape == (3, 4) and abs(effect[1, 1]) < 1e-4
    assert (np.abs(np.delete(effect.ravel(), 5)) > 1e-4).all()


def test_a_unit_that_the_mlp_does_not_have_is_told(models: Any) -> None:
    model, trace = models("llama")
    count = model.hf.model.layers[0].mlp.down_proj.weight.shape[1]
    with pytest.raises(MethodError, match=f"units 0 to {count - 1}"):
        switch_off(model, trace, [Part("unit", 0, count)])
    assert switch_off(model, trace, [Part("unit", 0, count - 1)]).effect.shape == (1, trace.steps)


def test_nothing_stays_on_the_model_and_the_run_can_be_repeated(models: Any) -> None:
    model, trace = models("llama")
    first = switch_off(model, trace, all_heads(trace.model))
    assert np.array_equal(switch_off(model, trace, all_heads(trace.model)).effect, first.effect)
    hooks = [h for m in model.hf.modules() for h in (*m._forward_hooks.values(), *m._forward_pre_hooks.values())]
    assert not [h for h in hooks if h.__module__.startswith("core")]
    assert first.trace_id == trace.id and first.answer == trace.output_tokens and first.how == "zeroed"


def test_heads_that_a_layer_does_not_have_have_no_value(models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.models.layer_parts import head_projections

    model, trace = models("llama")
    known = head_projections(model)
    fewer = {layer: (module, 2 if layer == 1 else heads) for layer, (module, heads) in known.items()}
    monkeypatch.setattr("core.probe.switched_parts.head_projections", lambda model: fewer)
    found = switch_off(model, trace, all_heads(trace.model))
    assert np.isnan(found.by_head()).tolist() == [[False] * 4, [False, False, True, True], [False] * 4]
    assert len(found.notes) == 1


def test_progress_and_cancel(models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, trace = models("llama")
    monkeypatch.setattr("core.probe.switched_parts.TOKENS", {"cpu": 1})
    told: list[tuple[float | None, str]] = []
    switch_off(model, trace, all_heads(trace.model), progress=lambda f, text, s=None: told.append((f, text)))
    assert told[1] == (0.0, "Without part 1 of 12") and told[-1] == (11 / 12, "Without part 12 of 12")
    with pytest.raises(Cancelled):
        switch_off(model, trace, all_heads(trace.model), cancelled=lambda: True)


def test_every_head_is_switched_off_where_no_parts_are_given(models: Any) -> None:
    model, trace = models("llama")
    found = switch_off(model, trace)
    assert found.parts == all_heads(trace.model)
    assert np.allclose(found.effect, switch_off(model, trace, all_heads(trace.model)).effect, atol=1e-6)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (["head"], "given as a list"),
        ([Part("head", 9, 0)], "no layer 9"),
        ([Part("head", 0, 9)], "no head 9"),
    ],
)
def test_wrong_parts_are_one_sentence(models: Any, parts: Any, told: str) -> None:
    model, trace = models("llama")
    with pytest.raises(MethodError, match=told):
        switch_off(model, trace, parts)


def test_what_a_model_does_not_have_is_told(models: Any) -> None:
    model, trace = models("lfm2")
    with pytest.raises(MethodError, match="Layer 0 of .* has no attention"):
        switch_off(model, trace, [Part("attention", 0)])
    model, trace = models("mixtral")
    with pytest.raises(MethodError, match="MLP units of layer 0.*switch off the whole MLP"):
        switch_off(model, trace, [Part("unit", 0, 0)])
    model, trace = models("bloom")
    with pytest.raises(MethodError, match="single heads.*attention of whole layers"):
        switch_off(model, trace, all_heads(trace.model))
    with pytest.raises(MethodError, match="what the MLP of layer 0 adds"):
        switch_off(model, trace, [Part("mlp", 0)])


def test_runs_of_other_models_are_refused(models: Any) -> None:
    (model, trace), (other, _) = models("llama"), models("gpt2")
    with pytest.raises(MethodError, match="load the model that made it"):
        switch_off(other, trace, all_heads(trace.model))
    with pytest.raises(MethodError, match="Switching off parts needs the trace"):
        switch_off(model, "a run", all_heads(trace.model))


def test_the_record_checks_itself() -> None:
    effect = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 3.0]])
    parts = (Part("head", 0, 1), Part("head", 1, 0), Part("mlp", 0))
    found = SwitchedOff("id", parts, effect, np.zeros(2))
    assert found.total().tolist() == [3.0, -0.5, 6.0] and found.total([1]).tolist() == [2.0, -1.0, 3.0]
    assert np.array_equal(found.by_head(), [[np.nan, 3.0], [-0.5, np.nan]], equal_nan=True)
    assert [part.label for part in parts] == ["layer 0, head 1", "layer 1, head 0", "layer 0, MLP"]
    assert not found.effect.flags.writeable
    with pytest.raises(ValueError, match="effect has shape"):
        replace(found, parts=parts[:2])
    for wrong in (("nose", 0, 0), ("head", -1, 0), ("head", 0, 1.5), ("mlp", 0, 1), ("head", True, 0)):
        with pytest.raises(ValueError, match="part|index"):
            Part(*wrong)  # type: ignore[arg-type]
