"""Made-up components of a made-up run, for the tests of charts."""

from dataclasses import replace

import numpy as np

from core.records import Components, Trace
from tests.core.traces_made_up import trace


def components(run: Trace, seed: int = 0) -> Components:
    """Random components that fit ``run``; the last layer's first choice is the answer's own token."""
    rng, layers = np.random.default_rng(seed), run.model.layers
    keys, steps = len(run.tokens) - 1, run.steps
    ranks = rng.integers(1, 50, (layers + 1, steps)).astype(np.int32)
    ranks[-1] = 1
    norms = rng.random((len(run.model.attention_layers), 2, keys)).astype(np.float32)
    return Components(
        residual=1 + 100 * rng.random((layers + 1, keys)),
        attention_write=1 + rng.random((layers, keys)),
        mlp_write=1 + rng.random((layers, keys)),
        key_norms=norms,
        value_norms=norms + 1,
        lens_ids=rng.integers(0, 9, (layers + 1, steps)),
        lens_texts=tuple(tuple(f"w{i}.{t}" for t in range(steps)) for i in range(layers + 1)),
        lens_logprobs=np.log(rng.random((layers + 1, steps))),
        final_logprobs=np.log(rng.random((layers + 1, steps))),
        final_ranks=ranks,
        lens_entropy=rng.random((layers + 1, steps)),
    )


def run_with_components(answer: str = "Blue sky, if any.") -> Trace:
    """A made-up run that keeps its components."""
    run = trace("What color is the sky?", answer)
    return replace(run, components=components(run))


def without_lens(run: Trace) -> Trace:
    """The same run of a model whose layers cannot be read through its output layer."""
    none = np.zeros((run.model.layers + 1, 0))
    names = ("lens_ids", "lens_logprobs", "final_logprobs", "final_ranks", "lens_entropy")
    parts = replace(run.components, lens_texts=((),) * len(none), **dict.fromkeys(names, none))
    return replace(run, components=parts)


def with_ranks(run: Trace, ranks: np.ndarray) -> Trace:
    """The same run whose answer's tokens have these ``ranks`` [L + 1, T] in the lens."""
    return replace(run, components=replace(run.components, final_ranks=ranks))
