"""Makes up a long run without a model: some 4,000 words of input, 500 of answer, rows as a model's look.

Four layers of three heads: a sink that takes most, near words read more, words of unlike weight, and one passage that
the answer reads most. Guarded by tests/browser/test_long_map.py, which opens one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.records import Rows, Trace
from tests.core import charts_made_up as made

LAYERS, HEADS = 4, 3
GROUPS = ("sink", "template", "system", "user", "assistant", "output", "query")
NOUNS = "harbour ledger winter engine river letter garden signal market valley copper lantern orchard bridge captain"
VERBS = "keeps follows carries measures repeats crosses describes opens remembers lowers answers divides"


def made_up_text(words: int, seed: int) -> str:
    """Returns sentences of 8 to 16 words in paragraphs of six sentences, ``words`` words and full stops in all."""
    rng, out, count = np.random.default_rng(seed), [], 0
    nouns, verbs = NOUNS.split(), VERBS.split()
    while count < words:
        size = min(int(rng.integers(7, 15)), max(words - count - 1, 1))
        said = [str(rng.choice(verbs if i % 3 == 2 else nouns)) for i in range(size)]
        out.append(" ".join(said).capitalize() + "." + ("\n\n" if len(out) % 6 == 5 else " "))
        count += size + 1
    return "".join(out).strip()


def long_run(prompt: int = 4000, answer: int = 500, seed: int = 0) -> Trace:
    """Returns a run of about ``prompt`` tokens of input and ``answer`` of answer, a word each."""
    trace = made.trace(made_up_text(prompt, seed), made_up_text(answer, seed + 1))
    weights = _weights(trace, np.random.default_rng(seed))
    keys = np.arange(len(trace.tokens) - 1)
    of_role = np.array(trace.tokens.roles)[:-1]
    mass = np.zeros((LAYERS, HEADS, trace.steps, len(GROUPS)), np.float32)
    told = {name: (of_role == name) & (keys > 0) & (keys < trace.prompt_length) for name in GROUPS[1:5]}
    told |= {"sink": keys == 0, "output": keys >= trace.prompt_length}
    for at, name in enumerate(GROUPS[:-1]):
        mass[..., at] = weights[..., told[name]].sum(-1).reshape(LAYERS, HEADS, -1)
    rows = Rows(
        queries=trace.prompt_length - 1 + np.arange(trace.steps),
        layers=np.repeat(np.arange(LAYERS), HEADS),
        heads=np.tile(np.arange(HEADS), LAYERS),
        packed=np.round(65535 * np.sqrt(weights)).astype(np.uint16),
        sums=weights.sum(-1),
    )
    norms = np.random.default_rng(seed).uniform(0.8, 1.2, (LAYERS, HEADS, len(keys))).astype(np.float16)
    return replace(trace, rows=rows, norms=norms, groups=GROUPS, mass=mass, rendered="".join(trace.input_tokens))


def _weights(trace: Trace, rng: np.random.Generator) -> np.ndarray:
    """Returns float32 [map, step, key], each row sums to 1."""
    keys, queries = np.arange(len(trace.tokens) - 1), trace.prompt_length - 1 + np.arange(trace.steps)
    far = queries[:, None] - keys[None, :]
    popular = rng.gamma(0.5, size=len(keys))
    begin = int(0.6 * trace.prompt_length)
    popular[begin : begin + 40] *= 12
    out = []
    for head in range(LAYERS * HEADS):
        row = popular * rng.gamma(0.4, size=far.shape) * (0.02 + np.exp(-far / (20.0 * (1 + head))))
        row[:, 0] = row.sum(1)
        row *= far >= 0
        out.append((row / row.sum(1, keepdims=True)).astype(np.float32))
    return np.stack(out)
