"""Tests attributions against autograd on the slow path, against sums that must come out, and against random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from core.errors import Cancelled, MethodError
from core.models.attention import NAME
from core.probe import attribute
from core.records import ATTRIBUTIONS
from tests.core import probe_made_up as made
from tests.core.run_unstored import run

pytestmark = pytest.mark.slow

BACK, PROMPT = 9, "ab cd,ef;gh"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("models")
    with made.made_up.alone(home):
        yield {
            "llama": made.load(home / "llama", made.random("llama"), None),
            "gpt2": made.load(home / "gpt2", made.random("gpt2"), None),
            "copier": made.load(home / "copier", made.copier(BACK), None),
        }


def slow(model: Any, trace: Any, first: int, last: int) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """(embeddings with gradient, target, attention weights with gradient) by eager and plain autograd."""
    hf, p = model.hf, trace.prompt_length
    hf.set_attn_implementation("eager")
    try:
        ids = torch.tensor(trace.token_ids[None, : p + last - 1].copy())
        embedded = hf.get_input_embeddings()(ids).detach().requires_grad_()
        with torch.enable_grad():
            out = hf(inputs_embeds=embedded, output_attentions=True, use_cache=False)
            logs = out.logits[0].float().log_softmax(-1)
            written = torch.tensor(trace.token_ids[p + first : p + last].copy())
            target = logs[p - 1 + first : p - 1 + last].gather(-1, written[:, None]).sum()
            for weights in out.attentions:
                weights.retain_grad()
            target.backward()
    finally:
        hf.set_attn_implementation(NAME)
    return embedded, target, list(out.attentions)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("span", [(0, 5), (2, 3)])
def test_gradients_equal_plain_autograd_on_the_slow_path(models: Any, family: str, span: tuple[int, int]) -> None:
    model = models[family]
    trace = run(model, PROMPT, max_new_tokens=5)
    embedded, _, weights = slow(model, trace, *span)
    end = embedded.shape[1]
    own = (embedded * embedded.grad).detach().sum(-1)[0].numpy()
    found = attribute(model, trace, "input-x-gradient", [span])
    np.testing.assert_allclose(found.values[0, :end], own, atol=1e-4)
    assert not found.values[0, end:].any() and found.values.shape == (1, len(trace.tokens) - 1)
    rows = slice(trace.prompt_length - 1 + span[0], None)
    read = sum((w * w.grad).detach()[0, :, rows].sum((0, 1)) for w in weights).numpy()
    np.testing.assert_allclose(attribute(model, trace, "attention-x-gradient", [span]).values[0, :end], read, atol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_integrated_gradients_add_up_to_what_is_lost_without_the_words(models: Any, family: str) -> None:
    model = models[family]
    trace = run(model, PROMPT, max_new_tokens=4)
    found = attribute(model, trace, "integrated-gradients", points=64)
    own = np.flatnonzero(trace.tokens.own[: trace.prompt_length])
    ids = torch.tensor(trace.token_ids[None, :-1].copy())
    scores = []
    for gone in (False, True):
        embedded = model.hf.get_input_embeddings()(ids).detach()
        if gone:
            embedded[0, own] = 0
        with torch.no_grad():
            logs = model.hf(inputs_embeds=embedded).logits[0].float().log_softmax(-1)
        steps = trace.answer_steps
        rows = logs[trace.prompt_length - 1 + steps]
        scores.append(float(rows.gather(-1, torch.tensor(trace.token_ids[trace.prompt_length + steps])[:, None]).sum()))
    missed = abs(float(found.values.sum()) - (scores[0] - scores[1]))
    told = float(found.notes[0].split("at most ")[1].split(" nats")[0])
    assert missed == pytest.approx(told, rel=0.05, abs=1e-3), "what is missing is told"
    if family == "gpt2":  # norms without a shift do not change with length, so the way from zero has a step
        assert missed < 0.02
    assert not np.delete(found.values[0], own).any(), "only the user's words are moved"
    assert found.notes[0].startswith("Integrated gradients miss their sum by at most")


def test_rollout_is_the_product_of_the_layers(models: Any) -> None:
    model = models["llama"]
    trace = run(model, PROMPT, max_new_tokens=4)
    *_, weights = slow(model, trace, 0, trace.steps)
    rolled = np.eye(weights[0].shape[-1])
    for layer in weights:
        rolled = (0.5 * layer[0].detach().mean(0).numpy() + 0.5 * np.eye(len(rolled))) @ rolled
    found = attribute(model, trace, "rollout")
    np.testing.assert_allclose(found.values, rolled[trace.prompt_length - 1 :], atol=1e-5)
    np.testing.assert_allclose(found.by_step(trace.steps).sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", [k for k in ATTRIBUTIONS if k != "rollout"])
def test_the_copied_token_is_found(models: Any, kind: str) -> None:
    """The model repeats the token ``BACK`` places before: each method must put the answer down to it.

    It is so sure that the slope of the log-probability is 0; that of the log-odds against another word is not.
    """
    model = models["copier"]
    trace = run(model, PROMPT, max_new_tokens=3)
    for step in range(3):
        at = trace.prompt_length - 1 + step - BACK
        found = attribute(model, trace, kind, [(step, step + 1)], against=ord("z"))
        assert int(np.argmax(found.values[0])) == at and found.values[0, at] > 0


def test_a_target_against_another_word_is_a_difference_of_logits(models: Any) -> None:
    model = models["llama"]
    trace = run(model, PROMPT, max_new_tokens=3)
    written, other = int(trace.token_ids[trace.prompt_length + 1]), 65
    for kind in ("input-x-gradient", "attention-x-gradient"):
        there = attribute(model, trace, kind, [(1, 2)], against=other)
        back = attribute(model, trace, kind, [(1, 2)], against=written)
        assert there.parameters["against"] == other and not back.values.any(), "a word against itself is nothing"
        assert np.abs(there.values).max() > 1e-4


def test_gradients_change_with_the_weights(models: Any) -> None:
    """Adebayo et al. 2018: what does not change when weights are drawn anew says nothing about the model."""
    model = models["llama"]
    trace = run(model, PROMPT, max_new_tokens=3)
    before = {kind: attribute(model, trace, kind).values.copy() for kind in ATTRIBUTIONS}
    kept = {name: value.clone() for name, value in model.hf.state_dict().items()}
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.hf.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    try:
        for kind, values in before.items():
            after = attribute(model, trace, kind).values
            assert np.abs(after - values).max() > 0.01 * np.abs(values).max(), kind
    finally:
        model.hf.load_state_dict(kept)


def test_what_cannot_be_attributed_is_told(models: Any) -> None:
    model, other = models["llama"], models["gpt2"]
    wanted = [parameter.requires_grad for parameter in model.hf.parameters()]
    trace = run(model, PROMPT, max_new_tokens=3)
    for asked, told in [
        (("nothing",), "kind must be one of"),
        (("rollout", [(0, 9)]), "must be steps of the answer, from 0 to 3"),
        (("rollout", None, {"against": 3}), "Rollout knows no words"),
    ]:
        *plain, more = (*asked, {}) if not isinstance(asked[-1], dict) else asked
        with pytest.raises(MethodError, match=told):
            attribute(model, trace, *plain, **more)
    with pytest.raises(MethodError, match="load the model that made it"):
        attribute(other, trace, "rollout")
    with pytest.raises(Cancelled):
        attribute(model, trace, "input-x-gradient", cancelled=lambda: True)
    assert [parameter.requires_grad for parameter in model.hf.parameters()] == wanted, "as it was"


@pytest.mark.parametrize("kind", ATTRIBUTIONS)
def test_it_stops_wherever_it_is(models: Any, kind: str) -> None:
    """On the way there and back, and nothing stays on the model that would ask again."""
    model = models["llama"]
    trace = run(model, PROMPT, max_new_tokens=4)
    before = attribute(model, trace, kind).values
    asked: list[int] = []

    def counts() -> bool:
        asked.append(1)
        return False

    attribute(model, trace, kind, cancelled=counts)
    assert len(asked) > 2 * len(model.ref.attention_layers)
    for last in range(0, len(asked), max(1, len(asked) // 7)):
        left = iter(range(last))
        with pytest.raises(Cancelled):
            attribute(model, trace, kind, cancelled=lambda left=left: next(left, None) is None)
    np.testing.assert_array_equal(attribute(model, trace, kind).values, before)
    assert not any(part._forward_hooks for part in model.hf.modules() if part._parameters)
