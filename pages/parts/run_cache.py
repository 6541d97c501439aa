"""Caches opened traces and computed importances between reruns, keyed by ids and names, never by arrays."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import streamlit as st

from core import store
from core.charts.shaded_texts import shaded_texts_data
from core.errors import HeedError
from core.importance import (
    DEFAULT_METHOD,
    METHODS,
    explain,
    get_method,
    group_columns,
    group_rows,
    method_problem,
    offered_methods,
    own_units,
)
from core.importance.surrogate import random_masks
from core.records import ATTRIBUTIONS, Importance, Request, Trace
from core.text.units import units
from core.trust import FEWEST_UNITS, MASKS
from core.trust.league import LONG, first_method
from core.trust.league_files import head_weights, load_league

PROBED = ("word", "token", "sentence", "segment")
"""Units of a probe that methods are given, the first that is stored."""
SENTENCES = 6
"""Sentences of the user's from which on sentences are hidden at random; with fewer, words are."""
LONG_DEFAULT = "value-weighted"
MASK_COUNTS = (16, 32, 64, 128, 256)
"""How many random masks a surrogate of a run may be fitted to; the stored one with most is used."""


def open_trace(run_id: str, request: Request | None = None) -> Trace | None:
    """The cached trace of a stored run; None when there is none. Raises StoreError when it is damaged.

    With ``request`` (of the same id) the trace carries its segments and author: they change nothing of what the
    model computed, so one stored run serves requests that differ in them.
    """
    changed = store.run_stamp(run_id)
    if changed is None:
        return None
    asked = None if request is None or request.id != run_id else (request.segments, request.author)
    return _open(run_id, changed, asked, _request=request)


@st.cache_resource(max_entries=8, show_spinner=False)
def _open(run_id: str, changed: int, asked: tuple | None, _request: Request | None) -> Trace | None:
    return store.load_run(run_id if asked is None or _request is None else _request)


def stored_records(trace: Trace) -> dict[str, Any]:
    """{need: record} of what methods may need beside the rows and is here: learned weights, probes, attributions."""
    learned = head_weights(trace.request.model.fingerprint)
    found: dict[str, Any] = {} if learned is None else {"weights": learned}
    stamp = store.run_stamp(trace.id)
    if stamp is None:
        return found
    return found | _records(trace, stamp)


@lru_cache(maxsize=8)  # asked for a dozen times a page, where Streamlit's own cache takes 0.5 ms to find its entry
def _records(trace: Trace, stamp: int) -> dict[str, Any]:
    probes = (store.load_probe(trace, units, mode) for units, mode in product(PROBED, ("mask", "remove")))
    made: dict[str, Any] = {"probe": next((probe for probe in probes if probe is not None), None)}
    found = (store.load_probe(trace, *masks) for n in MASK_COUNTS[::-1] if (masks := surrogate_masks(trace, n)))
    made["masks"] = next((probe for probe in found if probe is not None), None)
    made |= {kind: store.load_attribution(trace.id, kind) for kind in ATTRIBUTIONS}
    return {need: record for need, record in made.items() if record is not None}


def hidable_units(trace: Trace) -> tuple[str, np.ndarray] | None:
    """(granularity, bool [unit]: in the user's own text) of what is hidden at random; None where there is too little.

    Sentences, or words where there are too few sentences.
    """
    return _hidable_units((trace.id, trace.request.segments), trace)


@st.cache_resource(max_entries=16, show_spinner=False)
def _hidable_units(name: tuple, _trace: Trace) -> tuple[str, np.ndarray] | None:
    for level, fewest in (("sentence", SENTENCES), ("word", FEWEST_UNITS)):
        with suppress(HeedError):
            cut = units(_trace.tokens, level, range(_trace.prompt_length), _trace.request.segments)
            able = np.zeros(len(cut), bool)
            able[own_units(_trace.tokens, cut)] = True
            if able.sum() >= fewest:
                return level, able
    return None


def surrogate_masks(trace: Trace, count: int = MASKS) -> tuple[str, str, np.ndarray] | None:
    """(units, mode, masks) of the probe to which a surrogate is fitted: others than those that check the methods."""
    found = hidable_units(trace)
    return None if found is None else (found[0], "mask", random_masks(found[1], count))


