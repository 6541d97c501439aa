"""Tests captured attention rows against eager attention: all families and layers, sliding windows, left padding.

The oracle is the library's own eager path. The controls at the end show that the comparison can fail.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from core.models import attention
from core.models.attention import Recorder, recording
from core.models.attention_setup import install_attention
from core.models.self_check import attention_and_logits, attention_layers, eager_rows, row_problems
from tests.core import tiny

pytestmark = pytest.mark.slow

TOLERANCE = 1e-5
PROMPT, NEW = 9, 7


def prompt_ids(batch: int = 1) -> torch.Tensor:
    return torch.randint(3, 120, (batch, PROMPT), generator=torch.Generator().manual_seed(1))


def generated(model: Any, ids: torch.Tensor, mask: torch.Tensor, **settings: Any) -> tuple[torch.Tensor, Any]:
    with torch.no_grad():
        out = model.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=NEW,
            min_new_tokens=NEW,
            do_sample=False,
            return_dict_in_generate=True,
            **settings,
        )
    return out.sequences, out


def captured(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
    """(sequences, {layer: rows [B, H, T, K]}) captured from a generation on the sdpa path."""
    keys = ids.shape[1] + NEW - 1
    rows: dict[int, torch.Tensor] = {}

    def emit(layers: list[int], first: int, start: int, weights: torch.Tensor) -> None:
        for layer, part in zip(layers, weights, strict=True):
            full = rows.setdefault(layer, torch.zeros(*part.shape[:2], NEW, keys))
            full[:, :, first : first + part.shape[2], start : start + part.shape[3]] = part

    with recording(Recorder(emit)):
        sequences, _ = generated(model, ids, mask)
    return sequences, rows


@pytest.fixture(scope="module", params=tiny.DISPATCH)
def model(request: pytest.FixtureRequest) -> Any:
    built = tiny.build(request.param)
    assert install_attention(built) == "dispatch"
    return built


def test_generation_rows_equal_an_eager_pass(model: Any) -> None:
    ids = prompt_ids()
    sequences, rows = captured(model, ids, torch.ones_like(ids))
    slow, _ = eager_rows(model, sequences[:, :-1])
    assert len(rows) == len(slow) > 0
    for layer, reference in zip(sorted(rows), slow, strict=True):
        assert torch.allclose(rows[layer], reference[:, :, -NEW:], atol=TOLERANCE), f"layer {layer}"


def test_scored_rows_equal_an_eager_pass(model: Any) -> None:
    ids = prompt_ids()
    rows, logits = attention_and_logits(model, ids)
    slow, expected = eager_rows(model, ids)
    assert torch.allclose(logits, expected, atol=1e-3)
    for layer, reference in zip(sorted(rows), slow, strict=True):
        assert torch.allclose(rows[layer], reference, atol=TOLERANCE), f"layer {layer}"


def test_left_padded_rows_equal_eager_generation(model: Any) -> None:
    ids = prompt_ids(2)
    mask = torch.ones_like(ids)
    mask[1, :3] = 0
    ids[1, :3] = 0
    sequences, rows = captured(model, ids, mask)
    model.set_attn_implementation("eager")
    try:
        expected, out = generated(model, ids, mask, output_attentions=True)
    finally:
        model.set_attn_implementation(attention.NAME)
    assert torch.equal(sequences, expected)
    for step, layers in enumerate(out.attentions):
        for layer, weights in zip(sorted(rows), [a for a in layers if a is not None], strict=True):
            last = weights[:, :, -1]
            start = PROMPT + step - last.shape[-1]
            seen = rows[layer][:, :, step, start : PROMPT + step]
            assert torch.allclose(seen, last, atol=TOLERANCE), f"step {step}, layer {layer}"
            assert rows[layer][1, :, step, :3].abs().max() == 0, "padding is never read"


@pytest.mark.parametrize("family", tiny.EAGER)
def test_families_that_do_not_dispatch_are_recognised(family: str) -> None:
    built = tiny.build(family)
    assert install_attention(built) == "eager"
    built = tiny.build(family, attn_implementation="eager")
    assert row_problems(built) == []
    assert attention_layers(built, "eager")


def test_a_family_that_attends_twice_in_a_layer_is_not_read_on_the_fast_path() -> None:
    model = tiny.build("diffllama")
    assert install_attention(model) == "eager"


def test_a_model_without_attention_says_so() -> None:
    built = tiny.build("mamba", state_size=4, time_step_rank=4)
    assert install_attention(built) == "none"
    assert attention_layers(built, "none") == {}


def test_a_window_hides_what_lies_before_it() -> None:
    built = tiny.build("mistral")
    install_attention(built)
    ids = prompt_ids()
    _, rows = captured(built, ids, torch.ones_like(ids))
    for weights in rows.values():
        for step in range(NEW):
            query = PROMPT - 1 + step
            assert weights[0, :, step, : query - 4].abs().max() == 0
            assert (weights[0, :, step, query - 4 : query + 1] > 0).all()


def test_control_a_wrong_scale_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    built = tiny.build("llama")
    install_attention(built)
    monkeypatch.setattr(attention, "_scale", lambda query, settings: 1.0)
    assert any("differs from eager" in p for p in row_problems(built))


def test_control_a_lost_mask_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    built = tiny.build("mistral")
    install_attention(built)
    true = attention._allowed
    monkeypatch.setattr(attention, "_allowed", lambda layer, key: torch.ones_like(true(layer, key)))
    assert any("future" in p for p in row_problems(built))


def test_rows_only_of_the_thread_that_records() -> None:
    import threading

    built = tiny.build("llama")
    install_attention(built)
    seen: list[int] = []
    ids = prompt_ids()
    with recording(Recorder(lambda layers, *_: seen.extend(layers))):
        other = threading.Thread(target=lambda: built(ids))
        other.start()
        other.join()
    assert seen == []


def test_blocks_of_steps_equal_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    built = tiny.build("gemma3_text")
    install_attention(built)
    ids = prompt_ids()
    _, together = captured(built, ids, torch.ones_like(ids))
    monkeypatch.setattr(attention, "BLOCK", 1)
    _, single = captured(built, ids, torch.ones_like(ids))
    for layer in together:
        assert torch.allclose(together[layer], single[layer], atol=1e-6)
