"""Checks a freshly loaded model's attention rows against the library's own paths, by running a few tokens through it.

Checked: something was captured; rows sum to 1 (at most 1 with learned sinks); no row attends to the future; and, on the
dispatch path, rows and output equal eager, in one pass and while generating. Many families behave differently once a
text is longer than a limit (a window, a chunk, the number of keys that an indexer picks), so all limits are made small
for the check and crossed. A model that fails on dispatch is loaded again on the eager path; one that fails there is
refused, because a heatmap that cannot be verified should not be drawn. Guarded by tests/core/test_attention_families.py
and tests/core/test_models_self_check.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..errors import CaptureError, is_out_of_memory
from .attention import Recorder, recording
from .placement import whole_weights
from .token_masking import HiddenTokens, hide_tokens
from .upcasting import HALF_PRECISION, Float32

TOKENS, NEW = 24, 3
"""Tokens that are read in one pass, and generated after them."""

LIMIT = 4
"""What every limit of a model is set to while it is checked: six times fewer than ``TOKENS``."""

LIMIT_NAMES = re.compile(
    r"(sliding_window|window_size|window_len|attention_chunk_size|index_topk|index_block_size|topk_blocks|local_attention)$"
)
"""Settings of a configuration that say from how many tokens on attention is not full. Modules hold them by the same
name or its end (``index_block_size``: ``block_size``)."""

RATE_NAMES = re.compile(r"compress_r(ate|atio)s?$")
"""Settings that give the number of keys made into one. They shape weights and stay, so the text gets longer instead."""
MOST_TOKENS = 320

TOLERANCE, EXACT = 1e-3, 1e-4
"""Log-probability (nats) by which a hidden token may still show, ``EXACT`` in float32: a weight of exactly zero leaves
nothing, and what small weights of another mixer let through is small too."""


def _configs(hf: Any) -> list[Any]:
    return list({id(c): c for c in (hf.config, hf.config.get_text_config())}.values())


def limits(hf: Any) -> dict[str, int]:
    """Returns {setting: value}: the limits of ``hf`` that its configuration names and that are above ``LIMIT``."""
    return {
        name: value
        for config in _configs(hf)
        for name, value in vars(config).items()
        if LIMIT_NAMES.search(name) and type(value) is int and value > LIMIT
    }


@contextmanager
def small_limits(hf: Any) -> Iterator[int]:
    """Sets every limit of ``hf`` (window, chunk, picked keys) to ``LIMIT`` inside the block.

    Yields the number of tokens that crosses them all. No weight depends on these settings; they are restored.
    """
    configs, large = _configs(hf), limits(hf).items()
    kept = [
        (vars(holder), name, value)
        for holder in (*configs, *hf.modules())
        for name, value in vars(holder).items()
        if type(value) is int and any(value == v and f"_{limit}".endswith(f"_{name}") for limit, v in large)
    ]
    for held, name, _ in kept:
        held[name] = LIMIT
    try:
        yield min(MOST_TOKENS, max(TOKENS, 2 * max(map(_largest_rate, configs)) + TOKENS // 2))
    finally:
        for held, name, value in kept:
            held[name] = value


def _largest_rate(config: Any) -> int:
    rates = [0]
    for name, value in vars(config).items():
        if RATE_NAMES.search(name):
            several = value.values() if isinstance(value, dict) else value
            rates += [rate for rate in (several if isinstance(several, Iterable) else [several]) if type(rate) is int]
    return max(rates)


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
    with _path(hf, "eager"), torch.no_grad():
        mask = torch.ones_like(ids) if mask is None else mask
        out = hf(input_ids=ids, attention_mask=mask, use_cache=False, output_attentions=True)
    rows = [a.float() for a in (getattr(out, "attentions", None) or ()) if a is not None and a.ndim == 4]
    return rows, out.logits.float()


@contextmanager
def _path(hf: Any, name: str) -> Iterator[None]:
    """Switches ``hf`` to another attention implementation inside the block."""
    before = hf.config._attn_implementation
    if before != name:
        hf.set_attn_implementation(name)
    try:
        yield
    finally:
        if before != name:
            hf.set_attn_implementation(before)


def generated_rows(hf: Any, ids: torch.Tensor, new: int = NEW) -> tuple[dict[int, torch.Tensor], torch.Tensor]:
    """Lets ``hf`` continue ``ids`` [1, P] on the path it is set to, with a cache, as runs do.

    The tokens are given (``_Forced``), so that near ties do not matter. Returns ({layer: rows [1, H, new, K]}, logits
    [1, new, V]), with K = P + new - 1 keys.
    """
    from transformers import GenerationConfig

    keys, eager = ids.shape[1] + new - 1, hf.config._attn_implementation == "eager"
    rows: dict[int, torch.Tensor] = {}

    def emit(layers: list[int], first: int, start: int, weights: torch.Tensor) -> None:
        for layer, part in zip(layers, weights, strict=True):
            full = rows.setdefault(layer, torch.zeros(1, part.shape[1], new, keys, device=part.device))
            full[:, :, first : first + part.shape[2], start : start + part.shape[3]] = part

    own = hf.generation_config
    hf.generation_config = GenerationConfig(pad_token_id=0)  # what is not given is taken from here
    settings = GenerationConfig(
        max_new_tokens=new, do_sample=False, pad_token_id=0, return_dict_in_generate=True, output_attentions=eager
    )
    forced = _Forced(ids)
    try:
        with torch.no_grad(), recording(Recorder(emit)):
            out = hf.generate(
                ids, attention_mask=torch.ones_like(ids), generation_config=settings, logits_processor=[forced]
            )
    finally:
        hf.generation_config = own
    for step, layers in enumerate(out.attentions or () if eager else ()):
        for layer, weights in enumerate(a for a in layers if a is not None and a.ndim == 4):
            emit([layer], step, ids.shape[1] + step - weights.shape[-1], weights[None, :, :, -1:].float())
    return rows, torch.stack(forced.logits, dim=1)


class _Forced:
    """A logits processor that keeps the logits of each step and lets the tokens of ``ids`` be written again."""

    def __init__(self, ids: torch.Tensor) -> None:
        self._ids = ids
        self.logits: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self.logits.append(scores.float())
        chosen = self._ids[:, (len(self.logits) - 1) % self._ids.shape[1]]
        return torch.full_like(scores, float("-inf")).scatter(1, chosen[:, None], 0.0)


def probe_ids(hf: Any, tokens: int = TOKENS) -> torch.Tensor:
    """Returns int64 [1, tokens]: ordinary token ids, the same every time; fewer where the model reads fewer.

    They come from the second quarter of the vocabulary: padding and markup, which some families skip, stand elsewhere.
    """
    config = hf.config.get_text_config()
    room = getattr(config, "max_position_embeddings", None)
    if type(room) is int and room > NEW:
        tokens = min(tokens, room - NEW)
    generator = torch.Generator().manual_seed(7)
    half = int(config.vocab_size) // 2
    return torch.randint(half // 2, half, (1, tokens), generator=generator).to(hf.device)


def row_problems(hf: Any) -> list[str]:
    """Returns what is wrong with this model's rows, in words for the log; empty when nothing is.

    Computed in float32 whatever the weights are stored in; where a family cannot be, in its own precision.
    """
    with whole_weights(hf):
        return _problems_in_float32(hf)


def _problems_in_float32(hf: Any) -> list[str]:
    if hf.dtype in HALF_PRECISION:
        try:
            with Float32():
                return _with_small_limits(hf)
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            if is_out_of_memory(error):
                raise
    return _with_small_limits(hf)


def _with_small_limits(hf: Any) -> list[str]:
    try:
        with small_limits(hf) as tokens:
            return _problems(hf, probe_ids(hf, tokens))
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        if is_out_of_memory(error):
            raise
        return _problems(hf, probe_ids(hf))  # a family may not run with limits that small: its own are then kept


def _problems(hf: Any, ids: torch.Tensor) -> list[str]:
    slow, expected = eager_rows(hf, ids)
    if not slow:
        return ["the model returns no attention"]
    if hf.config._attn_implementation == "eager":
        return _defects(dict(enumerate(slow)), _tolerance(hf)) or _sdpa_problems(hf, ids, expected)
    wrong = _differences(hf, *attention_and_logits(hf, ids), dict(enumerate(slow)), expected, "")
    if not wrong:
        with _path(hf, "eager"):
            slow_rows, expected = generated_rows(hf, ids)
        wrong = _differences(hf, *generated_rows(hf, ids), slow_rows, expected, " while generating")
    return wrong


def _differences(
    hf: Any,
    rows: dict[int, torch.Tensor],
    logits: torch.Tensor,
    slow: dict[int, torch.Tensor],
    expected: torch.Tensor,
    when: str,
) -> list[str]:
    """Returns what is wrong with rows and logits of the dispatch path; ``slow`` and ``expected`` are eager's."""
    if len(rows) != len(slow):
        return [f"{len(rows)} layers were captured{when}, {len(slow)} have attention"]
    tolerance = _tolerance(hf)
    wrong = [] if when else _defects(rows, tolerance)
    for layer, reference in zip(sorted(rows), slow.values(), strict=True):
        if rows[layer].shape != reference.shape or not (rows[layer] - reference).abs().max() <= tolerance:
            wrong.append(f"layer {layer} differs from eager{when}")
    if not (logits - expected).abs().max() <= tolerance * max(1.0, float(expected.abs().max())):
        wrong.append(f"the output differs from eager{when}")
    return wrong


