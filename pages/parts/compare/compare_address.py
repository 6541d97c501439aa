"""Converts a comparison to and from URL query parameters: run ids and how each run is read, never a prompt.

    ?runs=ID,ID&method=mean-attention,picked-heads&layers=,3.7&heads=,0.1&level=word&view=difference

``method``, ``layers`` and ``heads`` have one entry for each run, or a single one for all. What cannot be parsed is
left out. Guarded by tests/pages/test_compare.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.importance import DEFAULT_METHOD, METHODS
from pages.parts.compare.column_state import MOST_COLUMNS, Column

QUERY_NAMES = ("runs", "method", "layers", "heads", "level")


def columns_query(columns: Sequence[Column]) -> dict[str, str]:
    """Query parameters for these columns; empty where one has no run yet."""
    if not columns or not all(c.run for c in columns):
        return {}
    found = {"runs": ",".join(c.run for c in columns)}
    methods = [c.method for c in columns]
    if set(methods) != {DEFAULT_METHOD}:
        found["method"] = methods[0] if len(set(methods)) == 1 else ",".join(methods)
    for name in ("layers", "heads"):
        picked = [getattr(c, name) if METHODS[c.method].picks else () for c in columns]
        if any(picked):
            found[name] = ",".join(".".join(map(str, p)) for p in picked)
    return found


def edit_query(
    run: str, method: str = DEFAULT_METHOD, layers: Sequence[int] = (), heads: Sequence[int] = ()
) -> dict[str, str]:
    """Query parameters that open a run with an editable copy beside it."""
    column = Column(run=run, method=method, layers=tuple(layers), heads=tuple(heads))
    return columns_query([column]) | {"edit": "1"}


def query_columns(query: Mapping[str, str]) -> tuple[list[str], list[dict[str, Any]]]:
    """(run ids, fields of ``Column`` for each) from query parameters; at most ``MOST_COLUMNS``."""
    runs = [r.strip() for r in query.get("runs", "").split(",") if r.strip()][:MOST_COLUMNS]
    methods, layers, heads = (_spread(query.get(name, ""), len(runs)) for name in ("method", "layers", "heads"))
    readings: list[dict[str, Any]] = [
        {
            "method": method if method in METHODS else DEFAULT_METHOD,
            "layers": _numbers(layer),
            "heads": _numbers(head),
        }
        for method, layer, head in zip(methods, layers, heads, strict=True)
    ]
    return runs, readings


def _spread(text: str, count: int) -> list[str]:
    parts = text.split(",")
    return parts * count if len(parts) == 1 else (parts + [""] * count)[:count]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(n) for n in text.split(".") if n.isascii() and n.isdigit() and len(n) < 6)
