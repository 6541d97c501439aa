"""Made-up runs for the tests of comparisons: real tokenizers, random attention rows, no model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from core.records import SCALE, Message, ModelKey, ModelRef, Request, Rows, Segment, Trace
from core.text.output_tokens import with_output
from core.text.render import render
from tests.core import text_tokenizers as tokenizers

FAMILY = "👨\u200d👩\u200d👧"
PIECES = [
    "sky", "Sky", "the", "The", "caf\u00e9", "cafe\u0301", "東京", "色", "かな", FAMILY, "🇩🇪", "👍🏽", "שלום", "مرحبا",
    "\u0301", " ", "  ", "\n", "\n\n \t", "\u3000", ".", ", ", "don't", "3.14", "[x]", "{", "<|im_end|>", "a b", "\u202eab",
]  # fmt: skip
PROMPTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=14).map("".join).filter(str.strip)
"""Texts with emoji, CJK, whitespace runs, combining marks and right-to-left."""
NAMES = ("smollm2", "qwen")


def model(name: str, layers: int = 2, heads: int = 2, windows: Any = None) -> ModelRef:
    return ModelRef(
        key=ModelKey(name, "f" * 64),
        label=name,
        quantisation="none",
        source="made up",
        tokenizer_fingerprint=name,
        family="llama",
        kind="decoder",
        layers=layers,
        heads=heads,
        attention_layers=tuple(range(layers)),
        windows=windows or (None,) * layers,
        attention="dispatch",
        context=8192,
        parameters=1,
        has_template=True,
    )


def rows(weights: np.ndarray, prompt: int) -> Rows:
    """``weights``, float [layer, head, step, key], as the Rows that are stored."""
    layers, heads, steps, keys = weights.shape
    flat = weights.reshape(-1, steps, keys)
    return Rows(
        queries=np.arange(steps) + prompt - 1,
        layers=np.repeat(np.arange(layers), heads),
        heads=np.tile(np.arange(heads), layers),
        packed=np.round(SCALE * np.sqrt(flat)).astype(np.uint16),
        sums=flat.sum(-1),
    )


def trace(
    prompt: str | list[tuple[str, str]] | tuple[int, ...],
    answer: str = "Blue sky.",
    name: str = "smollm2",
    *,
    seed: int = 0,
    raw: bool = False,
    system: str = "none",
    segments: tuple[Segment, ...] = (),
    learned: float = 0.0,
    end: bool = True,
    weights: np.ndarray | None = None,
    heads: int = 2,
) -> Trace:
    """A run with the tokenizer ``name``; ``learned``: the part of every row that a learned sink took."""
    tokenizer, ref = tokenizers.real(name), model(name, heads=heads)
    asked: dict[str, Any] = {"system": system, "segments": segments, "seed": seed, "temperature": 0.5}
    if isinstance(prompt, tuple):
        request = Request(ref.key, token_ids=prompt, seed=seed, temperature=0.5)
    elif raw:
        request = Request(ref.key, text=prompt, segments=segments, seed=seed, temperature=0.5)
    else:
        messages = [("user", prompt)] if isinstance(prompt, str) else prompt
        request = Request(ref.key, messages=tuple(Message(*m) for m in messages), **asked)
    read = render(tokenizer, request)
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    ids = tokenizer(answer, add_special_tokens=False).input_ids + ([stop] if end else [])
    tokens = with_output(tokenizer, read, ids, end_ids={stop})
    p, t = len(read.tokens), len(ids)
    rng = np.random.default_rng(seed)
    if weights is None:
        weights = np.tril(rng.gamma(0.3, size=(2, heads, t, max(p + t - 1, 0))) + 1e-6, p - 1)
        weights *= (1 - learned) / np.maximum(weights.sum(-1, keepdims=True), 1e-12)
    return Trace(
        request=request,
        model=ref,
        tokens=tokens,
        prompt_length=p,
        logprobs=-rng.random(t),
        entropy=rng.random(t),
        alternative_ids=np.zeros((t, 5)),
        alternative_logprobs=np.zeros((t, 5)),
        alternative_texts=(("",) * 5,) * t,
        groups=("sink",),
        mass=np.zeros((2, heads, t, 1)),
        finish="end",
        rows=rows(weights, p) if t else None,
        norms=rng.uniform(0.8, 1.2, (2, heads, max(p + t - 1, 0))).astype(np.float16) if t else None,
        rendered=read.text,
        seconds=0.5,
    )


def unproven(tr: Trace, placed: bool = True) -> Trace:
    """The same run with unknown spans; ``placed`` False: the user's text was not found at all."""
    t, nothing = tr.tokens, np.full(len(tr.tokens), -1)
    message = t.message.copy()
    roles = list(t.roles)
    if not placed:
        for i in range(tr.prompt_length):
            message[i] = -1
            roles[i] = "template" if t.texts[i].startswith("<|") else "user"
    tokens = replace(t, start=nothing, end=nothing, message=message, roles=tuple(roles), proven=False)
    return replace(tr, tokens=tokens)


def reduced(tr: Trace) -> Trace:
    """The same run as it is stored with ``keep="reduced"``."""
    from core.records import MAX, MEAN

    steps, keys = tr.rows.packed.shape[1:]
    full = tr.rows.weights().reshape(2, -1, steps, keys)
    both = np.stack([full.mean(1), full.max(1)], axis=1)
    made = replace(rows(both.astype(np.float64), tr.prompt_length), heads=np.tile([MEAN, MAX], 2))
    return replace(tr, rows=made, norms=None, request=replace(tr.request, keep="reduced"))