def _tolerance(hf: Any) -> float:
    return 1e-4 if hf.dtype == torch.float32 else 5e-2


def _defects(rows: dict[int, torch.Tensor], tolerance: float) -> list[str]:
    """Returns what can be told from rows [1, H, Q, K] of a whole pass alone."""
    wrong = []
    for index, weights in rows.items():
        tokens, keys = weights.shape[-2:]
        total = weights.sum(-1)
        if keys != tokens:  # compressed keys, or keys of another input
            wrong.append(f"layer {index} attends to {keys} keys where {tokens} tokens were read")
        elif not ((total > 0) & (total <= 1 + tolerance)).all():  # so asked, NaN fails too
            wrong.append(f"rows of layer {index} do not sum to 1")
        elif weights.triu(1).abs().max() > tolerance:
            wrong.append(f"layer {index} reads the future")
    return wrong


def _sdpa_problems(hf: Any, ids: torch.Tensor, expected: torch.Tensor) -> list[str]:
    """Returns whether eager writes something else than the path that the model runs on elsewhere.

    Asked in float32 only: in half precision a near tie (a router's choice, a picked key) may fall either way.
    """
    if hf.dtype != torch.float32 or not (hf._can_set_attn_implementation() and getattr(hf, "_supports_sdpa", False)):
        return []
    with _path(hf, "sdpa"), torch.no_grad():
        logits = hf(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits.float()
    near = (logits - expected).abs().max() <= _tolerance(hf) * max(1.0, float(expected.abs().max()))
    return [] if near else ["the output of the eager path differs from sdpa"]


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
            f"{model.ref.label} was refused: its attention could not be verified ({wrong[0]}). "
            "Pick another model, or report this one."
        )
    return ()


def hiding_leaks(hf: Any) -> bool:
    """Returns whether a hidden token still changes later predictions: then words cannot be hidden from this model."""
    with whole_weights(hf), small_limits(hf) as tokens:
        return _leaks(hf, probe_ids(hf, tokens).repeat(2, 1))


def _leaks(hf: Any, ids: torch.Tensor) -> bool:
    at = ids.shape[1] // 2 - 1
    ids[1, at] = (ids[1, at] + 1) % int(hf.config.get_text_config().vocab_size)
    keys = torch.zeros_like(ids, dtype=torch.bool)
    keys[:, at] = True
    with torch.no_grad(), hide_tokens(hf, HiddenTokens(keys)) as hidden:
        logits = hf(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits[:, at + 1 :]
    logs = torch.log_softmax(logits.float(), dim=-1)
    allowed = EXACT if hf.dtype == torch.float32 else TOLERANCE
    return not hidden.used or not bool(((logs[0] - logs[1]).abs().max() <= allowed).item())