def first_picture(trace: Trace) -> str:
    """The method with which a run of this model is shown first: what its league says, else the usual one.

    That is the mean of all heads, and for a long run value-weighted attention: over an article both agree as well with
    what hiding sentences costs, but of the five words that the mean reads most more are function words
    (docs/trust.md). A league is measured on prompts of several sentences, and says nothing of how words of one sentence
    are read: heads that look for a sentence rest on the sink where there is none to look for.
    """
    known = {name: METHODS[name] for name in readable_methods(trace)}
    usual = LONG_DEFAULT if len(trace.tokens) > LONG and LONG_DEFAULT in known else DEFAULT_METHOD
    hidable = hidable_units(trace)
    if hidable is None or hidable[0] != "sentence":
        return usual
    free = [name for name, method in known.items() if method.linear and not method.cost and not method.picks]
    return first_method(load_league(trace.request.model.fingerprint), free, usual, len(trace.tokens))


def readable_methods(trace: Trace | None) -> tuple[str, ...]:
    """Names of the methods that can read ``trace`` with what is stored beside it; None: any run with every head."""
    return offered_methods() if trace is None else _readable(trace, frozenset(stored_records(trace)), tuple(METHODS))


@lru_cache(maxsize=8)
def _readable(trace: Trace, have: frozenset[str], known: tuple[str, ...]) -> tuple[str, ...]:
    return offered_methods(trace, have)


def about_methods(trace: Trace | None) -> str:
    """Describes every method for the help of a box, and says of those that cannot read this run what is missing."""
    have = {} if trace is None else stored_records(trace)
    names = readable_methods(trace)
    lines = {name: METHODS[name].about for name in names}
    if trace is not None:
        lines |= {name: f"not here. {method_problem(trace, name, have)}" for name in METHODS if name not in names}
    return "\n\n".join(f"**{METHODS[name].label}**: {about}" for name, about in lines.items())


@lru_cache(maxsize=8)
def texts_data(words: Importance, inputs: str = "own", strength: float = 1.0, present: bool = False) -> dict[str, Any]:
    """The data of the two shaded texts, kept between reruns: a click changes what is picked and not the texts."""
    return shaded_texts_data(words, inputs=inputs, strength=strength, present=present)  # type: ignore[arg-type]


def records_stamp(trace: Trace, method: str) -> tuple | None:
    """Part of a cache key: changes with the records that ``method`` reads beside the rows; None where it reads none."""
    if get_method(method).from_run:
        return None
    learned = head_weights(trace.request.model.fingerprint)
    return store.run_stamp(trace.id), "" if learned is None else learned.created


def importance(
    trace: Trace,
    method: str,
    *,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    sink: str = "keep",
    inputs: str = "prompt",
    columns: str = "word",
    rows: str = "word",
) -> Importance:
    """The cached result of ``explain``, with the answer's tokens grouped into ``rows``: means over a unit's steps."""
    picked = (None if layers is None else tuple(layers), None if heads is None else tuple(heads))
    name = (trace.id, trace.created, trace.request.segments, trace.rows is not None, records_stamp(trace, method))
    return _importance(name, method, *picked, sink, inputs, columns, rows, _trace=trace)


@st.cache_resource(max_entries=48, show_spinner=False)
def _importance(
    name: tuple,
    method: str,
    layers: tuple[int, ...] | None,
    heads: tuple[int, ...] | None,
    sink: str,
    inputs: str,
    columns: str,
    rows: str,
    _trace: Trace,
) -> Importance:
    """Heads are reduced once: every other granularity is made of the one by single tokens."""
    if columns == rows == "token":
        given = {} if get_method(method).from_run else stored_records(_trace)
        return explain(_trace, method, layers, heads, sink, inputs, "token", given)  # type: ignore[arg-type]
    found = _importance(
        name, method, layers, heads, sink, inputs, columns if rows != "token" else "token", "token", _trace=_trace
    )
    if rows == "token":
        keys = range(_trace.prompt_length if inputs == "prompt" else len(_trace.tokens) - 1)
        return group_columns(found, units(_trace.tokens, columns, keys, _trace.request.segments))
    return group_rows(found, units(_trace.tokens, rows, range(_trace.prompt_length, len(_trace.tokens))))
