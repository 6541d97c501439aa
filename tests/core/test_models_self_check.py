"""Tests that the check of a loaded model crosses every limit that its configuration names, and notices what is wrong.

The limits here are as large as those of real models (2,048 keys, blocks of 128), so that eight tokens tell nothing.
"""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core.errors import CaptureError
from core.models import attention, self_check
from core.models.attention_setup import install_attention
from core.models.model_ref import end_tokens
from core.models.self_check import attention_and_logits, check_rows, hiding_leaks, probe_ids, row_problems, small_limits
from core.models.upcasting import Float32
from tests.core import tiny

pytestmark = pytest.mark.slow

PICKING = ("deepseek_v32", "glm_moe_dsa", "axk2", "hy_v4", "dots3_note_text")
LARGE = {"index_topk": 2048}
LONG = 40


@contextmanager
def limits_as_they_are(hf: Any) -> Any:
    yield 8


def integers(hf: Any) -> list[tuple[str, int]]:
    """Every whole number that the configuration and the modules hold."""
    holders = (hf.config, *hf.modules())
    return [(name, value) for holder in holders for name, value in vars(holder).items() if type(value) is int]


@pytest.mark.parametrize("family", PICKING)
def test_picked_keys_are_masked_on_the_fast_path(family: str) -> None:
    """Past ``index_topk`` the log-probabilities and rows are those of the family's own sdpa and eager paths."""
    built = tiny.build(family)
    assert install_attention(built) == "dispatch"
    ids = probe_ids(built, LONG)
    rows, logits = attention_and_logits(built, ids)
    slow, _ = self_check.eager_rows(built, ids)
    built.set_attn_implementation("sdpa" if built._supports_sdpa else "eager")
    with torch.no_grad():
        expected = built(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits.float()
    assert torch.allclose(logits.log_softmax(-1), expected.log_softmax(-1), atol=1e-4)
    for layer, reference in zip(sorted(rows), slow, strict=True):
        assert torch.allclose(rows[layer], reference, atol=1e-5)
        assert int((rows[layer][0, :, -1] > 0).sum(-1).max()) <= 6 < LONG


@pytest.mark.parametrize("family", PICKING)
def test_a_lost_choice_of_keys_is_noticed_however_large_the_limit(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_only_picked", lambda mask, picked, keys: mask)
    assert install_attention(tiny.build(family, **LARGE)) == "eager"
    monkeypatch.setattr(self_check, "small_limits", limits_as_they_are)  # control: this is what sees it
    assert install_attention(tiny.build(family, **LARGE)) == "dispatch"


@pytest.mark.parametrize("family, limit", [("mistral", "sliding_window"), ("llama4_text", "attention_chunk_size")])
def test_a_lost_window_or_chunk_is_noticed_however_large(
    family: str, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def causal(layer: Any, key: torch.Tensor) -> torch.Tensor:
        positions = torch.arange(layer.start, layer.start + key.shape[2])
        return (positions[None] < torch.tensor(layer.limits)[:, None])[None, None]

    monkeypatch.setattr(attention, "_allowed", causal)
    extra = tiny.MOE if family == "llama4_text" else {}
    assert install_attention(tiny.build(family, **{limit: 64}, **extra)) == "eager"
    monkeypatch.setattr(self_check, "small_limits", limits_as_they_are)
    assert install_attention(tiny.build(family, **{limit: 64}, **extra)) == "dispatch"


def test_a_family_that_picks_blocks_by_the_name_of_the_path_is_read_on_the_slow_path() -> None:
    assert install_attention(tiny.build("minimax_m3_vl_text", **tiny.BLOCKS)) == "eager"
    assert row_problems(tiny.build("minimax_m3_vl_text", **tiny.BLOCKS, attn_implementation="eager")) == []


def test_a_family_that_makes_many_keys_into_one_is_refused_in_one_sentence() -> None:
    built = tiny.build("deepseek_v4", attn_implementation="eager", max_position_embeddings=400)
    with pytest.raises(CaptureError, match=r"^DeepSeek was refused: .* attends to 270 keys where 268 tokens were read"):
        check_rows(SimpleNamespace(hf=built, ref=SimpleNamespace(label="DeepSeek", attention="eager")))


def test_an_eager_path_that_writes_something_else_than_sdpa_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    built = tiny.build("llama", attn_implementation="eager")
    assert row_problems(built) == []
    from transformers.models.llama import modeling_llama

    true = modeling_llama.eager_attention_forward
    monkeypatch.setattr(
        modeling_llama, "eager_attention_forward", lambda *a, **kw: true(*a, **(kw | {"scaling": kw["scaling"] * 2}))
    )
    assert row_problems(built) == ["the output of the eager path differs from sdpa"]


@pytest.mark.parametrize(
    "family, extra, changed",
    [
        ("deepseek_v32", LARGE, {"index_topk"}),
        ("gemma3_text", {"sliding_window": 512}, {"sliding_window"}),
        ("minimax_m3_vl_text", tiny.BLOCKS, {"index_block_size", "index_topk_blocks", "block_size", "topk_blocks"}),
        ("llama", {}, set()),
    ],
)
def test_limits_are_small_inside_the_block_and_as_before_after_it(family: str, extra: Any, changed: set[str]) -> None:
    built = tiny.build(family, **extra)
    before = integers(built)
    with small_limits(built) as tokens:
        inside = integers(built)
        assert tokens == self_check.TOKENS > self_check.LIMIT * self_check.LIMIT
    assert integers(built) == before
    assert {a[0] for a, b in zip(before, inside, strict=True) if a != b} == changed
    assert {b[1] for a, b in zip(before, inside, strict=True) if a != b} <= {self_check.LIMIT}


def test_a_model_that_reads_few_tokens_is_checked_with_few() -> None:
    built = tiny.build("gpt2", max_position_embeddings=10, n_positions=10)
    assert probe_ids(built).shape == (1, 7)
    assert install_attention(built) == "dispatch"


def test_rows_that_are_no_numbers_are_noticed() -> None:
    """Neither path is right where both return NaN, and NaN is above no bound."""
    built = tiny.build("llama", attn_implementation="eager")
    built.model.layers[1].self_attn.q_proj.weight.data.fill_(float("nan"))
    assert row_problems(built)[0] == "rows of layer 1 do not sum to 1"
    assert install_attention(built) == "eager"


def test_words_cannot_be_hidden_where_they_pick_the_keys() -> None:
    """A hidden token still says through the indexer which keys are read: told only where the limit is crossed."""
    built = tiny.build("deepseek_v32", **LARGE)
    assert install_attention(built) == "dispatch"
    assert hiding_leaks(built)


def test_a_configuration_without_end_token_is_no_error() -> None:
    config = SimpleNamespace(vocab_size=10)
    hf = SimpleNamespace(
        config=SimpleNamespace(get_text_config=lambda: config), generation_config=SimpleNamespace(eos_token_id=None)
    )
    assert end_tokens(hf, SimpleNamespace(eos_token_id=7, chat_template=None)) == [7]


@pytest.mark.parametrize("family", ["llama", "qwen2", "gpt2", "gemma2", "mixtral", "deepseek_v32"])
def test_half_precision_is_checked_in_float32(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside ``Float32`` a model of half-precision weights computes what the same model widened does, to 1e-4."""
    built = tiny.build(family).to(torch.bfloat16)
    assert install_attention(built) == "dispatch"
    ids = probe_ids(built)
    with Float32():
        rows, logits = attention_and_logits(built, ids)
    assert built.dtype == torch.bfloat16 and next(built.parameters()).dtype == torch.bfloat16
    coarse = attention_and_logits(built, ids)[1]
    wide = tiny.build(family).to(torch.bfloat16).float()
    assert install_attention(wide) == "dispatch"
    expected_rows, expected = attention_and_logits(wide, ids)
    assert (logits - expected).abs().max() < 1e-4 < (coarse - expected).abs().max()
    for layer, row in expected_rows.items():
        assert (rows[layer] - row).abs().max() < 1e-4


@pytest.mark.parametrize("wrong", [0.02, 1.0])
def test_a_small_fault_is_noticed_in_half_precision_too(wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that differ by a fiftieth hide in the rounding of bfloat16, and are seen in float32."""
    built = tiny.build("llama").to(torch.bfloat16)
    assert install_attention(built) == "dispatch" and not row_problems(built)
    right = attention.softmax_rows

    def faulty(query: Any, key: Any, scale: float, *rest: Any) -> Any:
        return right(query, key, scale * (1 + wrong), *rest)

    monkeypatch.setattr(attention, "softmax_rows", faulty)
    assert row_problems(built)
