"""Caches opened traces and computed importances between reruns, keyed by ids and names, never by arrays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import streamlit as st

from core import store
from core.importance import METHODS, explain, get_method, group_rows, method_problem, offered_methods
from core.records import Importance, Request, Trace
from core.text.units import units

PROBED = ("word", "token", "sentence", "segment")
"""Units of a probe that methods are given, the first that is stored."""


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
    """{need: record} of what a method may need and is stored beside the run: a Probe of its words hidden one by one."""
    stamp = store.run_stamp(trace.id)
    if stamp is None or all("probe" not in method.needs for method in METHODS.values()):
        return {}
    return _records(trace.id, stamp, trace.request.segments, _trace=trace)


@st.cache_resource(max_entries=8, show_spinner=False)
def _records(run_id: str, stamp: int, segments: Any, _trace: Trace) -> dict[str, Any]:
    probes = (store.load_probe(_trace, units, mode) for units, mode in product(PROBED, ("mask", "remove")))
    found = next((probe for probe in probes if probe is not None), None)
    return {} if found is None else {"probe": found}


def readable_methods(trace: Trace | None) -> tuple[str, ...]:
    """Names of the methods that can read ``trace`` with what is stored beside it; None: any run with every head."""
    return offered_methods() if trace is None else offered_methods(trace, stored_records(trace))


def about_methods(trace: Trace | None) -> str:
    """Describes every method for the help of a box, and says of those that cannot read this run what is missing."""
    have = {} if trace is None else stored_records(trace)
    names = readable_methods(trace)
    lines = {name: METHODS[name].about for name in names}
    if trace is not None:
        lines |= {name: f"not here. {method_problem(trace, name, have)}" for name in METHODS if name not in names}
    return "\n\n".join(f"**{METHODS[name].label}**: {about}" for name, about in lines.items())


def records_stamp(trace: Trace, method: str) -> int | None:
    """Part of a cache key: changes with the records that ``method`` reads beside the rows; None where it reads none."""
    return None if get_method(method).from_run else store.run_stamp(trace.id)


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
    if rows == "token":
        given = {} if get_method(method).from_run else stored_records(_trace)
        return explain(_trace, method, layers, heads, sink, inputs, columns, given)  # type: ignore[arg-type]
    found = _importance(name, method, layers, heads, sink, inputs, columns, "token", _trace=_trace)
    return group_rows(found, units(_trace.tokens, rows, range(_trace.prompt_length, len(_trace.tokens))))
