"""Makes tables of a Stability: each word with a column for each run, each cell, and what a page shows of them.

The first two are (facts, column titles, lines), as ``store.tidy_csv`` takes them. Guarded by
tests/core/test_comparing_stability_tables.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .run_stability import Stability

if TYPE_CHECKING:
    import pandas as pd

Table = tuple[dict[str, Any], tuple[str, ...], Iterable[tuple[Any, ...]]]
PERCENTS = ("mean", "low", "high", "spread", "smallest", "largest", "first", "uniform")
"""Columns of ``Stability.table`` that are shares, where the method gives shares."""


def stability_facts(stability: Stability, kind: str) -> dict[str, Any]:
    """Returns the facts for the first lines of a table; ``kind`` says what differs between the runs."""
    between = {f"{b.measure} between runs, mean and lowest": [b.mean, b.lowest] for b in stability.between}
    head = {"view": f"stability over {kind}", "model": stability.model, "method": stability.method}
    return head | {"unit": stability.unit, "runs": list(stability.trace_ids)} | between


def stable_words(stability: Stability, kind: str) -> Table:
    """Returns one line for each word, with a column for each run."""
    table = stability.table
    for run, values in zip(stability.trace_ids, stability.answer, strict=True):
        table[f"run_{run[:8]}"] = values
    return stability_facts(stability, kind), tuple(table.columns), table.itertuples(index=False)


def stable_cells(stability: Stability, kind: str) -> Table:
    """Returns one line for each cell: a part of the answer and a word of the prompt."""
    names = ("row", "output", "column", "input", "mean", "spread", "runs", "first")
    s = stability
    lines = (
        (r, output, u, word, s.mean[r, u], s.spread[r, u], s.runs[u], s.first[r, u])
        for r, output in enumerate(s.rows)
        for u, word in enumerate(s.units)
    )
    return stability_facts(stability, kind), names, lines


def titled_words(stability: Stability, first: str) -> pd.DataFrame:
    """Returns ``Stability.table`` under titles for people, shares in %; ``first`` names the first run."""
    table = stability.table
    table[list(PERCENTS)] *= 100 if stability.unit == "share" else 1
    titles = {"word": "Word", "runs": "Runs", "low": "95 % from", "high": "to"}
    return table.rename(columns={n: n.capitalize() for n in PERCENTS} | titles | {"first": first})
