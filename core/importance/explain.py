"""Turns a Trace into an Importance: reduces heads per token, then treats the sink, then sums to units.

Always in that order. Sinks are tokens that absorb attention whatever the text says: the first one, and others that
``sinks`` finds. ``keep`` shows them, ``separate`` leaves them out of the values and counts them as removed, ``drop``
also scales the rest of each row back to one. Scores (methods that are not linear) have no total to scale to: there
``drop`` only leaves sinks out. Guarded by tests/core/test_importance.py (known numbers, conservation).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from ..checks import short_repr
from ..errors import MethodError
from ..records import Importance, Trace, Units
from ..records.importance import sum_entries
from ..text.display_text import and_list, visible_text
from ..text.units import GRANULARITIES, units
from .attention_methods import mean_attention
from .method_input import MethodInput
from .methods import DEFAULT_METHOD, Heads, Method, get_method, method_weights
from .sinks import find_sinks
from .uniform import uniform_of

SINKS = ("keep", "separate", "drop")
INPUTS = ("prompt", "all")
SHARE_GROUPS = ("sink", "template", "system", "user", "assistant", "query", "output")


def explain(
    trace: Trace,
    method: str = DEFAULT_METHOD,
    layers: Sequence[int] | None = None,
    heads: Heads | None = None,
    sink: Literal["keep", "separate", "drop"] = "keep",
    inputs: Literal["prompt", "all"] = "prompt",
    granularity: str = "token",
    given: Mapping[str, Any] | None = None,
) -> Importance:
    """Returns the importance of every input for every output token, by one method.

    ``values`` float32 [step, input]: for ``inputs="prompt"`` the prompt's tokens (or words, sentences, paragraphs,
    segments, roles), for ``"all"`` also the earlier output. ``sink``, the first token and others like it
    (``find_sinks``): ``"keep"`` shows them, ``"separate"`` leaves them out, ``"drop"`` also scales the rest of each row
    back to 1 (shares only). ``removed`` [step] is what of the step's whole attention is not in ``values``: with
    ``"keep"`` and ``"separate"``, ``values.sum(1) + removed == 1`` for shares; with ``"drop"`` each row is scaled by
    1 / (1 - its sinks' share) and ``removed`` stays in shares of the whole.
    ``given``: {need: record} of what a method needs beside the run's rows (``METHODS[method].needs``).
    Raises MethodError for unknown names, for what the trace did not keep, and for what is needed and not given.
    """
    if not isinstance(trace, Trace):
        raise MethodError(f"explain needs the trace that run gave, not {short_repr(trace)}.")
    _check("sink", sink, SINKS)
    _check("inputs", inputs, INPUTS)
    _check("granularity", granularity, GRANULARITIES)
    chosen = get_method(method)
    weights, maps = method_weights(trace, method, layers, heads, given)
    uniform = uniform_of(trace, maps)
    sinks = find_sinks(trace)
    shares = group_shares(trace, weights, sinks) if chosen.linear else _mean_shares(trace, maps, sinks)
    keys = trace.prompt_length if inputs == "prompt" else len(trace.tokens) - 1
    whole = np.ones(trace.steps, np.float32) if chosen.linear else weights.sum(1)
    gone = list(sinks) if sink != "keep" else []
    values, removed = _without(gone, weights, whole, sink, keys, chosen)
    expected, _ = _without(gone, uniform, np.ones(trace.steps, np.float32), sink, keys, get_method(DEFAULT_METHOD))
    columns = units(trace.tokens, granularity, range(keys), trace.request.segments)
    return Importance(
        trace_id=trace.id,
        method=method,
        values=columns.sum(values),
        columns=columns,
        rows=units(trace.tokens, "token", range(trace.prompt_length, len(trace.tokens))),
        unit=chosen.gives,
        sums_to_one=chosen.linear,
        removed=removed,
        uniform=columns.sum(expected),
        shares=shares,
        parameters=_parameters(layers, heads, sink, inputs, granularity),
        model=trace.model.caption,
        notes=_notes(trace, sink, sinks),
        tokens=trace.tokens,
        sinks=sinks,
    )


def explain_by(
    trace: Trace, method: str = DEFAULT_METHOD, *, columns: str = "word", rows: str = "word", **settings: Any
) -> Importance:
    """Calls ``explain`` with the input by ``columns`` and the answer by ``rows`` (token, word, sentence, ...).

    A row is the mean over its steps. ``settings``: layers, heads, sink, inputs, given. Raises MethodError.
    """
    found = explain(trace, method, granularity=columns, **settings)
    if rows == "token":
        return found
    return group_rows(found, units(trace.tokens, rows, range(trace.prompt_length, len(trace.tokens))))


def _parameters(layers: Sequence[int] | None, heads: Heads | None, sink: str, inputs: str, granularity: str) -> dict:
    picked = None if heads is None else [int(h) if np.ndim(h) == 0 else [int(i) for i in h] for h in heads]  # type: ignore[union-attr, arg-type]
    return {
        "layers": None if layers is None else [int(layer) for layer in layers],
        "heads": picked,
        "sink": sink,
        "inputs": inputs,
        "granularity": granularity,
    }


def _check(what: str, value: str, known: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in known:
        raise MethodError(f"{what} must be one of {', '.join(known)}, not {value!r}.")


def _without(
    sinks: list[int], weights: np.ndarray, whole: np.ndarray, sink: str, keys: int, method: Method
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (values [step, keys], removed [step]) of rows whose true total is ``whole``."""
    values = weights[:, :keys].copy()
    values[:, sinks] = 0
    removed = whole - values.sum(1)
    if method.gives != "nats":
        removed = np.maximum(removed, 0)
    if sink == "drop" and method.linear:
        values /= np.maximum(1 - weights[:, sinks].sum(1, keepdims=True), np.float32(1e-12))
    return values, removed


def _mean_shares(trace: Trace, maps: np.ndarray, sinks: Sequence[int]) -> dict[str, np.ndarray]:
    """Returns ``group_shares`` of the mean over the maps that a method read; {} for a method that read no rows."""
    return group_shares(trace, mean_attention(MethodInput(trace, maps)), sinks) if len(maps) else {}


def group_shares(trace: Trace, weights: np.ndarray, sinks: Sequence[int] = (0,)) -> dict[str, np.ndarray]:
    """Returns {group: float32 [step]} shares, displayed beside the importance; all but ``query`` are disjoint.

    ``weights`` float32 [step, key] are linear. ``template`` is the markup without sinks, ``query`` the token from
    which attention is read, ``output`` everything written earlier (the query token too, after the first step). Of an
    encoder-decoder's cross-attention nothing falls on these two.
    """
    p = trace.prompt_length
    roles = np.array(trace.tokens.roles[:p])
    out = {"sink": weights[:, list(sinks)].sum(1), "output": weights[:, p:].sum(1)}
    steps = np.arange(trace.steps)
    out["query"] = np.zeros(trace.steps, np.float32) if trace.reads_prompt_only else weights[steps, steps + p - 1]
    for role in ("template", "system", "user", "assistant"):
        out[role] = weights[:, np.setdiff1d(np.flatnonzero(roles == role), sinks)].sum(1)
    return {name: out[name] for name in SHARE_GROUPS}


def _notes(trace: Trace, sink: str, sinks: Sequence[int]) -> tuple[str, ...]:
    if sink == "keep":
        return ()
    notes = []
    if trace.tokens.message[0] >= 0 and 0 in sinks:
        word = trace.tokens.texts[0].strip()
        notes.append(
            f"The first token is a word of the text (“{word}”): its share is partly the word's, partly the sink's."
        )
    words = Counter(visible_text(trace.tokens.texts[at].strip(" ")) for at in sinks if at)
    if words:
        names = and_list([f"“{word}”" + (f" ({count} times)" if count > 1 else "") for word, count in words.items()])
        notes.append(f"Left out with the first token, as sinks of this run: {names}.")
    return tuple(notes)


def group_columns(importance: Importance, columns: Units) -> Importance:
    """Groups columns of single tokens into words, sentences, ...: sums, as ``explain`` at that granularity.

    ``columns`` are units over the same tokens. Raises ValueError for an importance by other units than tokens.
    """
    if importance.columns.granularity != "token":
        raise ValueError(f"Columns are grouped from single tokens, not from {importance.columns.granularity}s.")
    return replace(
        importance,
        values=columns.sum(importance.values),
        uniform=columns.sum(importance.uniform),
        columns=columns,
        parameters={**importance.parameters, "granularity": columns.granularity},
    )


def group_rows(importance: Importance, rows: Units) -> Importance:
    """Groups rows into output words, sentences, ...: the *mean* over a unit's steps, so that lengths compare.

    ``rows`` are units over the output's positions; a step that lies in two units counts with its part in each.
    """
    step = rows.token - (int(importance.rows.token.min()) if len(importance.rows.token) else 0)
    total = np.bincount(rows.unit, rows.weight, len(rows))
    part = rows.weight / np.maximum(total[rows.unit], 1e-12)

    def fold(values: np.ndarray) -> np.ndarray:
        return sum_entries((values[step].T * part).T, rows.unit, len(rows)).astype(np.float32)

    return replace(
        importance,
        rows=rows,
        values=fold(importance.values),
        uniform=fold(importance.uniform),
        removed=fold(importance.removed),
        shares={name: fold(share) for name, share in importance.shares.items()},
    )
