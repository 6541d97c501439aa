"""Finds the sinks of a run: prompt tokens that soak up attention whatever the model writes.

A head that has nothing to do puts its attention on a token that writes next to nothing (Xiao et al. 2024, Gu et al.
2025). The first token is one in nearly every model and always counts. In longer texts there are more of them, such as
one "the" in ten. The rule, over the mean of all heads:

* read by nearly every step: at least ``READ`` times the uniform share in ``OFTEN`` of the answer's steps, and
* little behind it: the mean length of what heads write there, weighted by the attention that reads it, is below
  ``LITTLE`` times its median over the prompt.

Measured on SmolLM2 135M and Qwen2.5 Coder 0.5B with 940 tokens: sinks have 0.10 to 0.22 times the median behind them,
all other tokens that are read as often 0.44 and more. Where what heads write is not known, only the first token counts;
in cross-attention only where it is markup, since the input's first word is a word like the others there.

Guarded by tests/core/test_importance_sinks.py: planted ones are found, and words that merely are read much are not.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from ..records import Importance, Trace
from ..text.token_groups import begins_with_markup
from .attention_methods import mean_attention, written_lengths
from .method_input import MethodInput
from .methods import method_problem, pick_maps

READ, OFTEN, LITTLE = 2.0, 0.9, 1 / 3
STEPS = 64
"""Steps that are looked at, evenly over the answer: enough to tell nearly every one, and fast for long answers."""

_found: WeakKeyDictionary[Trace, tuple[int, ...]] = WeakKeyDictionary()


def find_sinks(trace: Trace) -> tuple[int, ...]:
    """Returns the positions of this run's sinks in the prompt, in order; the first token is always among them.

    Of an encoder-decoder's run there may be none.
    """
    if trace.reads_prompt_only:
        return (0,) if begins_with_markup(trace.tokens) else ()
    known = _found.get(trace)
    if known is None:
        known = _found[trace] = (0, *(int(key) for key in np.flatnonzero(_absorbs(trace)) if key))
    return known


def _absorbs(trace: Trace) -> np.ndarray:
    """Returns bool [P]: the rule above."""
    p, steps = trace.prompt_length, trace.answer_steps
    if not len(steps) or method_problem(trace, "value-weighted"):
        return np.zeros(p, bool)
    steps = steps[:: -(-len(steps) // STEPS)]
    read, written = (pick_maps(trace, name, None, None) for name in ("mean-attention", "value-weighted"))
    read = mean_attention(MethodInput(trace, read, steps=steps))[:, :p]
    written = written_lengths(MethodInput(trace, written, steps=steps))[:, :p]
    behind = written.sum(0) / np.maximum(read.sum(0), np.float32(1e-12))
    uniform = 1 / (p + steps[:, None])
    return ((read >= READ * uniform).mean(0) >= OFTEN) & (behind < LITTLE * np.median(behind))


def only_sinks(importance: Importance) -> np.ndarray:
    """Returns bool [column]: every token of it is a sink, so that where sinks are left out its share is not known."""
    units = importance.columns
    rest = units.unit[(units.weight > 0) & ~np.isin(units.token, importance.sinks)]
    return ~np.isin(np.arange(len(units)), rest)


def sinks_word(importance: Importance) -> str:
    """Returns "sink", or "sinks" where the run has several."""
    return "sinks" if len(importance.sinks) > 1 else "sink"
