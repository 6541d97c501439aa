"""Checks a freshly loaded model's attention rows, by running eight tokens through it.

Checked: something was captured; rows sum to 1 (at most 1 with learned sinks); no row attends to the future; the output
equals that of the library's own path; and, on the dispatch path, every layer equals eager. A model that fails on
dispatch is loaded again on the eager path; one that fails there is refused, because a heatmap that cannot be verified
should not be drawn. Guarded by tests/core/test_attention_families.py.
"""

from __future__ import annotations

from typing import Any

import torch

from ..errors import CaptureError
from .attention import Recorder, recording
from .token_masking import HiddenTokens, hide_tokens

TOKENS = 8
TOLERANCE, EXACT = 1e-3, 1e-4
"""Log-probability (nats) by which a hidden token may still show, ``EXACT`` in float32: a weight of exactly zero leaves
nothing, and what small weights of another mixer let through is small too."""


def attention_and_logits(
    hf: Any, ids: torch.Tensor, mask: torch.Tensor | None = None
) -> tuple[dict[int, torch.Tensor], torch.Tensor]:
    """Returns ({layer_idx: weights [B, H, Q, K] float32}, logits [B, Q, V]) of a forward pass over ``ids`` [B, Q]."""
    rows: dict[int, torch.Tensor] = {}

    def emit(layers: list[int], first: int, start: int, weights: torch.Tensor) -> None:
        for layer, found in zip(layers, weights, strict=True):  # twice in one pass: rows that eager will not have
            rows[layer] = torch.cat([rows[layer], found], dim=2) if layer in rows else found

    with torch.no_grad(), recording(Recorder(emit, first=ids.shape[1])):
        logits = hf(
            input_ids=ids, attention_mask=torch.ones_like(ids) if mask is None else mask, use_cache=False
        ).logits
    return rows, logits.float()


def eager_rows(hf: Any, ids: torch.Tensor, mask: torch.Tensor | None = None) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Returns (weights of each layer that has attention, logits) by the library's eager path; restores the setting."""
    before = hf.config._attn_implementation
    switch = before != "eager"
    if switch:
        hf.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            mask = torch.ones_like(ids) if mask is None else mask
            out = hf(input_ids=ids, attention_mask=mask, use_cache=False, output_attentions=True)
    finally:
        if switch:
            hf.set_attn_implementation(before)
    rows = [a.float() for a in (getattr(out, "attentions", None) or ()) if a is not None and a.ndim == 4]
    return rows, out.logits.float()


def probe_ids(hf: Any, tokens: int = TOKENS) -> torch.Tensor:
    """Returns int64 [1, tokens]: ordinary token ids, the same every time."""
    vocabulary = int(hf.config.get_text_config().vocab_size)
    generator = torch.Generator().manual_seed(7)
    return torch.randint(vocabulary // 2, (1, tokens), generator=generator).to(hf.device)


def row_problems(hf: Any) -> list[str]:
    """Returns what is wrong with this model's rows, in words for the log; empty when nothing is."""
    ids = probe_ids(hf)
    tolerance = 1e-4 if hf.dtype == torch.float32 else 5e-2
    slow, expected = eager_rows(hf, ids)
    if not slow:
        return ["the model returns no attention"]
    if hf.config._attn_implementation == "eager":
        return _defects(dict(enumerate(slow)), tolerance)
    rows, logits = attention_and_logits(hf, ids)
    if len(rows) != len(slow):
        return [f"{len(rows)} layers were captured, {len(slow)} have attention"]
    wrong = _defects(rows, tolerance)
    for index, reference in zip(sorted(rows), slow, strict=True):
        if rows[index].shape != reference.shape or (rows[index] - reference).abs().max() > tolerance:
            wrong.append(f"layer {index} differs from eager")
    if (logits - expected).abs().max() > tolerance * max(1.0, float(expected.abs().max())):
        wrong.append("the output differs from eager")
    return wrong


def _defects(rows: dict[int, torch.Tensor], tolerance: float) -> list[str]:
    wrong = []
    for index, weights in rows.items():
        total = weights.sum(-1)
        if (total > 1 + tolerance).any() or (total <= 0).any():
            wrong.append(f"rows of layer {index} do not sum to 1")
        if weights.triu(1).abs().max() > tolerance:
            wrong.append(f"layer {index} reads the future")
    return wrong


def attention_layers(hf: Any, how: str) -> dict[int, int]:
    """Returns {layer_idx: number of query heads} observed in a real pass; on the eager path layers count from 0."""
    if how == "none":
        return {}
    ids = probe_ids(hf)
    rows = attention_and_logits(hf, ids)[0] if how == "dispatch" else dict(enumerate(eager_rows(hf, ids)[0]))
    return {index: weights.shape[1] for index, weights in sorted(rows.items())}


def check_rows(model: Any) -> tuple[str, ...]:
    """Returns notes for a loaded ``Model``. Raises CaptureError when its rows cannot be verified on any path."""
    if model.ref.attention == "none":
        return ()
    wrong = row_problems(model.hf)
    if wrong:
        raise CaptureError(
            f"{model.ref.label} was refused: its attention could not be verified on 8 tokens ({wrong[0]}). "
            "Pick another model, or report this one."
        )
    return ()


def hiding_leaks(hf: Any) -> bool:
    """Returns whether a hidden token still changes later predictions: then words cannot be hidden from this model."""
    ids = probe_ids(hf).repeat(2, 1)
    at = ids.shape[1] // 2 - 1
    ids[1, at] = (ids[1, at] + 1) % int(hf.config.get_text_config().vocab_size)
    keys = torch.zeros_like(ids, dtype=torch.bool)
    keys[:, at] = True
    with torch.no_grad(), hide_tokens(hf, HiddenTokens(keys)) as hidden:
        logits = hf(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits[:, at + 1 :]
    logs = torch.log_softmax(logits.float(), dim=-1)
    allowed = EXACT if hf.dtype == torch.float32 else TOLERANCE
    return not hidden.used or not bool(((logs[0] - logs[1]).abs().max() <= allowed).item())
