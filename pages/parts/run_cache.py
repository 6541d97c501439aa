"""Caches opened traces and computed importances between reruns, keyed by ids and names, never by arrays."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import store
from core.importance import explain, group_rows
from core.records import Importance, Request, Trace
from core.text.units import units

UNIT_LEVELS = ("token", "word", "sentence", "segment", "role")


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
    name = (trace.id, trace.created, trace.request.segments, trace.rows is not None)
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
        return explain(_trace, method, layers, heads, sink, inputs, columns)  # type: ignore[arg-type]
    found = _importance(name, method, layers, heads, sink, inputs, columns, "token", _trace=_trace)
    return group_rows(found, units(_trace.tokens, rows, range(_trace.prompt_length, len(_trace.tokens))))
