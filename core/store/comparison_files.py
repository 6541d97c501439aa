"""Writes and reads a comparison as one JSON file: its columns, and the complete runs that they show.

    {"format": "heed-comparison", "version": 1,
     "columns": [{"run": ID, "method": "mean-attention", "layers": [], "heads": []}, ...],
     "settings": {"granularity": "word", ...},
     "runs": [a file of json_files.py, ...]}                   <- each run once, however many columns show it

Files come from strangers: every run goes through the same checks as a run by itself, columns may only name runs of
the same file, and sizes are bounded first. Guarded by tests/core/test_store_comparison_files.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import StoreError
from ..records import Trace
from .json_files import RUN_FORMAT as RUN
from .json_files import parse_json, run_from_json, run_to_json

COMPARISON_FORMAT, COMPARISON_VERSION = "heed-comparison", 1
MOST_COLUMNS = 16
"""Most columns of a file."""
LARGEST = 10**6
"""Largest layer or head number."""


@dataclass(frozen=True)
class SavedColumn:
    """One column of a comparison: a run, and the method, layers and heads by which it is shown."""

    run: str
    method: str = "mean-attention"
    layers: tuple[int, ...] = ()
    heads: tuple[int, ...] = ()


@dataclass(frozen=True)
class OpenedComparison:
    """The contents of a comparison file."""

    traces: tuple[Trace, ...]
    """Each run once."""
    columns: tuple[SavedColumn, ...]
    settings: Mapping[str, str] = field(default_factory=dict)


def comparison_to_json(
    traces: Sequence[Trace], columns: Sequence[SavedColumn], settings: Mapping[str, str] | None = None
) -> bytes:
    """Returns the file's bytes; ``traces`` are the runs that ``columns`` name (repeats are fine). Raises StoreError."""
    runs = {t.id: t for t in traces}
    missing = [c.run for c in columns if c.run not in runs]
    if missing or not columns:
        raise StoreError("There is nothing to save yet: a comparison needs a run in every column.")
    held = [{"run": c.run, "method": c.method, "layers": list(c.layers), "heads": list(c.heads)} for c in columns]
    head = {
        "format": COMPARISON_FORMAT,
        "version": COMPARISON_VERSION,
        "columns": held,
        "settings": dict(settings or {}),
    }
    text = json.dumps(head, ensure_ascii=False).encode("utf-8", "backslashreplace")
    bodies = b",\n".join(run_to_json(t) for t in runs.values())
    return text[:-1] + b', "runs": [\n' + bodies + b"\n]}\n"


def comparison_from_json(data: bytes) -> OpenedComparison:
    """Reads a file of a comparison or of a single run. Raises StoreError with one sentence on anything else."""
    whole = parse_json(data)
    if not isinstance(whole, dict) or whole.get("format") not in (COMPARISON_FORMAT, RUN):
        raise StoreError("This file is no run and no comparison of Heed: choose a JSON file that was saved there.")
    if whole["format"] == RUN:
        trace = run_from_json(data)
        return OpenedComparison((trace,), (SavedColumn(trace.id),))
    if type(whole.get("version")) is not int or whole["version"] != COMPARISON_VERSION:
        raise StoreError("This file was written by another version of Heed: update Heed, or save it again there.")
    return _open(whole)


def _open(whole: dict[str, Any]) -> OpenedComparison:
    columns, runs, settings = whole.get("columns"), whole.get("runs"), whole.get("settings")
    if not isinstance(columns, list) or not isinstance(runs, list) or not isinstance(settings, dict):
        raise StoreError("This comparison lacks its columns, its runs or its settings: save it again.")
    if not 0 < len(columns) <= MOST_COLUMNS or not 0 < len(runs) <= MOST_COLUMNS:
        raise StoreError(f"A comparison has 1 to {MOST_COLUMNS} columns and runs, not {len(columns)} and {len(runs)}.")
    shown = tuple(_column(i, c) for i, c in enumerate(columns, 1))
    if not all(isinstance(run, dict) for run in runs):
        raise StoreError("A run of this comparison is no run of Heed: save the comparison again.")
    traces = tuple(run_from_json(json.dumps(run).encode()) for run in runs)
    lost = {c.run for c in shown} - {t.id for t in traces}
    if lost:
        raise StoreError(f"This comparison shows the run {min(lost)[:8]!r}, which the file does not hold.")
    plain = {str(k)[:40]: v for k, v in settings.items() if isinstance(v, str) and len(v) < 200}
    return OpenedComparison(traces, shown, plain)


def _column(number: int, plain: Any) -> SavedColumn:
    if isinstance(plain, dict) and isinstance(plain.get("run"), str) and isinstance(plain.get("method"), str):
        picked = [plain.get("layers", []), plain.get("heads", [])]
        if all(isinstance(p, list) and all(type(n) is int and 0 <= n < LARGEST for n in p) for p in picked):
            return SavedColumn(plain["run"], plain["method"][:40], tuple(picked[0]), tuple(picked[1]))
    raise StoreError(f"Column {number} of this comparison does not say which run it shows, and how: save it again.")
