"""What a server keeps in memory between two clicks: traces and importances, by names and ids, never by arrays."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import store
from core.importance import explain, group_rows
from core.records import Importance, Trace
from core.store.files import MANIFEST
from core.store.place import folder_of
from core.text.units import units

LEVELS = ("token", "word", "sentence", "segment", "role")


def open_trace(run_id: str) -> Trace | None:
    """A stored run; None when there is none. Raises StoreError when it is damaged."""
    try:
        changed = (folder_of(run_id) / MANIFEST).stat().st_mtime_ns
    except OSError:
        return None
    return _open(run_id, changed)


@st.cache_resource(max_entries=6, show_spinner=False)
def _open(run_id: str, changed: int) -> Trace | None:
    return store.load(run_id)


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
    """``explain`` with the answer's tokens gathered into ``rows``: means over a unit's steps."""
    picked = (None if layers is None else tuple(layers), None if heads is None else tuple(heads))
    return _importance(trace.id, trace.request.segments, trace.rows is not None, method, *picked, sink, inputs, columns, rows, _trace=trace)


@st.cache_resource(max_entries=48, show_spinner=False)
def _importance(
    run_id: str,
    segments: tuple,
    has_rows: bool,
    method: str,
    layers: tuple[int, ...] | None,
    heads: tuple[int, ...] | None,
    sink: str,
    inputs: str,
    columns: str,
    rows: str,
    _trace: Trace,
) -> Importance:
    found = explain(_trace, method, layers, heads, sink, inputs, columns)  # type: ignore[arg-type]
    if rows == "token":
        return found
    return group_rows(found, units(_trace.tokens, rows, range(_trace.prompt_length, len(_trace.tokens))))
