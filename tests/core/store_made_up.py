"""Hand-made runs for the tests of the store: small, seeded and consistent; no model needed."""

from __future__ import annotations

import numpy as np

from core.records import Components, Message, ModelKey, ModelRef, Request, Rows, Segment, Source, Tokens, Trace

GROUPS = ("sink", "template", "system", "user", "assistant", "output", "query")


def model(layers: int = 2, heads: int = 3) -> ModelRef:
    return ModelRef(
        key=ModelKey("tiny", "0f" * 32),
        label="Tiny",
        quantisation="Q4_1",
        source="made up",
        tokenizer_fingerprint="1e" * 32,
        family="llama",
        kind="decoder",
        layers=layers,
        heads=heads,
        attention_layers=tuple(range(layers)),
        windows=(None,) * layers,
        attention="dispatch",
        context=512,
        parameters=1000,
        has_template=True,
        notes=("made up",),
    )


def rows(prompt: int, steps: int, layers: int, heads: int, rng: np.random.Generator) -> Rows:
    weights = np.tril(rng.random((layers * heads, steps, prompt + steps - 1)), prompt - 1)
    weights /= weights.sum(-1, keepdims=True)
    return Rows(
        queries=np.arange(prompt - 1, prompt - 1 + steps),
        layers=np.repeat(np.arange(layers), heads),
        heads=np.tile(np.arange(heads), layers),
        packed=np.round(65535 * np.sqrt(weights)).astype(np.uint16),
        sums=np.ones((layers * heads, steps), np.float32),
    )


def components(layers: int, tokens: int, steps: int, rng: np.random.Generator) -> Components:
    lens = (layers + 1, steps)
    return Components(
        residual=rng.random((layers + 1, tokens)),
        attention_write=np.where(rng.random((layers, tokens)) < 0.2, np.nan, 1.0),
        mlp_write=rng.random((layers, tokens)),
        key_norms=rng.random((layers, 2, tokens)),
        value_norms=rng.random((layers, 2, tokens)),
        lens_ids=rng.integers(0, 1000, lens),
        lens_texts=((" a",) * steps,) * (layers + 1),
        lens_logprobs=-rng.random(lens),
        final_logprobs=-rng.random(lens),
        final_ranks=rng.integers(1, 9, lens),
        lens_entropy=rng.random(lens),
    )


def trace(
    text: str = "Which colour has the sky?",
    answer: str = "Blue. ",
    prompt: int = 5,
    steps: int = 3,
    layers: int = 2,
    heads: int = 3,
    seed: int = 0,
    keep: str = "all",
    segments: tuple[Segment, ...] = (),
    **settings: object,
) -> Trace:
    """A run over one user message; ``keep="none"`` leaves the rows out, ``"components"`` adds components."""
    rng, n = np.random.default_rng(seed), prompt + steps
    described = model(layers, heads)
    request = Request(described.key, messages=(Message("user", text),), segments=segments, keep=keep, **settings)
    groups = GROUPS + tuple(f"segment:{segment.name}" for segment in segments)
    spans = np.full(n, -1)
    tokens = Tokens(
        ids=rng.integers(0, 1000, n),
        texts=tuple(f" t{i}" for i in range(n)),
        message=np.array([-1] + [0] * (prompt - 1) + [1] * steps),
        start=np.where(np.arange(n) == 1, 0, spans),
        end=np.where(np.arange(n) == 1, len(text), spans),
        roles=("template",) + ("user",) * (prompt - 1) + ("assistant",) * steps,
        parts=("prompt",) * prompt + ("answer",) * steps,
        sources=(Source(text, "user", "user"), Source(answer, "assistant", "model")),
    )
    return Trace(
        request=request,
        model=described,
        tokens=tokens,
        prompt_length=prompt,
        logprobs=-rng.random(steps),
        entropy=rng.random(steps),
        alternative_ids=rng.integers(0, 1000, (steps, 5)),
        alternative_logprobs=-rng.random((steps, 5)),
        alternative_texts=tuple(tuple("abcde") for _ in range(steps)),
        groups=groups,
        mass=rng.random((layers, heads, steps, len(groups))),
        finish="length",
        rows=None if keep == "none" else rows(prompt, steps, layers, heads, rng),
        norms=rng.random((layers, heads, n - 1)).astype(np.float16) if keep in ("all", "components") else None,
        components=components(layers, n - 1, steps, rng) if keep == "components" else None,
        rendered=f"<user>{text}",
        notes=("made up",),
        created="2026-11-21T12:00:00+00:00",
        seconds=0.25,
    )


def same(first: object, second: object) -> bool:
    """True when two records are equal to the last bit, arrays and their dtypes included."""
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, tuple):
        return len(first) == len(second) and all(map(same, first, second))
    if hasattr(first, "__dataclass_fields__"):
        names = first.__dataclass_fields__
        return type(first) is type(second) and all(same(getattr(first, n), getattr(second, n)) for n in names)
    return type(first) is type(second) and first == second
