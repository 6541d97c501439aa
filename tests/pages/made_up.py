"""Made-up runs for the tests of the pages, with attention rows and known peculiarities; no model needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from core.records import MAX, MEAN, Message, Rows, Segment, Trace
from tests.core import charts_made_up as made

HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(2)> **bold** $x^2$ :material/star: `code` [a](http://e.vil)"
)
HARD = "שלום world \u202eevil 👩‍👩‍👧 東京 e\u0301\ttab\nline"
GROUPS = ("sink", "template", "system", "user", "assistant", "output", "query")


def run(question: str = made.QUESTION, answer: str = made.ANSWER, seed: int = 0, **changes: Any) -> Trace:
    """A run as it is stored, with rows of every head; ``changes`` replace fields of the Trace."""
    base = made.trace(question, answer)
    rows = _rows(base, seed)
    mass = np.zeros((4, 3, base.steps, len(GROUPS)), np.float32)
    weights = rows.weights().reshape(4, 3, base.steps, -1)
    roles = np.array(base.tokens.roles)[:-1]
    output = np.arange(len(roles)) >= base.prompt_length
    mass[..., 0] = weights[..., 0]
    for g, role in enumerate(GROUPS[1:5], 1):
        mine = (roles == role) & ~output
        mine[0] = False
        mass[..., g] = weights[..., mine].sum(-1)
    mass[..., 5] = weights[..., output].sum(-1)
    norms = np.random.default_rng(seed).uniform(0.8, 1.2, (4, 3, len(roles))).astype(np.float16)
    found = {"rows": rows, "norms": norms, "groups": GROUPS, "mass": mass, "rendered": "".join(base.input_tokens)}
    return replace(base, **found | changes)


def _rows(trace: Trace, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    t, k = trace.steps, len(trace.tokens) - 1
    queries = trace.prompt_length - 1 + np.arange(t)
    weights = rng.gamma(0.3, size=(12, t, k)) * (np.arange(k) <= queries[:, None])
    weights /= weights.sum(-1, keepdims=True)
    return Rows(
        queries=queries,
        layers=np.repeat(np.arange(4), 3),
        heads=np.tile(np.arange(3), 4),
        packed=np.round(65535 * np.sqrt(weights)).astype(np.uint16),
        sums=weights.sum(-1),
    )


def marked() -> Trace:
    """A run with two named segments."""
    trace = run("Be brief. What color is the sky?")
    marks = (Segment("instruction", 0, 0, 9), Segment("question", 0, 10, 32))
    return replace(trace, request=replace(trace.request, segments=marks))


def given() -> Trace:
    """A run that scores somebody else's answer, with earlier turns, a system message and stop texts."""
    trace = run("And at night?", "Black, mostly.")
    messages = (
        Message("system", "Be kind."),
        Message("user", "What color is the sky?"),
        Message("assistant", "Blue."),
        Message("user", "And at night?"),
    )
    request = replace(trace.request, messages=messages, answer="Black, mostly.", author="GPT-*9*")
    return replace(trace, request=request, finish="given")


def unproven() -> Trace:
    """A run whose spans could not be proven: token level only."""
    trace = run("Tokens only, please")
    return replace(trace, tokens=replace(trace.tokens, proven=False))


def attentionless() -> Trace:
    """A run of a model without attention."""
    trace = run("Does a mamba look?")
    model = replace(trace.model, attention="none", attention_layers=(), windows=(), label="Mamba *130m*")
    return replace(trace, model=model, rows=None, norms=None, mass=np.zeros((0, 3, trace.steps, len(GROUPS))))


def evicted() -> Trace:
    """A run whose attention rows were evicted."""
    return replace(run("Where did the rows go?"), rows=None)


def reduced() -> Trace:
    """A run that keeps each layer's mean and maximum in place of its heads."""
    trace = run("How much is kept?")
    assert trace.rows is not None
    weights = trace.rows.weights().reshape(4, 3, trace.steps, -1)
    kept = np.concatenate([weights.mean(1), weights.max(1)])
    places = {"layers": np.tile(np.arange(4), 2), "heads": np.repeat([MEAN, MAX], 4)}
    packed = np.round(65535 * np.sqrt(kept)).astype(np.uint16)
    rows = Rows(trace.rows.queries, packed=packed, sums=kept.sum(-1), **places)
    return replace(trace, rows=rows, norms=None, request=replace(trace.request, keep="reduced"))


def short() -> Trace:
    """A run with one output token."""
    return run("Say it", "Yes")
